from __future__ import annotations

import csv
import io
import json
import subprocess
import sys
from contextlib import suppress
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from small_archives import encode

from emotion.inference import formats
from emotion.inference.formats import Album, JsonArray
from emotion.inference.results import Box, Face, Picture, judge
from emotion.labels import NAMES

SHARES = np.array([0.05, 0, 0.1, 0.6, 0.15, 0.1, 0], np.float32)
FACE = judge(Box(100, 50, 120, 120), SHARES, NAMES, 0.5)
WHOLE = judge(None, SHARES, NAMES, 0.9)
FOUND = Picture("a.jpg", 640, 480, (FACE, WHOLE))
EMPTY = Picture("b.jpg", 640, 480)
BROKEN = Picture("c.jpg", error="expected a picture, received something else")


def test_each_face_has_a_line() -> None:
    assert formats.lines(FOUND) == [
        "a.jpg  happy 60%  (box 100,50 120x120)",
        "a.jpg  uncertain: happy 60%  (whole picture)",
    ]
    assert formats.lines(FOUND, top=2)[0] == "a.jpg  happy 60%, neutral 15%  (box 100,50 120x120)"


def test_picture_without_a_face_and_one_that_cannot_be_read_have_a_line() -> None:
    assert formats.lines(EMPTY) == ["b.jpg  no face found"]
    assert formats.lines(BROKEN) == ["c.jpg  cannot be read: expected a picture, received something else"]


def test_name_of_a_file_cannot_break_the_line_or_command_the_terminal() -> None:
    (line,) = formats.lines(Picture("über\n\x1b[31m\udcff.jpg", 9, 9))
    assert line == r"über\n\x1b[31m\udcff.jpg  no face found"


def test_error_with_such_a_name_neither() -> None:
    (line,) = formats.lines(Picture("a", error="expected a picture file, received \x1b[31m\udcff.jpg"))
    assert line == r"a  cannot be read: expected a picture file, received \x1b[31m\udcff.jpg"


def test_count_goes_with_its_noun() -> None:
    assert [formats.count(number, "face") for number in (0, 1, 2000)] == ["0 faces", "1 face", "2,000 faces"]


def test_json_holds_all_probabilities() -> None:
    content = json.loads(json.dumps(formats.picture_as_json(FOUND)))
    assert list(content) == ["source", "width", "height", "faces", "error"]
    assert content["faces"][0]["box"] == {"left": 100, "top": 50, "width": 120, "height": 120}
    assert content["faces"][0]["probabilities"] == pytest.approx(FACE.probabilities)
    assert content["faces"][1]["box"] is None
    assert [face["uncertain"] for face in content["faces"]] == [False, True]
    assert formats.picture_as_json(BROKEN)["error"] == BROKEN.error


def test_numbers_are_written_with_the_digits_they_have() -> None:
    face = Face(None, "happy", {"happy": float(np.float32(0.9)), "sad": float(np.float32(1e-5))}, uncertain=False)
    assert json.dumps(formats.face_as_json(face)["probabilities"]) == '{"happy": 0.9, "sad": 1e-05}'


@pytest.mark.parametrize("pictures", [[], [FOUND], [FOUND, EMPTY, BROKEN]])
def test_json_array_is_whole_even_when_cut_short(capsys: pytest.CaptureFixture[str], pictures: list[Picture]) -> None:
    with suppress(KeyboardInterrupt), JsonArray() as array:
        for picture in pictures:
            array.add(picture)
        raise KeyboardInterrupt
    assert json.loads(capsys.readouterr().out) == [formats.picture_as_json(picture) for picture in pictures]


def test_json_line_is_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    formats.print_json_line(FOUND)
    formats.print_json_line(BROKEN)
    lines = capsys.readouterr().out.splitlines()
    assert [json.loads(line)["source"] for line in lines] == ["a.jpg", "c.jpg"]


def test_csv_has_a_row_for_each_face_and_for_each_picture_without() -> None:
    rows = list(csv.DictReader(io.StringIO(formats.csv_text([EMPTY, FOUND, BROKEN], NAMES))))
    assert [(row["source"], row["status"], row["label"], row["happy"]) for row in rows] == [
        ("b.jpg", "no face", "", ""),
        ("a.jpg", "face", "happy", "0.6"),
        ("a.jpg", "face", "happy", "0.6"),
        ("c.jpg", "error", "", ""),
    ]
    assert formats.csv_text([], NAMES) == ""


def test_rows_reach_the_disk_at_once(tmp_path: Path) -> None:
    path = tmp_path / "rows.csv"
    with path.open("w") as stream:
        write = formats.row_writer(stream)
        write(FOUND.rows(NAMES))
        assert len(path.read_text().splitlines()) == 3
        write(EMPTY.rows(NAMES))
        assert len(path.read_text().splitlines()) == 4


def photo(path: Path, colour: str = "red") -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new("RGB", (640, 480), colour).save(path)
    return path


def test_annotated_copy_shows_the_faces(tmp_path: Path) -> None:
    source = photo(tmp_path / "a.png")
    path = Album(tmp_path / "out", [str(source)]).add(Picture(str(source), 640, 480, (FACE,)), str(source))
    assert path == tmp_path / "out/a_faces.jpg"
    drawn = np.asarray(Image.open(path))
    assert drawn.shape == (480, 640, 3)
    assert np.any(drawn != drawn[0, 0])


def test_content_without_a_file_is_annotated_too(tmp_path: Path) -> None:
    content = encode(Image.new("RGB", (300, 300)))
    path = Album(tmp_path, []).add(Picture("standard input", 300, 300), content)
    assert path.name == "standard input_faces.jpg"


def test_annotated_copies_replace_neither_one_another_nor_an_original(tmp_path: Path) -> None:
    names = ["a.png", "deep/a.png", "a.bmp", "A.bmp", "a_faces.jpg", ".a_faces-2.partial.jpg"]
    sources = [photo(tmp_path / name) for name in names]
    before = {path: path.read_bytes() for path in sources}
    album = Album(tmp_path, map(str, sources))
    written = [album.add(Picture(str(path), 640, 480), str(path)) for path in sources]
    assert len({path.name.casefold() for path in written}) == len(sources)
    assert {path: path.read_bytes() for path in sources} == before


def test_disk_that_fills_while_a_copy_is_written_is_an_error(tmp_path: Path) -> None:
    program = """
import resource, signal, sys
from pathlib import Path
from emotion.reports import Album
from emotion.results import Picture
from small_archives import encode, noise

signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (9_000, 9_000))
Album(Path(sys.argv[1]), []).add(Picture("a", 300, 300), encode(noise(1, (300, 300))))
"""
    command = [sys.executable, "-c", program, str(tmp_path)]
    result = subprocess.run(command, cwd=Path(__file__).parent, capture_output=True, text=True, check=False)
    assert "OSError" in result.stderr
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("letter", ["x", "€"])
def test_long_names_are_cut_and_stay_apart(tmp_path: Path, letter: str) -> None:
    long = letter * (250 // len(letter.encode()))
    sources = [photo(tmp_path / f"{long}.png"), photo(tmp_path / f"{long}.bmp")]
    album = Album(tmp_path, sources)
    written = {album.add(Picture(str(path), 640, 480), str(path)) for path in sources}
    assert all(path.is_file() for path in written)
    assert len(written) == 2


def test_annotated_copies_of_an_earlier_run_are_replaced(tmp_path: Path) -> None:
    source = photo(tmp_path / "a.png")
    for _ in range(2):
        Album(tmp_path / "out", [str(source)]).add(Picture(str(source), 640, 480), str(source))
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["a_faces.jpg"]
