"""The comparison of face detectors: its pictures, its counts and its table. No test depends on a measured time."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from documents import ROOT, read, rows
from PIL import Image

from benchmarks import face_cases, photos
from benchmarks.detectors import Detection, side_by_side
from benchmarks.face_scenes import Change, Place, Scene, compose, grid, hat, mask, sunglasses
from emotion.evaluation.labelled_pictures import LabelledPicture
from emotion.files import read_json, write_csv
from emotion.inference.results import Box

FACE = np.full((48, 48), 250, np.uint8)


def line(detector: str, what: str = "tilt", found: int | None = None, false: int = 0) -> Detection:
    faces = None if found is None else 5
    return Detection(what, "ms", (4.0,), detector=detector, faces=faces, found=found, false=false)


def test_table_has_a_column_for_each_detector() -> None:
    table = side_by_side([line("a", found=4, false=1), line("b", found=5), line("a", "speed")])
    assert table.splitlines()[0] == "| what | faces | a | b |"
    assert table.splitlines()[2:] == ["| tilt | 5 | 4, 1 false, 4.00 ms | 5, 4.00 ms |", "| speed |  | 4.00 ms |  |"]


def test_face_is_pasted_at_its_place_and_no_farther_than_its_border() -> None:
    scene = compose([FACE], [Place(200, 150, 80)], np.random.default_rng(0))
    ground = compose([], [], np.random.default_rng(0)).picture
    rows, columns = np.nonzero((scene.picture != ground).any(axis=2))
    assert (scene.picture[115:185, 165:235] == 250).all()
    assert (rows.mean(), columns.mean()) == pytest.approx((149.5, 199.5), abs=0.5)
    assert rows.min() >= 150 - 60
    assert columns.max() < 200 + 60


def test_face_at_a_corner_is_cut() -> None:
    picture = compose([FACE], [Place(0, 480, 80)], np.random.default_rng(0)).picture
    assert (picture[450:, :30] == 250).all()


@pytest.mark.parametrize("place", [Place(-90, 20, 80), Place(320, -90, 80), Place(800, 20, 80), Place(20, 900, 80)])
def test_face_outside_the_picture_changes_nothing(place: Place) -> None:
    picture = compose([FACE], [place], np.random.default_rng(0)).picture
    assert (picture == compose([], [], np.random.default_rng(0)).picture).all()


def test_places_of_a_crowd_fill_the_picture_evenly() -> None:
    places = grid((800, 600), 4, 3, 90)
    assert [(place.x, place.y) for place in places[:2]] == [(100, 100), (300, 100)]
    assert len(places) == 12


@pytest.mark.parametrize(("cover", "rows"), [(sunglasses, (12, 26)), (mask, (24, 48)), (hat, (0, 11))])
def test_only_a_part_of_a_face_is_covered(cover: Change, rows: tuple[int, int]) -> None:
    changed = np.nonzero(cover(FACE) != 250)[0] / 4
    assert rows[0] <= changed.min() < changed.max() < rows[1]


def test_second_box_of_a_face_and_a_box_elsewhere_are_no_matches() -> None:
    scene = Scene(np.zeros((480, 640, 3), np.uint8), (Place(100, 100, 80), Place(400, 100, 80)))
    boxes = [Box(60, 60, 80, 80), Box(64, 64, 80, 80), Box(300, 300, 80, 80), Box(390, 90, 20, 20)]
    assert face_cases.matched(scene, boxes) == 1
    assert face_cases.matched(scene, [*boxes, Box(360, 60, 80, 90)]) == 2


@pytest.fixture
def labelled(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[LabelledPicture]:
    """Two labelled photos; one of them is known to show glasses."""
    header = ("repository", "file", "faces", "expected", "accepted", "pose")
    names = ["examples/images/bbt5.jpg", "other.jpg"]
    write_csv(tmp_path / "labels.csv", header, [("a/b", name, 2, "sad", "angry", "front") for name in names])
    for name in names:
        (tmp_path / "a+b" / name).parent.mkdir(parents=True, exist_ok=True)
        Image.new("L", (30, 20), 7).save(tmp_path / "a+b" / name)
    monkeypatch.setenv(photos.VARIABLE, str(tmp_path))
    monkeypatch.setenv(photos.LABELS, str(tmp_path / "labels.csv"))
    return photos.read()


def test_photos_are_grouped_by_pose_and_by_what_they_show(labelled: list[LabelledPicture]) -> None:
    assert [photos.pixels_of(photo).shape for photo in labelled] == [(20, 30, 3)] * 2
    assert labelled[0].accepted == {"sad", "angry"}
    groups = photos.groups(labelled)
    assert {name: len(chosen) for name, chosen in groups.items()} == {
        "photos": 2,
        "photos: front": 2,
        "photos that show: glasses": 1,
    }


def test_no_photos_are_read_where_none_are_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(photos.VARIABLE, raising=False)
    assert photos.read() == []


def test_figures_on_face_detectors_are_the_measured_ones() -> None:
    table = [f"| {' | '.join(row)} |" for row in rows("docs/performance.md", "Face detectors")]
    assert len(table) > 10
    assert [row for row in table if row not in read("benchmarks/detectors.md")] == []


@pytest.mark.slow
@pytest.mark.usefixtures("detector_weights")
def test_quick_run_measures_both_detectors(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "benchmarks", "detectors", "--quick", "--folder", str(tmp_path)]
    subprocess.run(command, cwd=ROOT, check=True, timeout=600)
    results = read_json(tmp_path / "detectors.json")["results"]
    assert {"haar", "yunet"} <= {result["detector"] for result in results}
    upright = [result for result in results if result["what"] == "tilt 0 degrees" and result["detector"] == "yunet"]
    assert [(result["faces"], result["found"]) for result in upright] == [(2, 2)]
