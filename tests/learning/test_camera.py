from __future__ import annotations

import io
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image
from small_networks import drawn

from emotion.evaluation import robustness
from emotion.learning import camera

FACES = drawn(per_class=2).pixels
GREY = np.asarray(FACES / np.float32(255), np.float32)[..., None]
NUMBER = len(FACES)


def each(value: float) -> NDArray[np.float32]:
    """Return the same strength for every face."""
    return np.full(NUMBER, value, np.float32)


def levels(grey: Any) -> NDArray[Any]:
    return np.asarray(grey)[..., 0] * 255


def dot() -> NDArray[np.float32]:
    grey = np.zeros(GREY.shape, np.float32)
    grey[:, 24, 20] = 1
    return grey


def plain(level: float) -> NDArray[np.float32]:
    return np.full(GREY.shape, level, np.float32)


@pytest.mark.parametrize(
    "changed",
    [
        camera.shade(GREY, each(0), each(1), each(0.5)),
        camera.bend(GREY, each(1)),
        camera.blur(GREY, each(1), each(1)),
        camera.coarsen(GREY, each(1), each(0.7)),
        camera.add_noise(GREY, each(0), np.ones_like(GREY)),
        camera.compress(GREY, each(0)),
    ],
    ids=["shade", "bend", "blur", "coarsen", "add_noise", "compress"],
)
def test_least_strength_leaves_faces_as_they_are(changed: Any) -> None:
    np.testing.assert_allclose(camera.write_bytes(changed), GREY, atol=1.01 / 255)


@pytest.mark.parametrize("height", [1, 1.5, 3, 6.2])
@pytest.mark.parametrize("edge", [1, 1.3, 2, 3.7, 8])
def test_plain_faces_stay_plain_when_they_are_blurred_and_coarsened(height: float, edge: float) -> None:
    for phase in (0, 0.3, 0.99):
        changed = camera.coarsen(camera.blur(plain(0.4), each(height), each(1)), each(edge), each(phase))
        np.testing.assert_allclose(changed, 0.4, atol=1e-5)


def test_blur_spreads_a_dot_over_a_rectangle() -> None:
    changed = np.asarray(camera.blur(dot(), each(3), each(5)))[0, ..., 0]
    expected = np.zeros((48, 48))
    expected[23:26, 18:23] = 1 / 15
    np.testing.assert_allclose(changed, expected, atol=1e-6)


def test_coarse_pixels_average_and_are_interpolated() -> None:
    ramp = np.broadcast_to(np.linspace(0, 1, 48, dtype=np.float32)[None, :, None, None], GREY.shape)
    changed = np.asarray(camera.coarsen(ramp, each(3), each(0)))[0, 4:-4, 0, 0]
    np.testing.assert_allclose(changed, ramp[0, 4:-4, 0, 0], atol=1e-5)
    stripes = np.broadcast_to((np.arange(48) % 2).astype(np.float32)[None, :, None, None], GREY.shape)
    assert np.ptp(np.asarray(camera.coarsen(stripes, each(4), each(0)))[0, 4:-4]) < 0.1


def test_shade_takes_most_light_on_the_dark_side() -> None:
    changed = np.asarray(camera.shade(plain(1), each(0.8), each(0), each(0.25)))[0, :, :, 0]
    np.testing.assert_allclose(changed, changed[:1] + np.zeros((48, 1)), atol=1e-6)
    assert (np.diff(changed[0]) < 0).all()
    middle = 1 - 0.8 * (0.25 + 0.75 / 2)
    assert changed[0].mean() == pytest.approx(middle, abs=1e-5)
    assert changed.min() >= 0.2 - 1e-6
    assert changed.max() <= 0.8 + 1e-6


def test_exponents_are_those_of_the_grey_levels() -> None:
    np.testing.assert_allclose(camera.bend(plain(0.25), each(0.5)), 0.5, atol=1e-6)
    np.testing.assert_allclose(camera.bend(plain(0.5), each(2)), 0.25, atol=1e-6)


def test_noise_grows_with_the_root_of_the_light() -> None:
    normal = np.random.default_rng(0).standard_normal(GREY.shape, np.float32)
    dark, bright = (
        (np.asarray(camera.add_noise(plain(level), each(0.1), normal)) - level).std() for level in (0.04, 0.64)
    )
    assert bright == pytest.approx(0.08, rel=0.02)
    assert dark == pytest.approx(0.02, rel=0.02)


@pytest.mark.parametrize(("strength", "quality"), [(1, 50), (2, 25), (5, 10)])
def test_compression_is_that_of_jpeg_files(strength: float, quality: int) -> None:
    changed = levels(camera.write_bytes(camera.compress(GREY, each(strength))))
    for face, found in zip(FACES, changed, strict=True):
        file = io.BytesIO()
        Image.fromarray(face).save(file, "JPEG", quality=quality)
        expected = np.asarray(Image.open(file), np.float32)
        assert np.abs(found - expected).mean() < 0.3 * np.abs(face - expected).mean()


def nearest(corrupted: NDArray[np.uint8], changes: list[Any]) -> float:
    """Return the mean distance of the nearest change, as a share of what the corruption itself changes."""
    distances = [np.abs(levels(change) - corrupted).mean() for change in changes]
    return float(min(distances) / np.abs(FACES.astype(float) - corrupted).mean())


@pytest.mark.parametrize("place", range(3))
def test_kernels_are_not_those_of_robustness_at_any_strength(place: int) -> None:
    strengths = {kind: corruption.strengths[place] for kind, corruption in robustness.CORRUPTIONS.items()}
    widths = np.arange(1, 9, 0.25)
    blurs = [camera.blur(GREY, each(width), each(width)) for width in widths]
    coarser = [camera.coarsen(GREY, each(e), each(phase)) for e in np.arange(1, 5, 0.25) for phase in (0, 0.5)]
    shades = [
        camera.shade(GREY, each(lost), each(turn), each(0.8)) for lost in np.arange(0.1, 1, 0.05) for turn in range(6)
    ]
    assert nearest(robustness.blur(FACES, strengths["blur"]), [*blurs, *coarser]) > 0.05
    assert nearest(robustness.shrink(FACES, strengths["resolution"]), [*blurs, *coarser]) > 0.1
    assert nearest(robustness.darken(FACES, strengths["darkness"]), shades) > 0.02
