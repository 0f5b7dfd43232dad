from __future__ import annotations

import csv
import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import matplotlib as mpl
import pytest
from matplotlib.figure import Figure
from PIL import Image
from small_figures import cut_off, room_below_caption, texts_of
from small_pictures import CLASSES, THRESHOLD, face, reference, result, several

from emotion.evaluation.picture_results import PictureResult, summarize
from emotion.report import picture_figures, picture_report


def summary_of(*results: PictureResult) -> dict[str, Any]:
    return summarize(results, CLASSES, THRESHOLD, reference())


@pytest.fixture(scope="module")
def summary() -> dict[str, Any]:
    return summary_of(*several())


@pytest.fixture(scope="module")
def text(summary: dict[str, Any]) -> str:
    return picture_report.describe("mine.csv", summary)


def cells(text: str, start: str) -> list[str]:
    """Return the cells of the row whose first cell starts like this."""
    row = next(line for line in text.splitlines() if line.startswith(f"| {start}"))
    return [cell.strip() for cell in row.strip("|").split("|")]


def test_faces_missed_in_pictures_that_look_cropped_have_a_line(summary: dict[str, Any]) -> None:
    assert not any("--face" in line for line in picture_report.headlines(summary))
    detection = {**summary["detection"], "missed_cropped": 3}
    advice = "If yours are cropped to one face, add --face."
    headline = picture_report.headlines({**summary, "detection": detection})[1]
    assert headline == f"Missed in small, nearly square pictures: 3. {advice}"


def test_headlines_give_each_answer_in_a_line(summary: dict[str, Any]) -> None:
    assert picture_report.headlines(summary)[:6] == [
        "Faces found: 6 of 8 (75.0%, 40.9% to 92.9%); 2 missed, 2 false, in 7 pictures.",
        "Right labels in pictures of one person: 3 of 4 (75.0%, 30.1% to 95.4%); "
        "73.0% of the labels of the test split.",
        "Right or accepted labels there: 4 of 4 (100.0%, 51.0% to 100.0%).",
        "Right labels in pictures of several people: 1 of 2 found faces.",
        "Uncertain: 1 of 6 (16.7%, 3.0% to 56.4%) of the found faces.",
        "Calibration: mean confidence 67.5% at an accuracy of 75.0%.",
    ]


def test_majorities_of_the_test_split_are_told_from_its_labels_where_there_are_any(summary: dict[str, Any]) -> None:
    voted = {**summary, "labels": {**summary["labels"], "test_accuracy_votes": 0.86}}
    ending = "; 73.0% of the labels of the test split, 86.0% of its raters' majorities."
    assert picture_report.headlines(voted)[1].endswith(ending)


def test_distance_from_the_test_split_is_put_into_words(summary: dict[str, Any]) -> None:
    readings = {"light": "darker than 75% of the test faces", "contrast": None, "sharpness": "sharper than 95% of them"}
    drift = {**summary["drift"], "faces": 20, "measures": {name: {"reading": text} for name, text in readings.items()}}
    assert picture_report.headlines({**summary, "drift": drift})[-2:] == [
        "Half of your faces are darker than 75% of the test faces; half are sharper than 95% of them.",
        "In contrast, your faces are like those of the test split.",
    ]


def test_few_faces_are_not_compared_with_the_test_split(summary: dict[str, Any]) -> None:
    assert picture_report.headlines(summary)[-1] == (
        "The 6 found faces are too few to compare them with the test split."
    )


def test_report_names_the_detector_and_the_csv(text: str) -> None:
    assert text.startswith("# The network on the pictures of `mine.csv`\n")
    assert "Detector: haar." in text


def test_tables_hold_the_counts(text: str) -> None:
    assert cells(text, "missed ") == ["missed", "2"]
    assert cells(text, "found single faces") == ["found single faces", "4", "3", "75.0%", "30.1% to 95.4%"]
    assert cells(text, "all single faces")[1:4] == ["5", "3", "60.0%"]
    assert cells(text, "found faces in 1 picture of several people")[1:4] == ["2", "1", "50.0%"]
    assert cells(text, "sad | 2") == ["sad", "2", "1", "50.0%", "9.5% to 90.5%", "50.0%"]
    assert cells(text, "neutral | 0") == ["neutral", "0", "0", "", "", "60.0%"]
    assert cells(text, "`four.jpg`") == ["`four.jpg`", "sad", "neutral", "65.0%", "yes"]
    assert cells(text, "size in pixels")[1:3] == ["60 (45-60)", "48"]


