"""Batch normalisation: TensorFlow's fused kernel in training, and precise statistics afterwards.

Keras reads the feature maps about six times, in bfloat16 with a cast to float32 before and after; the fused kernel
reads them once or twice. It is the only backend-specific function in this folder: on JAX, Keras' own layer stays.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, cast

import keras
import numpy as np
from keras import ops
from numpy.typing import NDArray

from emotion.networks import architectures


class FusedBatchNormalization(keras.layers.BatchNormalization):  # type: ignore[misc]  # Keras gives it no type
    """Compute the same as Keras' layer, except that the moving variance is unbiased: n / (n - 1) times as large."""

    def call(self, inputs: Any, training: bool | None = None, mask: Any = None) -> Any:
        """Normalise maps of shape (n, rows, columns, channels), with float32 statistics under every precision."""
        if not (training and self.trainable):
            return super().call(inputs, training=training, mask=mask)
        import tensorflow as tf

        outputs, mean, variance = tf.compat.v1.nn.fused_batch_norm(
            inputs, self.gamma, self.beta, epsilon=self.epsilon, is_training=True
        )
        self.moving_mean.assign(self.moving_mean * self.momentum + mean * (1 - self.momentum))
        self.moving_variance.assign(self.moving_variance * self.momentum + variance * (1 - self.momentum))
        return outputs


def fuse(network: keras.Model) -> keras.Model:
    """Return a copy of the network that uses the fused kernel, with the same weights and layer names.

    On a backend other than TensorFlow, return the network itself.
    """
    if keras.backend.backend() != "tensorflow":
        return network
    fused = cast(keras.Model, keras.models.clone_model(network, clone_function=_replace, recursive=True))
    architectures.set_weights(fused, network.get_weights())
    return fused


def adopt_statistics(network: keras.Model, batches: Iterable[Any]) -> None:
    """Give the normalisations of a pretrained base the statistics of these faces, without changing what it computes.

    Scale and offset make up for the new statistics. So in prediction the network computes the same as before, and in
    training, where each batch has its own statistics, nearly the same.

    Args:
        network: as from `architectures.build`, with a base.
        batches: float32 faces as the network sees them at inference, shuffled, in batches of equal size.
    """
    base = network.get_layer(architectures.BASE)
    norms = [layer for layer in base.layers if isinstance(layer, keras.layers.BatchNormalization)]
    scaled = keras.Model(network.input, network.layers[network.layers.index(base) - 1].output)
    maps = keras.Model(base.input, [norm.input for norm in norms])
    sums: list[Any] = [0.0] * len(norms)
    number = 0
    for faces in batches:
        sums = [total + _moments(values) for total, values in zip(sums, maps(scaled(faces)), strict=True)]
        number += 1
    for norm, total in zip(norms, sums, strict=True):
        mean, square = total / number
        _adopt(norm, mean, square - mean**2)


def _moments(maps: Any) -> NDArray[np.float64]:
    """Return the mean of each channel and of its square, shape (2, channels)."""
    mean, variance = ops.moments(ops.cast(maps, "float32"), axes=(0, 1, 2))
    return np.stack([mean, variance + mean**2]).astype(np.float64)


def _adopt(norm: keras.layers.BatchNormalization, mean: NDArray[np.float64], variance: NDArray[np.float64]) -> None:
    scale, offset, old_mean, old_variance = norm.get_weights()
    slope = scale / np.sqrt(old_variance + norm.epsilon)
    norm.set_weights([slope * np.sqrt(variance + norm.epsilon), offset + slope * (mean - old_mean), mean, variance])


def recompute_statistics(network: keras.Model, batches: Iterable[Any]) -> None:
    """Replace the moving statistics by the mean over batches (Wu and Johnson 2021, arXiv:2105.07576).

    The statistics from training belong to augmented faces and, if the weights are averaged, to other weights. Dropout
    is switched off meanwhile, as at inference.

    Args:
        network: as from `architectures.build`; its trained weights do not change.
        batches: float32 faces as the network sees them at inference, shuffled, in batches of equal size.
    """
    layers = list(network._flatten_layers())
    momenta = {layer: layer.momentum for layer in layers if isinstance(layer, keras.layers.BatchNormalization)}
    rates = {layer: layer.rate for layer in layers if isinstance(layer, keras.layers.Dropout)}
    for layer in rates:
        layer.rate = 0.0
    for index, faces in enumerate(batches if momenta else ()):
        for layer in momenta:
            layer.momentum = index / (index + 1)  # makes the moving average the mean over all batches
        network(faces, training=True)
    for layer, momentum in momenta.items():
        layer.momentum = momentum
    for layer, rate in rates.items():
        layer.rate = rate


def _replace(layer: keras.layers.Layer) -> keras.layers.Layer:
    normalises_maps = isinstance(layer, keras.layers.BatchNormalization) and len(layer.input.shape) == 4
    kind = FusedBatchNormalization if normalises_maps else type(layer)
    return kind.from_config(layer.get_config())
