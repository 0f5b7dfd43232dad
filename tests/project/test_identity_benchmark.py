"""The measure of identity in features, on made-up features and drawn faces."""

from __future__ import annotations

import sys
from pathlib import Path
from unittest.mock import Mock

import numpy as np
import pytest
from small_dlib import replace_published_weights
from small_networks import CLASSES, drawn, facts_of, settings

from benchmarks import __main__ as command
from benchmarks import identity
from emotion.errors import DataError
from emotion.files import write_text
from emotion.networks import architectures, face_resnet, keras_file, keras_setup

PEOPLE = ["a", "a", "a", "b", "b", "b", "c", "c", "c"]


def test_features_of_a_person_rank_all_pairs_in_the_right_order() -> None:
    features = np.eye(3).repeat(3, axis=0) + np.random.default_rng(0).normal(scale=0.01, size=(9, 3))
    assert identity.rank_pairs(features, PEOPLE) == 1


def test_features_of_something_else_rank_pairs_by_chance() -> None:
    people = PEOPLE * 30
    features = np.random.default_rng(0).normal(size=(len(people), 20))
    assert identity.rank_pairs(features, people) == pytest.approx(0.5, abs=0.02)


def test_photos_that_do_not_differ_are_refused() -> None:
    with pytest.raises(DataError, match="expected photos that differ"):
        identity.rank_pairs(np.ones((9, 20)), PEOPLE)


@pytest.mark.parametrize("folder", ["", "nowhere"])
def test_table_is_left_alone_without_a_folder_of_people(
    folder: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv(identity.VARIABLE, folder)
    monkeypatch.setattr(sys, "argv", ["benchmarks", "identity", "--folder", str(tmp_path)])
    with pytest.raises(SystemExit, match=r"^benchmarks: EMOTION_PEOPLE: .* one folder of photos for each person"):
        command.main()
    assert list(tmp_path.iterdir()) == []


@pytest.mark.usefixtures("detector_weights")
def test_folder_without_people_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(identity.VARIABLE, str(tmp_path))
    with pytest.raises(DataError, match="expected a folder of photos for each person"):
        list(identity.measure(quick=True))


@pytest.mark.usefixtures("detector_weights")
def test_file_that_is_no_photo_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_text(tmp_path / "anna/notes.txt", "Anna, in May")
    monkeypatch.setenv(identity.VARIABLE, str(tmp_path))
    with pytest.raises(DataError, match=r"anna/notes\.txt: not a picture"):
        list(identity.measure(quick=True))


@pytest.mark.parametrize(
    ("architecture", "image_size", "edge"), [("three_block_cnn", 32, 150), ("face_resnet", 63, 63)]
)
def test_dlibs_network_has_the_size_of_a_trained_one_or_its_own(
    architecture: str, image_size: int, edge: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    replace_published_weights(tmp_path / "dlib.dat", monkeypatch)
    network = architectures.build(architecture, 48, len(CLASSES), architectures.Transfer("none", image_size))
    changed = settings(architecture=architecture, transfer={"weights": "none", "image_size": image_size})
    served = architectures.wrap_for_serving(network, 48, temperature=1.0)
    keras_file.save(served, facts_of(changed), tmp_path / "models/emotion.keras")
    monkeypatch.setattr(identity, "ROOT", tmp_path)
    monkeypatch.setattr(keras_setup, "prepare", Mock())  # it was called at import, and can be called only once
    build = Mock(wraps=face_resnet.build)
    monkeypatch.setattr(face_resnet, "build", build)
    faces = drawn(per_class=1).pixels
    assert {len(compute(faces)) for compute in identity._features().values()} == {len(faces)}
    assert [call.args[1] for call in build.call_args_list] == [(edge, edge, 3)]
