from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest
from small_archives import table

from benchmarks import ferplus_rows
from emotion.data import raters
from emotion.data.archives import write_canonical
from emotion.data.sample_faces import draw_face
from emotion.files import write_csv
from emotion.votes import HEADER

FACES = [draw_face(name, np.random.default_rng(0)) for name in ("happy", "sad", "fear")]
NAMES = ("train/happy/Training_31.jpg", "test/sad/PublicTest_7.jpg")
VOTES = [
    ("Training", "a", 0, 9, 0, 1, *[0] * 6),
    ("PublicTest", "b", 8, 0, 0, 2, *[0] * 6),
    ("PrivateTest", "", *[0] * 9, 9),
]
PIXELS: list[list[str]] = [
    [code, " ".join(map(str, face.ravel())), str(row[0])] for code, face, row in zip("342", FACES, VOTES, strict=True)
]


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Three rows of votes, two of which belong to files, and the pixels of all three."""
    for module in (raters, ferplus_rows):
        monkeypatch.setattr(module, "ROWS", tmp_path / "rows.npz")
    files = {name: ferplus_rows.encode(face) for name, face in zip(NAMES, FACES, strict=False)}
    write_canonical([*files.items(), ("test/fear/PrivateTest_5.jpg", b"")], tmp_path / "faces.zip")
    write_csv(tmp_path / "votes.csv", HEADER, VOTES)
    write_csv(tmp_path / "rows.csv", ("file", "row"), [(NAMES[1], 1), (NAMES[0], 0)])
    (tmp_path / "fer2013.csv").write_bytes(table(PIXELS))
    return tmp_path


def run(folder: Path, monkeypatch: pytest.MonkeyPatch, *options: str) -> None:
    arguments = [str(folder / name) for name in ("faces.zip", "votes.csv")]
    monkeypatch.setattr(sys, "argv", ["ferplus_rows", *arguments, "--rows", str(folder / "rows.csv"), *options])
    ferplus_rows.main()


def test_written_table_gives_each_file_its_row_and_is_checked(
    folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    run(folder, monkeypatch, "--pixels", str(folder / "fer2013.csv"))
    assert raters.find_kaggle_rows(raters.read(folder / "votes.csv")) == {NAMES[0]: 0, NAMES[1]: 1}
    assert capsys.readouterr().out.splitlines() == [
        "2 files have a row, 1 have none; most raters agree with the folder of 50.0%",
        "2 files are the pixels of their row",
    ]


def test_file_that_is_not_the_pixels_of_its_row_is_found(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (folder / "fer2013.csv").write_bytes(table([PIXELS[1], *PIXELS[1:]]))
    with pytest.raises(SystemExit, match=r"ferplus_rows: train/happy/Training_31\.jpg is not row 0 of "):
        run(folder, monkeypatch, "--pixels", str(folder / "fer2013.csv"))


@pytest.mark.parametrize(
    ("rows", "fault"),
    [
        ([("train/happy/Training_8.jpg", 0)], "1 files are not in the archive, such as train/happy/Training_8.jpg"),
        ([("happy/1.jpg", 0)], "expected a file of Kaggle and a row below 3, received"),
        ([(NAMES[0], 3)], "expected a file of Kaggle and a row below 3, received"),
    ],
)
def test_wrong_rows_end_in_one_line(
    folder: Path, monkeypatch: pytest.MonkeyPatch, rows: list[tuple[str, int]], fault: str
) -> None:
    write_csv(folder / "rows.csv", ("file", "row"), rows)
    with pytest.raises(SystemExit, match=fault) as caught:
        run(folder, monkeypatch)
    assert "\n" not in str(caught.value)
