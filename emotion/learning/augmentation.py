"""Augmentation of training faces as a Keras layer: one geometric warp, then contrast, brightness and random erasing.

At inference the layer only scales the face and crops its centre. It consists of Keras operations, so it runs on every
backend and on the same device as the network.
"""

from __future__ import annotations

from typing import Any

import keras
import numpy as np
from keras import ops, random

from emotion.params import Augmentation as Settings

Tensor = Any
"""A tensor of the current backend; Keras publishes no type for it."""


class Augmentation(keras.layers.Layer):
    """Turn raw faces into grey levels and, in training, change them at random.

    Input uint8 (n, size, size), output float32 (n, crop, crop, 1), about 0-1.
    """

    def __init__(self, settings: Settings, seed: int) -> None:
        super().__init__(dtype="float32", name="augmentation")
        self.settings = settings
        self.generator = random.SeedGenerator(seed)

    def call(self, faces: Tensor, training: bool = False) -> Tensor:
        """Scale to 0-1 and crop; in training also warp, change contrast and brightness, and erase."""
        grey = ops.expand_dims(ops.cast(faces, "float32"), -1) / 255
        if not training:
            return self._crop(grey)
        return self._erase(self._change_light(self._crop(self._warp(grey))))

    def _crop(self, grey: Tensor) -> Tensor:
        size = grey.shape[1]
        margin = (size - self.settings.crop) // 2 if self.settings.crop else 0
        return grey[:, margin : size - margin, margin : size - margin]

    def _uniform(self, like: Tensor, low: float, high: float) -> Tensor:
        """Draw one random number per face."""
        return random.uniform((ops.shape(like)[0],), low, high, seed=self.generator)

    def _warp(self, grey: Tensor) -> Tensor:
        s = self.settings
        if not (s.flip or s.rotation or s.shift or s.zoom):
            return grey
        angle = self._uniform(grey, -1, 1) * float(np.deg2rad(s.rotation))
        zoom = 1 / (1 + self._uniform(grey, -1, 1) * s.zoom)
        mirror = ops.where(self._uniform(grey, 0, 1) < s.flip, -1.0, 1.0)
        # Output pixel (x, y) takes its value from the input at matrix * (x, y) + shift, both relative to the centre.
        a, b = zoom * ops.cos(angle) * mirror, -zoom * ops.sin(angle)
        c, d = zoom * ops.sin(angle) * mirror, zoom * ops.cos(angle)
        centre = (grey.shape[1] - 1) / 2
        right = centre - (a + b) * centre + self._uniform(grey, -1, 1) * s.shift
        down = centre - (c + d) * centre + self._uniform(grey, -1, 1) * s.shift
        zero = ops.zeros_like(a)
        transform = ops.stack([a, b, right, c, d, down, zero, zero], axis=1)
        return ops.image.affine_transform(
            grey, transform, interpolation="bilinear", fill_mode="nearest", data_format="channels_last"
        )

    def _change_light(self, grey: Tensor) -> Tensor:
        s = self.settings
        if s.contrast:
            mean = ops.mean(grey, axis=(1, 2, 3), keepdims=True)
            grey = mean + (grey - mean) * _per_face(1 + self._uniform(grey, -1, 1) * s.contrast)
        if s.brightness:
            grey = grey + _per_face(self._uniform(grey, -1, 1) * s.brightness)
        return grey

    def _erase(self, grey: Tensor) -> Tensor:
        """Fill a rectangle, sides 0.15-0.5 of the face, with one grey level (Zhong et al. 2020, arXiv:1708.04896)."""
        if not self.settings.erasing:
            return grey
        rows, columns = self._band(grey), self._band(grey)
        chosen = _per_face(self._uniform(grey, 0, 1)) < self.settings.erasing
        hidden = chosen & rows[:, :, None, None] & columns[:, None, :, None]
        return ops.where(hidden, _per_face(self._uniform(grey, 0, 1)), grey)

    def _band(self, grey: Tensor) -> Tensor:
        """Choose a random range of rows (or columns) for each face: bool (n, crop)."""
        size = grey.shape[1]
        length = self._uniform(grey, 0.15, 0.5) * size
        start = self._uniform(grey, 0, 1) * (size - length)
        position = ops.arange(size, dtype="float32")[None, :]
        return (position >= start[:, None]) & (position < (start + length)[:, None])


def _per_face(values: Tensor) -> Tensor:
    """Reshape (n,) to (n, 1, 1, 1), so that it broadcasts over the faces."""
    return values[:, None, None, None]
