"""What cameras do to faces, as functions of Keras operations: each takes grey levels and one strength per face.

None of them equals what `evaluation/robustness.py` measures: they have other kernels, and strengths without steps. So
a network that learned from them was not trained for that test.
"""

from __future__ import annotations

from typing import Any, Final

import numpy as np
from keras import ops
from numpy.typing import NDArray

Tensor = Any
"""A tensor of the current backend; Keras publishes no type for it."""

BLOCK: Final = 8
"""Edge in pixels of a block of JPEG."""

# fmt: off
TABLE: Final = np.array([
    [16, 11, 10, 16, 24, 40, 51, 61],
    [12, 12, 14, 19, 26, 58, 60, 55],
    [14, 13, 16, 24, 40, 57, 69, 56],
    [14, 17, 22, 29, 51, 87, 80, 62],
    [18, 22, 37, 56, 68, 109, 103, 77],
    [24, 35, 55, 64, 81, 104, 113, 92],
    [49, 64, 78, 87, 103, 121, 120, 101],
    [72, 92, 95, 98, 112, 100, 103, 99],
], np.float32)
# fmt: on
"""Steps of the coefficients of a block at quality 50, in grey levels (ITU-T T.81, table K.1)."""


def shade(grey: Tensor, lost: Tensor, direction: Tensor, evenness: Tensor) -> Tensor:
    """Take light away, most of it on one side.

    Args:
        grey: float32, shape (n, size, size, 1), 0-1.
        lost: shape (n,), share of the light that the dark side loses, 0-1.
        direction: shape (n,), of the dark side, radians.
        evenness: shape (n,), loss of the bright side as a share of that of the dark side, 0-1.

    Returns:
        float32, shape (n, size, size, 1).
    """
    place = ops.linspace(-1.0, 1.0, grey.shape[1])
    right, down = (_column(turn(direction)) for turn in (ops.cos, ops.sin))
    ramp = (1 + (right * place[None, None, :] + down * place[None, :, None]) / np.sqrt(2)) / 2
    loss = _column(lost) * (_column(evenness) + (1 - _column(evenness)) * ramp)
    return grey * (1 - loss)[..., None]


def bend(grey: Tensor, exponent: Tensor) -> Tensor:
    """Raise grey levels to a power, as cameras do with different tone curves.

    Args:
        grey: float32, shape (n, size, size, 1), 0-1.
        exponent: shape (n,), above 1 for darker faces.
    """
    return ops.clip(grey, 1e-3, 1) ** _column(exponent)[..., None]


def blur(grey: Tensor, height: Tensor, width: Tensor) -> Tensor:
    """Average over a rectangle around each pixel: motion if it is narrow, else bad focus.

    Args:
        grey: float32, shape (n, size, size, 1), 0-1.
        height: shape (n,), pixels, at least 1.
        width: shape (n,), pixels, at least 1.
    """
    return _filter(grey, _averages(grey, height), _averages(grey, width))


def coarsen(grey: Tensor, edge: Tensor, phase: Tensor) -> Tensor:
    """Replace the pixels by larger ones, and interpolate between their centres, as for small faces in a photo.

    Args:
        grey: float32, shape (n, size, size, 1), 0-1.
        edge: shape (n,), of the larger pixels, in pixels, at least 1.
        phase: shape (n,), 0-1: where the grid of larger pixels begins.
    """
    resample = _resampling(grey, edge, phase)
    return _filter(grey, resample, resample)


def add_noise(grey: Tensor, deviation: Tensor, normal: Tensor) -> Tensor:
    """Add shot noise: its deviation grows with the root of the light.

    Args:
        grey: float32, shape (n, size, size, 1), 0-1.
        deviation: shape (n,), of a white pixel, 0-1.
        normal: standard normal, of the shape of grey.
    """
    return grey + normal * _column(deviation)[..., None] * ops.sqrt(ops.clip(grey, 0.02, 1))


def compress(grey: Tensor, strength: Tensor) -> Tensor:
    """Round the cosine coefficients of each block of 8x8 pixels, as JPEG does.

    Args:
        grey: float32, shape (n, size, size, 1), 0-1; the size is a multiple of 8.
        strength: shape (n,), multiples of the steps of quality 50; 5 are about quality 10.
    """
    blocks = grey.shape[1] // BLOCK
    transform = ops.convert_to_tensor(np.kron(np.eye(blocks), _cosines()).astype(np.float32))
    steps = ops.maximum(_column(strength) * np.tile(TABLE, (blocks, blocks)), 1.0)
    coefficients = transform @ (grey[..., 0] * 255 - 128) @ ops.transpose(transform)
    rounded = ops.round(coefficients / steps) * steps
    return ((ops.transpose(transform) @ rounded @ transform + 128) / 255)[..., None]


def write_bytes(grey: Tensor) -> Tensor:
    """Round to the 256 grey levels of a file."""
    return ops.round(ops.clip(grey, 0, 1) * 255) / 255


def _cosines() -> NDArray[np.float64]:
    """Return the matrix of the discrete cosine transform of one block, shape (8, 8)."""
    place = np.arange(BLOCK)
    waves = np.cos((2 * place + 1) * place[:, None] * np.pi / (2 * BLOCK)) * np.sqrt(2 / BLOCK)
    waves[0] /= np.sqrt(2)
    return np.asarray(waves)


def _averages(grey: Tensor, length: Tensor) -> Tensor:
    """Return the matrix that averages over this length along one axis, shape (n, size, size)."""
    place = np.arange(grey.shape[1], dtype=np.float32)
    return _normalised(ops.clip((_column(length) + 1) / 2 - np.abs(place[:, None] - place), 0, 1))


def _resampling(grey: Tensor, edge: Tensor, phase: Tensor) -> Tensor:
    """Return the matrix that averages into larger pixels along one axis, then interpolates, shape (n, size, size)."""
    place, edge = np.arange(grey.shape[1], dtype=np.float32), _column(edge)
    distance = ops.abs(place[:, None] * edge - _column(phase) * (edge - 1) - place)  # of larger pixels and pixels
    averages = ops.clip((edge + 1) / 2 - distance, 0, 1)
    # Larger pixels that mostly lie outside the face do not count.
    inside = ops.cast(ops.sum(averages, axis=2, keepdims=True) >= 0.5, "float32")
    interpolation = ops.transpose(ops.maximum(1 - distance / edge, 0) * inside, (0, 2, 1))
    return _normalised(interpolation) @ _normalised(averages)


def _normalised(weights: Tensor) -> Tensor:
    """Scale each row to the sum 1; rows without any weight stay 0."""
    return weights / ops.maximum(ops.sum(weights, axis=2, keepdims=True), 1e-6)


def _filter(grey: Tensor, rows: Tensor, columns: Tensor) -> Tensor:
    return (rows @ grey[..., 0] @ ops.transpose(columns, (0, 2, 1)))[..., None]


def _column(values: Tensor) -> Tensor:
    """Reshape (n,) to (n, 1, 1)."""
    return values[:, None, None]
