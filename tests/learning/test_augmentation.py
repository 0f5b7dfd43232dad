"""Each setting changes the faces as it says and within its limit; the last test runs most of the others on JAX."""

from __future__ import annotations

import os
import subprocess
import sys
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from small_networks import OFF, drawn

from emotion.evaluation.robustness import CORRUPTIONS
from emotion.labels import NAMES
from emotion.learning.augmentation import Augmentation
from emotion.params import Augmentation as Settings

# JAX compiles every operation anew for another number of faces, hence one number for all tests.
MANY = 256
FACES = np.resize(drawn(per_class=3, classes=NAMES).pixels, (MANY, 48, 48))
GREY = (FACES / np.float32(255))[..., None]


def augment(faces: NDArray[np.uint8], *, seed: int = 0, training: bool = True, **changes: Any) -> NDArray[Any]:
    layer = Augmentation(Settings.model_validate({**OFF, **changes}), seed)
    return np.asarray(layer(faces, training=training))


def blob(right: float, down: float) -> NDArray[np.uint8]:
    """Draw a soft spot at this distance from the centre, in pixels, on `MANY` equal faces."""
    rows, columns = np.mgrid[:48, :48] - 23.5
    spot = 255 * np.exp(-((columns - right) ** 2 + (rows - down) ** 2) / 8)
    return np.repeat(spot.astype(np.uint8)[None], MANY, axis=0)


def spots(changed: NDArray[Any]) -> tuple[NDArray[Any], NDArray[Any]]:
    """Return the new positions of the spots: right and down of the centre, in pixels."""
    weights = changed[..., 0] / changed[..., 0].sum(axis=(1, 2), keepdims=True)
    places = np.arange(changed.shape[1]) - (changed.shape[1] - 1) / 2
    return (weights * places).sum(axis=(1, 2)), (weights * places[:, None]).sum(axis=(1, 2))


def spans(values: NDArray[Any], limit: float, slack: float) -> bool:
    """Return whether the values nearly reach the limit on both sides of 0 and do not exceed it."""
    return bool(np.abs(values).max() <= limit + slack and values.min() < -0.9 * limit and values.max() > 0.9 * limit)


def test_all_settings_at_0_leave_the_face_as_it_is() -> None:
    changed = augment(FACES)
    assert changed.dtype == np.float32
    np.testing.assert_allclose(changed, GREY, atol=1e-7)


def test_nothing_changes_at_inference() -> None:
    everything: dict[str, Any] = {name: 0.5 for name in OFF if name not in {"mixup", "crop"}}
    np.testing.assert_allclose(augment(FACES, training=False, **everything), GREY, atol=1e-7)


@pytest.mark.parametrize("training", [True, False])
def test_crop_takes_the_centre(training: bool) -> None:
    np.testing.assert_allclose(augment(FACES, crop=40, training=training), GREY[:, 4:44, 4:44], atol=1e-7)


def test_crop_of_the_whole_face_cuts_nothing() -> None:
    np.testing.assert_allclose(augment(FACES, crop=48), GREY, atol=1e-7)


def test_flip_of_1_mirrors_every_face_exactly() -> None:
    np.testing.assert_allclose(augment(FACES, flip=1), GREY[:, :, ::-1], atol=1e-6)


def test_flip_of_a_quarter_mirrors_about_a_quarter_of_the_faces() -> None:
    face = np.repeat(FACES[:1], MANY, axis=0)
    changed = augment(face, flip=0.25)
    mirrored = np.isclose(changed, GREY[:1, :, ::-1], atol=1e-6).all(axis=(1, 2, 3))
    unchanged = np.isclose(changed, GREY[:1], atol=1e-6).all(axis=(1, 2, 3))
    assert (mirrored ^ unchanged).all()
    assert 0.15 < mirrored.mean() < 0.35


def test_rotation_is_about_the_centre_by_up_to_its_degrees_either_way() -> None:
    right, down = spots(augment(blob(12, 0), rotation=30))
    assert spans(np.rad2deg(np.arctan2(down, right)), 30, slack=0.5)
    np.testing.assert_allclose(np.hypot(right, down), 12, atol=0.1)


