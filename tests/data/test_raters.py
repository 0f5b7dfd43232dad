from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
from small_archives import Members, pictures, row, rows, table

from emotion.data import raters
from emotion.data.layouts import read_records
from emotion.data.raters import VoteTable
from emotion.data.records import Fault, Record
from emotion.errors import DataError
from emotion.files import write_csv
from emotion.labels import NAMES
from emotion.votes import CHOICES, HEADER, majority

FERPLUS = 35_887


def votes_table(names: Sequence[str], usages: Sequence[str] | None = None) -> VoteTable:
    """Make votes in which the first number of each row is its position."""
    votes = np.zeros((len(names), len(CHOICES)), np.uint8)
    votes[:, 0] = np.arange(len(names)) + 1
    return VoteTable(list(usages or ["Training"] * len(names)), list(names), votes)


def joined(archive: Members, votes: VoteTable) -> dict[str, int]:
    """Return the first vote of each face that has votes."""
    records = [record for record in raters.join(read_records(archive), votes) if isinstance(record, Record)]
    return {record.name: int(record.votes[0]) for record in records if record.votes is not None}


def usages_of(lines: Sequence[Sequence[str]]) -> list[str]:
    return [usage for _, _, usage in lines]


def test_pictures_find_their_votes_by_folders_and_name_below_any_other_folder() -> None:
    votes = votes_table(["train/sad/Training_0.png", "test/sad/PublicTest_0.png"])
    assert joined(pictures(1), votes) == {"train/sad/Training_0.png": 1, "test/sad/PublicTest_0.png": 2}
    below = [(f"faces/of/{name}", content) for name, content in pictures(1)]
    assert joined(below, votes) == {"faces/of/train/sad/Training_0.png": 1, "faces/of/test/sad/PublicTest_0.png": 2}


def test_picture_in_another_class_folder_has_no_votes() -> None:
    moved = [(name.replace("train/sad", "train/angry"), content) for name, content in pictures(1, ["sad"])]
    assert joined(moved, votes_table(["train/sad/Training_0.png"])) == {}


def test_rows_of_a_csv_find_their_votes_by_position_after_a_bad_row_too() -> None:
    lines = [row(usage="Training", seed=1), ["3", "1 2 3", "Training"], row(usage="PublicTest", seed=2)]
    votes = votes_table(["", "", ""], ["Training", "Training", "PublicTest"])
    assert joined([("fer2013.csv", table(lines))], votes) == {"fer2013.csv:2": 1, "fer2013.csv:4": 3}


def test_csv_with_another_number_of_rows_is_refused() -> None:
    lines = rows(1)
    for names in ([""] * (len(lines) - 1), [""] * (len(lines) + 1)):
        votes = votes_table(names, [*usages_of(lines), "Training"][: len(names)])
        with pytest.raises(
            DataError, match=r"the csv are not those of fer2013.csv.*it has 21 rows.*votes=none"
        ) as error:
            joined([("fer2013.csv", table(lines))], votes)
        assert "\n" not in str(error.value)


def test_csv_with_rows_in_another_order_is_refused() -> None:
    lines = rows(1)
    votes = votes_table([""] * len(lines), usages_of(lines)[::-1])
    with pytest.raises(DataError, match=r"fer2013\.csv:2 is in train, and its votes are for PrivateTest"):
        joined([("fer2013.csv", table(lines))], votes)


def test_csv_without_the_usage_of_the_competition_has_no_votes() -> None:
    votes = votes_table([""] * 9, ["Training"] * 9)
    for archive in (
        [("train.csv", table([row()[:2], ["9", ""]], "emotion,pixels"))],
        [("faces.csv", table([row(usage="val")]))],
    ):
        assert joined(archive, votes) == {}


def test_nothing_is_joined_without_votes() -> None:
    for archive in (pictures(1), [("fer2013.csv", table(rows(1)))]):
        assert joined(archive, votes_table([])) == {}


