"""The short training runs that compare recipes, on drawn faces and without any training."""

from __future__ import annotations

import csv
import sys
from pathlib import Path

import numpy as np
import pytest
from small_networks import drawn

from benchmarks import proxy
from emotion import dataset


@pytest.fixture
def table(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where rows go; there are 24 faces, and nothing is trained."""
    monkeypatch.setattr(proxy, "TABLE", tmp_path / "search.csv")
    monkeypatch.setattr(dataset, "load", lambda _: drawn())
    monkeypatch.setattr(proxy, "measure", lambda settings, _: [settings.votes, 0.6, None, None, 0.5])
    return tmp_path / "search.csv"


def run(monkeypatch: pytest.MonkeyPatch, *arguments: str) -> None:
    monkeypatch.setattr(sys, "argv", ["proxy", *arguments])
    proxy.main()


def test_each_run_adds_a_row_with_its_settings(table: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    run(monkeypatch, "labels", "train.votes=0")
    run(monkeypatch, "half", "--faces", "20", "train.votes=0.5", "train.seed=1")
    rows = list(csv.DictReader(table.read_text().splitlines()))
    assert [row["name"] for row in rows] == ["labels", "half"]
    assert (rows[1]["settings"], rows[1]["faces"]) == ("train.votes=0.5 train.seed=1", "20")
    assert [float(row["train"]) for row in rows] == [0, 0.5]


def test_row_has_the_number_of_faces_that_there_are_and_nothing_for_a_missing_figure(
    table: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run(monkeypatch, "all", "--faces", "999999")
    assert table.read_text().splitlines()[1].split(",")[2:] == ["24", "", "1.0", "0.6", "", "", "0.5"]


@pytest.mark.parametrize(
    "setting",
    [
        "train.vote=0.5",
        "train.votes",
        "train.votes=[1",
        "train.votes=2024-99-99",
        "train.votes.x=1",
        "train.votes.x.y=1",
        "votes.train.votes=1",
    ],
)
def test_wrong_setting_is_one_line(table: Path, monkeypatch: pytest.MonkeyPatch, setting: str) -> None:
    with pytest.raises(SystemExit, match=r"^proxy: .*train\.votes?") as caught:
        run(monkeypatch, "wrong", setting)
    assert "\n" not in str(caught.value)
    assert not table.exists()


@pytest.mark.parametrize("number", ["0", "-5", "many"])
def test_number_of_faces_is_at_least_one(
    table: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], number: str
) -> None:
    with pytest.raises(SystemExit, match="2"):
        run(monkeypatch, "wrong", f"--faces={number}")
    assert f"expected a whole number >= 1, received {number}" in capsys.readouterr().err
    assert not table.exists()


def test_score_is_that_of_the_network() -> None:
    faces = drawn(seed=0)
    right = np.eye(len(faces.classes), dtype=np.float32)[faces.labels]

    def predict(
        pixels: np.ndarray[tuple[int, ...], np.dtype[np.uint8]],
    ) -> np.ndarray[tuple[int, ...], np.dtype[np.float32]]:
        return right if (pixels == faces.pixels).all() else np.tile(right[faces.labels == 0][:1], (len(pixels), 1))

    labels, majorities, balanced, corrupted = proxy.score(predict, faces)
    assert labels == 1
    assert corrupted == pytest.approx((faces.labels == 0).mean(), abs=1e-6)
    assert (majorities, balanced) == (None, None)