def test_shift_moves_by_up_to_its_pixels_in_each_direction() -> None:
    right, down = spots(augment(blob(0, 0), shift=4))
    assert spans(right, 4, slack=0.1)
    assert spans(down, 4, slack=0.1)
    assert abs(np.corrcoef(right, down)[0, 1]) < 0.2


def test_zoom_is_about_the_centre_by_up_to_its_share_either_way() -> None:
    right, down = spots(augment(blob(10, 10), zoom=0.2))
    assert spans(right / 10 - 1, 0.2, slack=0.02)
    np.testing.assert_allclose(right, down, atol=0.05)


def test_gaps_at_the_edges_are_filled_with_the_nearest_pixels() -> None:
    plain = np.full((MANY, 48, 48), 90, np.uint8)
    changed = augment(plain, flip=0.5, rotation=45, shift=10, zoom=0.5)
    np.testing.assert_allclose(changed, 90 / 255, atol=1e-5)


def test_brightness_moves_all_grey_levels_of_a_face_by_up_to_its_share() -> None:
    change = augment(np.repeat(FACES[:1], MANY, axis=0), brightness=0.2) - GREY[:1]
    assert spans(change[:, 0, 0, 0], 0.2, slack=1e-6)
    np.testing.assert_allclose(change, np.broadcast_to(change[:, :1, :1], change.shape), atol=1e-6)


def test_contrast_scales_the_distance_to_the_mean_of_a_face_by_up_to_its_share() -> None:
    changed = augment(np.repeat(FACES[:1], MANY, axis=0), contrast=0.3)
    np.testing.assert_allclose(changed.mean(axis=(1, 2, 3)), GREY[0].mean(), atol=1e-5)
    assert spans(changed.std(axis=(1, 2, 3)) / GREY[0].std() - 1, 0.3, slack=1e-4)


def test_erasing_of_1_fills_one_rectangle_in_every_face() -> None:
    changed = augment(np.full((MANY, 48, 48), 255, np.uint8), erasing=1)[..., 0]
    for face in changed:
        hidden = face != 1
        rows, columns = np.flatnonzero(hidden.any(axis=1)), np.flatnonzero(hidden.any(axis=0))
        for band in (rows, columns):
            assert 0.15 * 48 - 1 <= len(band) <= 0.5 * 48 + 1
            assert np.ptp(band) + 1 == len(band)
        assert hidden.sum() == len(rows) * len(columns)
        assert len(set(face[hidden])) == 1


def test_erasing_affects_its_share_of_the_faces() -> None:
    changed = augment(np.full((MANY, 48, 48), 255, np.uint8), erasing=0.3)
    assert 0.2 < (changed != 1).any(axis=(1, 2, 3)).mean() < 0.4


def test_hiding_of_1_covers_an_eye_both_eyes_or_the_mouth_of_every_face() -> None:
    hidden = augment(np.zeros((MANY, 48, 48), np.uint8), hiding=1)[..., 0] != 0
    rows = [np.flatnonzero(face.any(axis=1)) for face in hidden]
    columns = [np.flatnonzero(face.any(axis=0)) for face in hidden]
    assert all(len(row) and np.ptp(row) + 1 == len(row) for row in [*rows, *columns])
    assert [face.sum() for face in hidden] == [len(r) * len(c) for r, c in zip(rows, columns, strict=True)]
    below = np.array([row.mean() > 28 for row in rows])
    assert 0.15 < below.mean() < 0.35
    wide = np.array([len(column) > 20 for column in columns])
    assert wide[~below].any()
    middles = np.array([column.mean() for column in columns])[~below & ~wide]
    assert (np.abs(np.abs(middles - 24) - 9) < 5).mean() > 0.9
    assert (middles < 24).any()
    assert (middles > 24).any()


def test_hidden_part_has_one_grey_level_and_is_never_black() -> None:
    changed = augment(np.zeros((MANY, 48, 48), np.uint8), hiding=0.5)[..., 0]
    levels = [np.unique(face[face != 0]) for face in changed]
    assert {len(level) for level in levels} == {0, 1}
    assert 0.4 < np.mean([len(level) for level in levels]) < 0.6
    assert min(level[0] for level in levels if len(level)) >= 0.2


