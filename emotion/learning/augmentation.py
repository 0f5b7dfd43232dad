"""Augmentation of training faces as a Keras layer: one geometric warp, what cameras do, then light and erasing.

At inference the layer only scales the face and crops its centre. It consists of Keras operations, so it runs on every
backend and on the same device as the network.
"""

from __future__ import annotations

from typing import Any, Final

import keras
import numpy as np
from keras import ops, random

from emotion.learning import camera
from emotion.params import Augmentation as Settings

Tensor = Any
"""A tensor of the current backend; Keras publishes no type for it."""

PARTS: Final = np.array([[15, 19, 7, 5], [33, 19, 7, 5], [24, 19, 17, 5], [24, 37, 11, 6]], np.float32)
"""Parts to hide: each eye, both eyes, the mouth, about where the landmarks of a 48x48 face are.

Columns: x and y of the centre, half of the width, half of the height.
"""


class Augmentation(keras.layers.Layer):
    """Turn raw faces into grey levels and, in training, change them at random.

    Input uint8 (n, size, size), output float32 (n, crop, crop, 1), about 0-1.
    """

    def __init__(self, settings: Settings, seed: int) -> None:
        super().__init__(dtype="float32", name="augmentation")
        self.settings = settings
        self.generator = random.SeedGenerator(seed)

    def call(self, faces: Tensor, training: bool = False) -> Tensor:
        """Scale to 0-1 and crop; in training also hide parts, warp, imitate a camera, change light, and erase."""
        grey = ops.expand_dims(ops.cast(faces, "float32"), -1) / 255
        if not training:
            return self._crop(grey)
        seen = self._photograph(self._warp(self._hide(grey)))
        return self._erase(self._change_light(self._crop(seen)))

    def _crop(self, grey: Tensor) -> Tensor:
        size = grey.shape[1]
        margin = (size - self.settings.crop) // 2 if self.settings.crop else 0
        return grey[:, margin : size - margin, margin : size - margin]

    def _uniform(self, like: Tensor, low: float, high: float) -> Tensor:
        """Draw one random number per face."""
        return random.uniform((ops.shape(like)[0],), low, high, seed=self.generator)

    def _skewed(self, like: Tensor, largest: float) -> Tensor:
        """Draw one strength per face up to the largest; half of them are below a quarter of it."""
        return largest * self._uniform(like, 0, 1) ** 2

    def _hide(self, grey: Tensor) -> Tensor:
        """Cover an eye, both eyes or the mouth with one grey level (after Singh and Lee 2017, arXiv:1704.04232)."""
        if not self.settings.hiding:
            return grey
        part = ops.cast(self._uniform(grey, 0, len(PARTS)), "int32")
        x, y, width, height = (ops.take(PARTS[:, i], ops.minimum(part, len(PARTS) - 1)) for i in range(4))
        columns, rows = self._near(grey, x, width), self._near(grey, y, height)
        chosen = _per_face(self._uniform(grey, 0, 1)) < self.settings.hiding
        hidden = chosen & rows[:, :, None, None] & columns[:, None, :, None]
        # Never black: black bars are what `robustness` measures.
        return ops.where(hidden, _per_face(self._uniform(grey, 0.2, 1)), grey)

    def _near(self, grey: Tensor, centre: Tensor, half: Tensor) -> Tensor:
        """Choose the rows (or columns) around a centre, moved and scaled at random: bool (n, size)."""
        middle = centre + self._uniform(grey, -3, 3)
        position = ops.arange(grey.shape[1], dtype="float32")[None, :]
        return ops.abs(position - middle[:, None]) < (half * self._uniform(grey, 0.6, 1.4))[:, None]

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

    def _photograph(self, grey: Tensor) -> Tensor:
        """Imitate a camera, in the order in which it changes a picture, at a random strength for each face."""
        s = self.settings
        if not s.camera or not (s.darkness or s.gamma or s.blur or s.downscaling or s.noise or s.jpeg):
            return grey
        clean = grey
        if s.darkness:
            direction, evenness = self._uniform(grey, 0, 2 * np.pi), self._uniform(grey, 0, 0.8)
            grey = camera.shade(grey, self._skewed(grey, s.darkness), direction, evenness)
        if s.blur:
            grey = camera.blur(grey, 1 + self._skewed(grey, s.blur), 1 + self._skewed(grey, s.blur))
        if s.downscaling:
            grey = camera.coarsen(grey, 1 + self._skewed(grey, s.downscaling), self._uniform(grey, 0, 1))
        if s.noise:
            normal = random.normal(ops.shape(grey), seed=self.generator)
            grey = camera.add_noise(grey, self._skewed(grey, s.noise), normal)
        if s.gamma:
            grey = camera.bend(grey, ops.exp(self._uniform(grey, -1, 1) * float(np.log1p(s.gamma))))
        if s.jpeg:
            grey = camera.compress(grey, self._skewed(grey, s.jpeg))
        chosen = _per_face(self._uniform(grey, 0, 1)) < s.camera
        return ops.where(chosen, camera.write_bytes(grey), clean)

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
