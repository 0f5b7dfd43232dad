from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from emotion.evaluation.robustness import BAR_COLUMNS, CORRUPTIONS, add_noise, blur, cover, darken, shrink

Faces = NDArray[np.uint8]
BOTH = tuple[Faces, NDArray[np.int8]]


def plain(grey: int, number: int = 1) -> Faces:
    return np.full((number, 48, 48), grey, np.uint8)


@pytest.mark.parametrize("kind", CORRUPTIONS)
def test_corrupted_faces_are_faces_again_the_same_each_time_and_the_given_ones_stay(kind: str, faces: BOTH) -> None:
    pixels, _ = faces
    before = pixels.copy()
    for strength in CORRUPTIONS[kind].strengths:
        first, second = (CORRUPTIONS[kind].apply(pixels, strength) for _ in range(2))
        assert first.dtype == np.uint8
        assert first.shape == pixels.shape
        np.testing.assert_array_equal(first, second)
    np.testing.assert_array_equal(pixels, before)


@pytest.mark.parametrize("kind", CORRUPTIONS)
def test_each_strength_changes_more_than_the_one_before(kind: str, faces: BOTH) -> None:
    pixels, _ = faces
    changes = [
        np.abs(CORRUPTIONS[kind].apply(pixels, strength).astype(int) - pixels).mean()
        for strength in CORRUPTIONS[kind].strengths
    ]
    assert 0 < changes[0] < changes[1] < changes[2]


@pytest.mark.parametrize("kind", CORRUPTIONS)
def test_no_faces_give_no_faces(kind: str) -> None:
    for strength in CORRUPTIONS[kind].strengths:
        assert CORRUPTIONS[kind].apply(plain(0, number=0), strength).shape == (0, 48, 48)


@pytest.mark.parametrize("kind", CORRUPTIONS)
def test_meanings_name_each_strength(kind: str) -> None:
    corruption = CORRUPTIONS[kind]
    assert len({corruption.meaning.format(strength) for strength in corruption.strengths}) == 3


def test_noise_has_its_deviation_and_stays_in_range() -> None:
    noisy = add_noise(plain(128, number=20), 20)
    assert noisy.mean() == pytest.approx(128, abs=0.3)
    assert noisy.std() == pytest.approx(20, rel=0.02)
    assert (noisy[0] != noisy[1]).mean() > 0.9
    assert add_noise(plain(250), 20).max() == 255
    assert add_noise(plain(5), 20).min() == 0


def test_blur_spreads_a_dot_as_a_gaussian_and_leaves_other_faces_alone() -> None:
    dots = plain(0, number=2)
    dots[0, 24, 24] = 255
    blurred = blur(dots, 1)
    assert blurred[0, 24, 24] == round(255 / (2 * np.pi))
    np.testing.assert_array_equal(blurred[0, 22:27, 24], [5, 25, 41, 25, 5])
    assert not blurred[1].any()


def test_blur_keeps_a_plain_face() -> None:
    np.testing.assert_array_equal(blur(plain(77), 2), plain(77))


def test_darkness_scales_grey_levels() -> None:
    steps = np.tile(np.arange(48, dtype=np.uint8) * 5, (1, 48, 1))
    np.testing.assert_array_equal(darken(steps, 0.25)[0, 0, :5], [0, 1, 2, 4, 5])
    assert darken(plain(200), 0.1).max() == 20


def test_low_resolution_loses_a_fine_grid_and_keeps_what_is_coarse() -> None:
    grid = plain(0)
    grid[:, :, ::2] = 200
    np.testing.assert_array_equal(shrink(grid, 24), plain(100))
    halves = plain(0)
    halves[:, 24:] = 200
    small = shrink(halves, 12)
    np.testing.assert_array_equal(small[:, :22], 0)
    np.testing.assert_array_equal(small[:, 26:], 200)


def test_bar_covers_eyes_or_mouth_and_nothing_else() -> None:
    covered = cover(plain(200, number=40), 4) == 0
    columns = np.zeros(48, bool)
    columns[BAR_COLUMNS] = True
    places = set()
    for face in covered:
        rows = np.flatnonzero(face.any(axis=1))
        np.testing.assert_array_equal(face, np.isin(np.arange(48), rows)[:, None] & columns)
        places.add(tuple(rows.tolist()))
    assert places == {(15, 16, 17, 18), (36, 37, 38, 39)}


def test_a_face_is_covered_at_the_same_place_at_every_strength() -> None:
    middles = [
        [np.flatnonzero(face.min(axis=1) == 0).mean() for face in cover(plain(200, number=20), height)]
        for height in CORRUPTIONS["occlusion"].strengths
    ]
    assert middles[0] == middles[1] == middles[2]