CAMERA: dict[str, Any] = {
    "darkness": 0.9,
    "gamma": 0.8,
    "blur": 6,
    "downscaling": 3,
    "noise": 0.15,
    "jpeg": 6,
}


@pytest.mark.parametrize("setting", CAMERA)
def test_what_cameras_do_differs_between_faces_and_stays_weak_for_many(setting: str) -> None:
    changes = np.abs(augment(FACES, **{setting: CAMERA[setting]}) - GREY).mean(axis=(1, 2, 3))
    weak = np.abs(augment(FACES, **{setting: CAMERA[setting] / 4}) - GREY).mean(axis=(1, 2, 3))
    assert len(np.unique(changes)) > 0.9 * MANY
    assert np.median(changes) < 0.5 * changes.max()
    assert weak.max() < changes.max()


@pytest.mark.parametrize("share", [0, 0.5])
def test_camera_changes_its_share_of_the_faces(share: float) -> None:
    changes = np.abs(augment(FACES, camera=share, noise=0.5) - GREY).max(axis=(1, 2, 3))
    assert (changes > 1e-3).mean() == pytest.approx(share, abs=0.1)


@pytest.mark.parametrize("setting", CAMERA)
def test_what_cameras_write_are_grey_levels_of_a_file(setting: str) -> None:
    levels = augment(FACES, **{setting: CAMERA[setting]}) * 255
    np.testing.assert_allclose(levels, levels.round(), atol=1e-3)
    assert levels.min() >= 0
    assert levels.max() <= 255


@pytest.mark.parametrize("kind", CORRUPTIONS)
def test_no_augmentation_gives_a_face_as_robustness_measures_it(kind: str) -> None:
    corrupted = [CORRUPTIONS[kind].apply(FACES, strength) / np.float32(255) for strength in CORRUPTIONS[kind].strengths]
    others: dict[str, Any] = {"hiding": 1, "erasing": 1, "brightness": 0.5, "contrast": 0.9}
    for name, largest in (CAMERA | others).items():
        changed = augment(FACES, **{name: largest})[..., 0]
        for faces in corrupted:
            distance = np.abs(changed - faces).mean(axis=(1, 2)) * 255
            assert distance.min() > 0.05, (name, kind)


ALL: dict[str, Any] = {
    **CAMERA,
    "hiding": 0.5,
    "flip": 0.5,
    "rotation": 10,
    "shift": 4,
    "zoom": 0.1,
    "brightness": 0.1,
    "contrast": 0.1,
    "erasing": 0.5,
}


@pytest.mark.parametrize("crop", [0, 40])
def test_all_settings_together_give_finite_crops_of_one_shape(crop: int) -> None:
    changed = augment(FACES, crop=crop, **ALL)
    assert changed.dtype == np.float32
    assert changed.shape == (len(FACES), crop or 48, crop or 48, 1)
    assert np.isfinite(changed).all()


def test_same_seed_gives_the_same_changes_and_another_seed_does_not() -> None:
    np.testing.assert_array_equal(augment(FACES, seed=1, **ALL), augment(FACES, seed=1, **ALL))
    assert not np.allclose(augment(FACES, seed=1, **ALL), augment(FACES, seed=2, **ALL))


@pytest.mark.parametrize("setting", ALL)
def test_faces_of_a_batch_and_later_batches_change_differently(setting: str) -> None:
    layer = Augmentation(Settings.model_validate({**OFF, setting: ALL[setting]}), seed=0)
    equal = np.repeat(FACES[:1], MANY, axis=0)
    first, second = (np.asarray(layer(equal, training=True)) for _ in range(2))
    assert len(np.unique(first.round(5), axis=0)) > 1
    assert not np.allclose(first, second)


def test_jax_makes_the_same_changes() -> None:
    chosen = (
        "leave_the_face or centre or flip_of_1 or rotation or moves or zoom or contrast or erasing_of_1 or same_seed"
        " or hiding_of_1 or cameras"
    )
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-k", chosen, __file__]
    environment = {**os.environ, "LEARNING_TESTS_BACKEND": "jax"}
    result = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stdout
    assert " passed" in result.stdout
