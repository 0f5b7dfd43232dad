"""The measure of identity in features, on made-up features and drawn faces."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from benchmarks import identity
from emotion.errors import DataError

PEOPLE = ["a", "a", "a", "b", "b", "b", "c", "c", "c"]


def test_features_of_a_person_rank_all_pairs_in_the_right_order() -> None:
    features = np.eye(3).repeat(3, axis=0) + np.random.default_rng(0).normal(scale=0.01, size=(9, 3))
    assert identity.rank_pairs(features, PEOPLE) == 1


def test_features_of_something_else_rank_pairs_by_chance() -> None:
    people = PEOPLE * 30
    features = np.random.default_rng(0).normal(size=(len(people), 20))
    assert identity.rank_pairs(features, people) == pytest.approx(0.5, abs=0.02)


def test_nothing_is_measured_without_photos(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.delenv(identity.VARIABLE, raising=False)
    assert list(identity.measure(quick=True)) == []
    assert "EMOTION_PEOPLE names no folder of people" in capsys.readouterr().err


@pytest.mark.usefixtures("detector_weights")
def test_folder_without_people_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(identity.VARIABLE, str(tmp_path))
    with pytest.raises(DataError, match="expected a folder of photos for each person"):
        list(identity.measure(quick=True))