def test_every_row_of_a_table_has_the_cells_of_its_heading(text: str) -> None:
    tables = re.findall(r"(?:^\|.*\|\n)+", text, re.MULTILINE)
    assert len(tables) == 7
    for lines in map(str.splitlines, tables):
        assert len({line.count("|") for line in lines}) == 1


def test_file_name_cannot_break_a_table() -> None:
    text = picture_report.describe("a.csv", summary_of(result("a|`b`\n.jpg", 1, "sad", face("happy"))))
    assert cells(text, "`a")[0] == r"`a/'b'\n.jpg`"


def test_name_of_the_csv_may_be_no_text(tmp_path: Path) -> None:
    results = [result("a.jpg", 1, "sad")]
    picture_report.write(tmp_path, "a\udcff.csv", summary_of(*results), [each.row() for each in results])
    assert (tmp_path / "report.md").read_text().startswith(r"# The network on the pictures of `a\udcff.csv`")


def test_picture_without_a_face_gives_a_short_report_and_removes_old_figures(tmp_path: Path) -> None:
    (tmp_path / "drift.png").touch()
    results = [result("a.jpg", 1, "sad")]
    picture_report.write(tmp_path, "a.csv", summary_of(*results), [each.row() for each in results])
    assert {path.name for path in tmp_path.iterdir()} == {"report.md", "pictures.csv", "summary.json"}
    text = (tmp_path / "report.md").read_text()
    assert "Labels: none to judge, because no face with an expected class was found." in text
    assert "in 1 picture.\n" in text
    assert not re.search(r"nan|None|!\[", text)


def test_all_files_are_written_and_the_same_again(tmp_path: Path, summary: dict[str, Any]) -> None:
    rows = [each.row() for each in several()]
    contents = []
    for _ in range(2):
        picture_report.write(tmp_path / "new", "mine.csv", summary, rows)
        contents.append({path.name: path.read_bytes() for path in (tmp_path / "new").iterdir()})
    assert contents[0] == contents[1]
    figures = {"confusion.png", "drift.png", "reliability.png"}
    assert set(contents[0]) == {"report.md", "pictures.csv", "summary.json", *figures}
    assert set(re.findall(r"!\[.*\]\((.*)\)", contents[0]["report.md"].decode())) == figures
    assert json.loads(contents[0]["summary.json"]) == summary
    table = list(csv.DictReader(contents[0]["pictures.csv"].decode().splitlines()))
    assert [row["file"] for row in table] == [row["file"] for row in rows]
    assert table[4]["label"] == ""


def test_figures_ignore_the_users_style(tmp_path: Path, summary: dict[str, Any]) -> None:
    picture_figures.draw(tmp_path, summary)
    before = {path.name: path.read_bytes() for path in tmp_path.iterdir()}
    with mpl.rc_context({"font.size": 20, "axes.facecolor": "red", "lines.linewidth": 9}):
        picture_figures.draw(tmp_path, summary)
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == before
    with Image.open(tmp_path / "drift.png") as picture:
        assert picture.width == 11 * picture_figures.DPI


@pytest.mark.parametrize(
    ("draw", "expected"),
    [
        (lambda summary: picture_figures.confusion_matrix(summary["labels"], summary["classes"]), "75.0%"),
        (lambda summary: picture_figures.reliability(summary["labels"]), "4 found faces"),
        (lambda summary: picture_figures.draw_drift(summary["drift"]), "sharpness"),
    ],
)
def test_nothing_is_cut_off_or_covered(
    summary: dict[str, Any], draw: Callable[[dict[str, Any]], Figure], expected: str
) -> None:
    figure = draw(summary)
    assert any(expected in text for text in texts_of(figure))
    assert cut_off(figure) <= 0
    assert room_below_caption(figure) >= 0
