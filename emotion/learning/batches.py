"""Batches of faces. Their order depends only on seed and epoch, so a resumed run sees the same batches."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import keras
import numpy as np
from numpy.typing import NDArray

from emotion.dataset import Dataset
from emotion.learning import parallel
from emotion.learning.augmentation import Augmentation
from emotion.params import Train
from emotion.votes import targets


def encode(data: Dataset, settings: Train) -> NDArray[Any]:
    """Return what the loss takes as the truth: int8 labels (n,) for the sparse loss, else float32 (n, classes).

    The rows sum to 1; `votes.targets` mixes labels and votes by the share `train.votes`.
    """
    if settings.loss == "sparse_categorical_crossentropy":
        return data.labels
    return targets(data.labels, data.votes, data.classes, settings.votes)


def most_taught(data: Dataset, settings: Train) -> NDArray[np.integer]:
    """Return the class with the largest share of each face's target, by which Keras weights the face."""
    taught = encode(data, settings)
    return taught if taught.ndim == 1 else taught.argmax(axis=1)


class Batches(keras.utils.PyDataset):
    """Shuffled batches of equal size; an epoch leaves out the last faces if they do not fill a batch.

    If several processes train together, each gets its part of every batch.

    Attributes:
        epoch: index of the current epoch, from 0.
    """

    def __init__(self, data: Dataset, settings: Train, epoch: int) -> None:
        super().__init__()
        self._pixels, self._targets = data.pixels, encode(data, settings)
        size = min(settings.batch_size, len(data))
        self._size = size - size % parallel.device_count()
        self._seed, self._mixup = settings.seed, settings.augmentation.mixup
        self.epoch = epoch
        self._shuffle()

    def __len__(self) -> int:
        return len(self._pixels) // self._size

    def __getitem__(self, index: int) -> tuple[NDArray[np.uint8], NDArray[Any]]:
        rows = self._order[index * self._size : (index + 1) * self._size]
        pixels, targets = self._pixels[rows], self._targets[rows]
        if self._mixup:
            pixels, targets = self._mix(pixels, targets, index)
        own = _own_part(len(rows))
        return pixels[own], targets[own]

    def on_epoch_end(self) -> None:
        """Shuffle for the next epoch; Keras calls this."""
        self.epoch += 1
        self._shuffle()

    def _shuffle(self) -> None:
        self._order = np.random.default_rng([self._seed, self.epoch]).permutation(len(self._pixels))

    def _mix(
        self, pixels: NDArray[np.uint8], targets: NDArray[np.float32], index: int
    ) -> tuple[NDArray[np.uint8], NDArray[np.float32]]:
        """Blend each face with the one before it in the batch (mixup, Zhang et al. 2018, arXiv:1710.09412)."""
        generator = np.random.default_rng([self._seed, self.epoch, index])
        share = generator.beta(self._mixup, self._mixup, len(pixels)).astype(np.float32)
        faces = share[:, None, None] * pixels + (1 - share[:, None, None]) * np.roll(pixels, 1, axis=0)
        labels = share[:, None] * targets + (1 - share[:, None]) * np.roll(targets, 1, axis=0)
        return np.rint(faces).astype(np.uint8), labels


class Validation(keras.utils.PyDataset):
    """All faces in order.

    Keras would put arrays through a parallel map, for which TensorFlow logs an error when it makes it deterministic.
    """

    def __init__(self, data: Dataset, settings: Train) -> None:
        super().__init__()
        self._pixels, self._targets, self._size = data.pixels, encode(data, settings), settings.batch_size

    def __len__(self) -> int:
        return -(-len(self._pixels) // self._size)

    def __getitem__(self, index: int) -> tuple[NDArray[np.uint8], NDArray[Any]]:
        batch = slice(index * self._size, (index + 1) * self._size)
        return self._pixels[batch], self._targets[batch]


class SharedValidation(keras.utils.PyDataset):
    """All faces in order, for several devices; repeated faces with weight 0 fill the last batch.

    The other weights are slightly above 1, so that Keras' mean over all faces equals the mean over the real ones.
    """

    def __init__(self, data: Dataset, settings: Train) -> None:
        super().__init__()
        self._pixels, self._targets, self._size = data.pixels, encode(data, settings), settings.batch_size
        total = len(data) + -len(data) % parallel.device_count()
        self._rows = np.arange(total) % len(data)
        self._weights = np.where(np.arange(total) < len(data), total / len(data), 0).astype(np.float32)

    def __len__(self) -> int:
        return -(-len(self._rows) // self._size)

    def __getitem__(self, index: int) -> tuple[NDArray[np.uint8], NDArray[Any], NDArray[np.float32]]:
        batch = slice(index * self._size, (index + 1) * self._size)
        rows, weights = self._rows[batch], self._weights[batch]
        own = _own_part(len(rows))
        return self._pixels[rows][own], self._targets[rows][own], weights[own]


def serving_batches(data: Dataset, settings: Train) -> Iterator[Any]:
    """Yield shuffled float32 batches of the faces as the network sees them at inference, without augmentation."""
    centre_crop = Augmentation(settings.augmentation, settings.seed)
    order = np.random.default_rng(settings.seed).permutation(len(data))
    size = min(settings.batch_size, len(data))
    for start in range(0, len(data) - size + 1, size):
        yield centre_crop(data.pixels[order[start : start + size]])


def _own_part(size: int) -> slice:
    """Return this process's part of a batch."""
    index, count = parallel.process_index_and_count()
    part = size // count
    return slice(index * part, (index + 1) * part)
