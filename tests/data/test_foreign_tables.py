"""Tables of pixels as spreadsheets and other programs write them; FER-2013's own is in `test_layouts`."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from small_archives import Members, noise, row, rows, table

from emotion.data.layouts import read_records
from emotion.data.records import Record
from emotion.errors import DataError
from emotion.labels import CSV_CODES


def records(members: Members) -> list[Record]:
    found = list(read_records(members))
    assert all(isinstance(record, Record) for record in found)
    return [record for record in found if isinstance(record, Record)]


def only_record(line: list[str], header: str = "emotion,pixels,Usage") -> Record:
    (found,) = records([("faces.csv", table([line], header))])
    return found


ENCODINGS: dict[str, Callable[[bytes], bytes]] = {
    "utf-16": lambda content: content.decode().encode("utf-16"),
    "utf-16 of the other byte order": lambda content: b"\xfe\xff" + content.decode().encode("utf-16-be"),
    "utf-16 without a byte order mark": lambda content: content.decode().encode("utf-16-le"),
    "utf-8 with a byte order mark": lambda content: b"\xef\xbb\xbf" + content,
}


@pytest.mark.parametrize("encoding", ENCODINGS)
@pytest.mark.parametrize("separator", [b";", b"\t", b","])
def test_spreadsheets_separators_and_encodings_give_the_same_faces(encoding: str, separator: bytes) -> None:
    content = table(rows(1))
    found = records([("faces.csv", ENCODINGS[encoding](content.replace(b",", separator)))])
    expected = records([("faces.csv", content)])
    assert [(each.name, each.emotion, each.official) for each in found] == [
        (each.name, each.emotion, each.official) for each in expected
    ]
    np.testing.assert_array_equal([each.content for each in found], [each.content for each in expected])


@pytest.mark.parametrize(
    ("emotion", "expected"),
    [("3.0", "happy"), ("Happiness", "happy"), (" happy ", "happy"), ("contempt", "contempt"), ("joy", "joy")],
)
def test_emotion_may_be_a_name_or_a_number_with_a_fraction_of_zero(emotion: str, expected: str) -> None:
    assert only_record(row(emotion)).emotion == expected


@pytest.mark.parametrize(
    ("usage", "folder", "official"),
    [
        ("training", "train", "train"),
        ("PUBLICTEST", "test", "validation"),
        ("privatetest", "test", "test"),
        ("train", "train", None),
        ("Val", "validation", None),
        ("test", "test", None),
    ],
)
def test_usage_may_be_in_lower_case_or_name_a_split(usage: str, folder: str, official: str | None) -> None:
    found = only_record(row(usage=usage))
    assert (found.folder, found.official) == (folder, official)


def test_pixels_may_have_fractions_of_zero() -> None:
    emotion, pixels, usage = row(seed=5)
    found = only_record([emotion, pixels.replace(" ", ".0 "), usage])
    np.testing.assert_array_equal(found.content, np.asarray(noise(5)))


def test_rows_without_usage_belong_to_no_split() -> None:
    found = only_record(row()[:2], "emotion,pixels")
    assert (found.folder, found.official) == (None, None)


def test_numbers_of_another_order_are_those_that_a_person_says() -> None:
    (found,) = read_records([("faces.csv", table([row(7)]))], {"7": "contempt"})
    assert isinstance(found, Record)
    assert found.emotion == "contempt"


def test_table_with_labels_is_chosen_among_those_of_the_competition() -> None:
    members = [
        ("example_submission.csv", b"id,emotion\n1,2\n"),
        ("test.csv", b"pixels\n1 2 3\n"),
        ("train.csv", table([row(code)[:2] for code in range(7)], "emotion,pixels")),
    ]
    assert [record.emotion for record in records(members)] == list(CSV_CODES)


def test_many_tables_are_counted_and_ten_named() -> None:
    with pytest.raises(DataError, match=r"^found 12 tables \(00\.csv, .*, 09\.csv and 2 more\); leave only one"):
        records([(f"{number:02}.csv", table([row()])) for number in range(12)])