def test_votes_are_read_as_they_were_written(tmp_path: Path) -> None:
    content = [("Training", "fer0000000.png", *range(10)), ("PrivateTest", "", *[0] * 9, 10)]
    write_csv(tmp_path / "votes.csv", HEADER, content)
    read = raters.read(tmp_path / "votes.csv")
    assert (read.usages, read.names) == (["Training", "PrivateTest"], ["fer0000000.png", ""])
    assert read.votes.tolist() == [list(range(10)), [0] * 9 + [10]]
    write_csv(tmp_path / "votes.csv", HEADER, [])
    assert raters.read(tmp_path / "votes.csv").votes.shape == (0, 10)


@pytest.mark.parametrize(
    ("header", "line", "fault"),
    [
        (HEADER[:-1], ["Training", "a", *[0] * 9], "line 1: expected Usage,Image name,neutral,"),
        (HEADER, ["Training", "a", *[0] * 9], "expected 10 votes from 0 to 255 in every row"),
        (HEADER, ["Training", "a", *[0] * 9, "x"], "expected 10 votes from 0 to 255 in every row"),
        (HEADER, ["Training", "a", *[0] * 9, 256], "expected 10 votes from 0 to 255 in every row"),
        (HEADER, ["Training", "a", *[0] * 9, -1], "expected 10 votes from 0 to 255 in every row"),
    ],
)
def test_other_csv_is_refused_in_one_line(
    tmp_path: Path, header: Sequence[str], line: Sequence[object], fault: str
) -> None:
    write_csv(tmp_path / "votes.csv", header, [line])
    with pytest.raises(DataError, match=fault) as error:
        raters.read(tmp_path / "votes.csv")
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("content", [b"\xff\xd8\xff\xe0", b"a" * 200_000], ids=["bytes", "field"])
def test_file_that_is_no_csv_in_utf_8_is_refused_in_one_line(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "votes.csv").write_bytes(content)
    with pytest.raises(DataError, match=r"votes\.csv is no csv in UTF-8 \(.*\); run: dvc repro$") as error:
        raters.read(tmp_path / "votes.csv")
    assert "\n" not in str(error.value)


def test_empty_file_is_refused(tmp_path: Path) -> None:
    (tmp_path / "votes.csv").touch()
    with pytest.raises(DataError, match="line 1: expected Usage"):
        raters.read(tmp_path / "votes.csv")


def test_every_file_of_kaggle_has_a_row_of_its_own_with_its_usage() -> None:
    usages = ["Training"] * 28_709 + ["PublicTest"] * 3_589 + ["PrivateTest"] * 3_589
    found = raters.find_kaggle_rows(votes_table([""] * FERPLUS, usages))
    assert len(found) == len(set(found.values())) == 35_712
    # One of the file names occurs in two class folders.
    assert len({name.split("/")[-1] for name in found}) == 35_711
    assert found["test/angry/PrivateTest_10131363.jpg"] == 33_914
    for name, place in found.items():
        assert usages[place] in name


def test_votes_that_are_not_those_of_ferplus_belong_to_no_file_of_kaggle() -> None:
    assert raters.find_kaggle_rows(votes_table([""] * (FERPLUS - 1))) == {}


@pytest.mark.fer2013
@pytest.mark.skipif("FERPLUS_VOTES" not in os.environ, reason="FERPLUS_VOTES is not set")
def test_most_raters_agree_with_the_folder_of_five_faces_in_eight() -> None:
    votes = raters.read(Path(os.environ["FERPLUS_VOTES"]))
    found = raters.find_kaggle_rows(votes)
    most = votes.votes[list(found.values())].argmax(axis=1)
    agreed = np.array([CHOICES[choice] == name.split("/")[1] for choice, name in zip(most, found, strict=True)])
    assert agreed.mean() == pytest.approx(0.626, abs=0.0005)
    choices = majority(votes.votes[list(found.values())])
    happy = np.array([name.split("/")[1] == "happy" for name in found])
    assert (choices[happy] == CHOICES.index("happy")).mean() > 0.9
    assert set(NAMES) == {name.split("/")[1] for name in found}


def test_faults_pass_unchanged() -> None:
    fault = Fault("fer2013.csv:2", "short_row", "too short")
    assert list(raters.join([fault], votes_table([""]))) == [fault]
