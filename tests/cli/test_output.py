from __future__ import annotations

import json
import os
import subprocess
import sys
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from small_archives import encode

from emotion.cli import output
from emotion.cli.output import AnnotatedCopies, JsonArray
from emotion.inference import formats
from emotion.inference.results import Box, DetectedFace, Picture, face_from_probabilities
from emotion.labels import NAMES

SHARES = np.array([0.05, 0, 0.1, 0.6, 0.15, 0.1, 0], np.float32)
FACE = face_from_probabilities(DetectedFace(Box(100, 50, 120, 120)), SHARES, NAMES, 0.5)
WHOLE = face_from_probabilities(None, SHARES, NAMES, 0.9)
FOUND = Picture("a.jpg", 640, 480, (FACE, WHOLE))
EMPTY = Picture("b.jpg", 640, 480)
BROKEN = Picture("c.jpg", error="expected a picture, received something else")


def test_each_face_has_a_line() -> None:
    assert output.lines(FOUND) == [
        "a.jpg  happy 60%  (box 100,50 120x120)",
        "a.jpg  uncertain: happy 60%  (whole image)",
    ]
    assert output.lines(FOUND, top=2)[0] == "a.jpg  happy 60%, neutral 15%  (box 100,50 120x120)"


def test_image_without_a_face_and_unreadable_image_have_a_line() -> None:
    assert output.lines(EMPTY) == ["b.jpg  no face found"]
    assert output.lines(BROKEN) == ["c.jpg  cannot be read: expected a picture, received something else"]


@pytest.mark.parametrize("size", [(48, 60), (224, 224), (256, 200)])
def test_small_square_image_without_a_face_may_be_cropped(size: tuple[int, int]) -> None:
    (line,) = output.lines(Picture("b.jpg", *size))
    assert line == "b.jpg  no face found; if it is cropped to one face, add --face"


@pytest.mark.parametrize("size", [(48, 80), (257, 257), (640, 480)])
def test_other_image_without_a_face_is_not_taken_for_a_cropped_one(size: tuple[int, int]) -> None:
    assert output.lines(Picture("b.jpg", *size)) == ["b.jpg  no face found"]


def test_control_characters_in_a_file_name_are_escaped() -> None:
    (line,) = output.lines(Picture("über\n\x1b[31m\udcff.jpg", 9, 99))
    assert line == r"über\n\x1b[31m\udcff.jpg  no face found"


def test_control_characters_in_an_error_are_escaped() -> None:
    (line,) = output.lines(Picture("a", error="expected a picture file, received \x1b[31m\udcff.jpg"))
    assert line == r"a  cannot be read: expected a picture file, received \x1b[31m\udcff.jpg"


def test_count_has_the_right_noun() -> None:
    assert [output.count(number, "face") for number in (0, 1, 2000)] == ["0 faces", "1 face", "2,000 faces"]


@pytest.mark.parametrize("pictures", [[], [FOUND], [FOUND, EMPTY, BROKEN]])
def test_json_array_is_complete_after_an_interruption(
    capsys: pytest.CaptureFixture[str], pictures: list[Picture]
) -> None:
    with suppress(KeyboardInterrupt), JsonArray() as array:
        for picture in pictures:
            array.add(picture)
        raise KeyboardInterrupt
    assert json.loads(capsys.readouterr().out) == [formats.picture_as_json(picture) for picture in pictures]


def test_json_line_is_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    output.print_json_line(FOUND)
    output.print_json_line(BROKEN)
    lines = capsys.readouterr().out.splitlines()
    assert [json.loads(line)["source"] for line in lines] == ["a.jpg", "c.jpg"]


def photo(path: Path, colour: str = "red") -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new("RGB", (640, 480), colour).save(path)
    return path


def test_annotated_copy_shows_the_faces(tmp_path: Path) -> None:
    source = photo(tmp_path / "a.png")
    path = AnnotatedCopies(tmp_path / "out", [str(source)]).add(Picture(str(source), 640, 480, (FACE,)), str(source))
    assert path == tmp_path / "out/a_faces.jpg"
    drawn = np.asarray(Image.open(path))
    assert drawn.shape == (480, 640, 3)
    assert np.any(drawn != drawn[0, 0])


def test_image_without_a_file_is_annotated(tmp_path: Path) -> None:
    content = encode(Image.new("RGB", (300, 300)))
    path = AnnotatedCopies(tmp_path, []).add(Picture("standard input", 300, 300), content)
    assert path.name == "standard input_faces.jpg"


@pytest.mark.parametrize("size", [(70_000, 20), (300, 65_400)])
def test_copy_of_a_very_long_image_is_reduced_to_what_jpeg_holds(tmp_path: Path, size: tuple[int, int]) -> None:
    content = encode(Image.new("L", size))
    faces = tuple(replace(FACE, uncertain=index == 0) for index in range(40))
    path = AnnotatedCopies(tmp_path, []).add(Picture("long.png", *size, faces), content)
    with Image.open(path) as copy:
        assert max(copy.size) == output.LONGEST_EDGE


def test_annotated_copies_replace_neither_each_other_nor_an_original(tmp_path: Path) -> None:
    names = ["a.png", "deep/a.png", "a.bmp", "A.bmp", "a_faces.jpg", ".a_faces-2.partial.jpg"]
    sources = [photo(tmp_path / name) for name in names]
    before = {path: path.read_bytes() for path in sources}
    copies = AnnotatedCopies(tmp_path, map(str, sources))
    written = [copies.add(Picture(str(path), 640, 480), str(path)) for path in sources]
    assert len({path.name.casefold() for path in written}) == len(sources)
    assert {path: path.read_bytes() for path in sources} == before


def test_full_disk_is_an_error_and_leaves_no_file(tmp_path: Path) -> None:
    program = """
import resource, signal, sys
from pathlib import Path
from emotion.cli.output import AnnotatedCopies
from emotion.inference.results import Picture
from small_archives import encode, noise

signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (9_000, 9_000))
AnnotatedCopies(Path(sys.argv[1]), []).add(Picture("a", 300, 300), encode(noise(1, (300, 300))))
"""
    command = [sys.executable, "-c", program, str(tmp_path)]
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[1])}
    result = subprocess.run(
        command, cwd=Path(__file__).parent, env=environment, capture_output=True, text=True, check=False
    )
    assert "OSError" in result.stderr
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("letter", ["x", "€"])
def test_long_names_are_shortened_and_stay_distinct(tmp_path: Path, letter: str) -> None:
    stem = letter * (250 // len(letter.encode()))
    sources = [photo(tmp_path / f"{stem}.png"), photo(tmp_path / f"{stem}.bmp")]
    copies = AnnotatedCopies(tmp_path, sources)
    written = {copies.add(Picture(str(path), 640, 480), str(path)) for path in sources}
    assert all(path.is_file() for path in written)
    assert len(written) == 2


def test_annotated_copies_of_an_earlier_run_are_replaced(tmp_path: Path) -> None:
    source = photo(tmp_path / "a.png")
    for _ in range(2):
        AnnotatedCopies(tmp_path / "out", [str(source)]).add(Picture(str(source), 640, 480), str(source))
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["a_faces.jpg"]
