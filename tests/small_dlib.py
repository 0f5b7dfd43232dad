"""Small network files in dlib's format, for the tests of what reads them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from emotion.networks import face_resnet
from emotion.networks.dlib_file import Convolution

STAGES = {"face_resnet": ((32, 1), (64, 1)), "face_resnet_small": ((32, 1),)}
"""Networks of five and three convolutions in place of 27 and 23."""


def integer(value: int) -> bytes:
    size = (abs(value).bit_length() + 7) // 8 or 1
    return bytes([size | (0x80 if value < 0 else 0)]) + abs(value).to_bytes(size, "little")


def name(text: str) -> bytes:
    return integer(len(text)) + text.encode()


def tensor(values: NDArray[Any]) -> bytes:
    shape = (*values.shape, 1, 1, 1)[:4]
    return b"".join(map(integer, (2, *shape))) + values.astype("<f4").tobytes()


def convolution(made: Convolution, bias: NDArray[Any]) -> bytes:
    """Write a convolution and its affine layer; the offset of the affine layer leaves out what the bias adds."""
    rows, columns, inputs, outputs = made.kernel.shape
    filters = made.kernel.transpose(3, 2, 0, 1)
    sizes = (outputs, rows, columns, made.stride, made.stride, 0, 0)
    aliases = (1, outputs, inputs, rows, columns, 1, 1, outputs, 1, 1)
    affine = np.concatenate([made.scale, made.offset - made.scale * bias])
    return (
        name("con_4")
        + tensor(np.concatenate([filters.ravel(), bias]))
        + b"".join(map(integer, sizes + aliases))
        + bytes(9)  # the settings of its training
        + name("affine_")
        + tensor(affine)
        + name("relu_")
    )


def made_up(inputs: int, outputs: int, size: int, stride: int, seed: int) -> Convolution:
    """Make up a convolution whose weights are as small as those of dlib."""
    generator = np.random.default_rng(seed)
    kernel = generator.normal(scale=0.01, size=(size, size, inputs, outputs)).astype(np.float32)
    scale, offset = (generator.normal(middle, 0.1, outputs).astype(np.float32) for middle in (5, 0))
    return Convolution(kernel, stride, scale, offset)


def small_network() -> list[Convolution]:
    """Make up the convolutions of the larger network of `STAGES`."""
    shapes = [(3, 32, 7, 2), (32, 32, 3, 1), (32, 32, 3, 1), (32, 64, 3, 2), (64, 64, 3, 1)]
    return [made_up(*shape, seed=seed) for seed, shape in enumerate(shapes)]


def written(convolutions: list[Convolution]) -> bytes:
    """Write them as a file that begins and ends as dlib's does; each gets a bias."""
    biases = [np.linspace(-0.01, 0.01, len(each.scale), dtype=np.float32) for each in convolutions]
    layers = [convolution(each, bias) for each, bias in zip(convolutions, biases, strict=True)]
    return integer(1) + name("loss_metric_2") + b"".join(layers) + name("fc_2") + tensor(np.ones((4, 2), np.float32))


def replace_published_weights(path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Write a small network in dlib's format, and make it the published one; `face_resnet` gets its size."""
    path.write_bytes(written(small_network()))
    monkeypatch.setattr(face_resnet, "STAGES", STAGES)
    monkeypatch.setattr(face_resnet, "find_weights", lambda: path)
    return path
