"""Reader of a network file of dlib: the convolutions and the affine layers behind them, from input to output.

An integer is a byte with its length and sign, then its bytes; a tensor is its shape, then little-endian floats. The
names of the layers are in the file, its architecture is not (dlib/serialize.h, dlib/dnn/layers.h in dlib's source).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from emotion.errors import ModelError

FLOAT: Final = np.dtype("<f4")


@dataclass(frozen=True)
class Convolution:
    """A convolution and the affine layer behind it, which stands for a batch normalisation: scale * x + offset.

    Attributes:
        kernel: float32, shape (rows, columns, inputs, outputs).
        stride: in pixels, the same in both directions.
        scale: float32, shape (outputs,).
        offset: float32, shape (outputs,); the bias of the convolution is part of it.
    """

    kernel: NDArray[np.float32]
    stride: int
    scale: NDArray[np.float32]
    offset: NDArray[np.float32]


def read(content: bytes) -> list[Convolution]:
    """Read the convolutions of a network of dlib, each followed by an affine layer.

    Raises:
        ModelError: the content ends early, or is no such network.
    """
    reader = Reader(content)
    found = []
    while reader.find("con_4"):
        found.append(_read_convolution(reader))
    if not found:
        raise ModelError("it holds no convolution of dlib; take the file as its package has it")
    return found


def _read_convolution(reader: Reader) -> Convolution:
    values = reader.tensor().ravel()
    outputs, _, _, stride, _, _, _ = (reader.integer() for _ in range(7))
    _, *shape = (reader.integer() for _ in range(5))
    filters, bias = values[:-outputs].reshape(shape), values[-outputs:]
    if not reader.find("affine_"):
        raise ModelError("a convolution has no affine layer behind it; take the file for inference, not for training")
    scale, offset = np.split(reader.tensor().ravel(), 2)
    return Convolution(filters.transpose(2, 3, 1, 0), stride, scale, offset + scale * bias)


class Reader:
    """A position in the content of a file, which moves on with everything that is read."""

    def __init__(self, content: bytes) -> None:
        self._content, self._position = content, 0

    def find(self, layer: str) -> bool:
        """Move behind the next name of such a layer; return False, and stay, if there is none."""
        name = bytes([1, len(layer)]) + layer.encode()
        place = self._content.find(name, self._position)
        if place >= 0:
            self._position = place + len(name)
        return place >= 0

    def integer(self) -> int:
        """Read an integer."""
        (head,) = self._take(1)
        size = int.from_bytes(self._take(head & 0x0F), "little")
        return -size if head & 0x80 else size

    def tensor(self) -> NDArray[np.float32]:
        """Read a tensor of four dimensions: samples, channels, rows and columns."""
        _, *shape = (self.integer() for _ in range(5))
        return np.frombuffer(self._take(FLOAT.itemsize * int(np.prod(shape))), FLOAT).reshape(shape)

    def _take(self, size: int) -> bytes:
        taken = self._content[self._position : self._position + size]
        if len(taken) < size:
            raise ModelError("it ends early; take the file as its package has it")
        self._position += size
        return taken
