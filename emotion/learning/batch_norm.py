"""Batch normalisation: by TensorFlow's fused kernel while a network learns, by precise statistics once it has.

Keras computes it in half a dozen passes over the maps, in bfloat16 with a cast to float32 before and after; the kernel
takes one or two. It is the only function of one backend in the learning rooms: on another, nothing is fused.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, cast

import keras

from emotion.networks import architectures


class FusedBatchNormalization(keras.layers.BatchNormalization):  # type: ignore[misc]  # Keras gives it no type
    """What its parent computes, except that the moving variance takes n / (n - 1) times that of the batch."""

    def call(self, inputs: Any, training: bool | None = None, mask: Any = None) -> Any:
        """Normalise maps of shape (n, rows, columns, channels); float32 statistics whatever the precision."""
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
    """Return the same network for training, weights and layer names too, with the fused kernel where there is one."""
    if keras.backend.backend() != "tensorflow":
        return network
    fused = cast(keras.Model, keras.models.clone_model(network, clone_function=_replace, recursive=True))
    architectures.set_weights(fused, network.get_weights())
    return fused


def recompute_statistics(network: keras.Model, batches: Iterable[Any]) -> None:
    """Replace the moving statistics by the mean over batches (Wu and Johnson 2021, arXiv:2105.07576).

    What a network remembers while learning belongs to other weights, where it keeps an average of them, and to
    augmented faces. Dropout rests meanwhile, as when serving.

    Args:
        network: as from `architectures.build`; its weights stay.
        batches: float32 faces as the network sees them when serving, shuffled, of equal size.
    """
    layers = list(network._flatten_layers())
    momenta = {layer: layer.momentum for layer in layers if isinstance(layer, keras.layers.BatchNormalization)}
    rates = {layer: layer.rate for layer in layers if isinstance(layer, keras.layers.Dropout)}
    for layer in rates:
        layer.rate = 0.0
    for index, faces in enumerate(batches if momenta else ()):
        for layer in momenta:
            layer.momentum = index / (index + 1)  # the moving average is then the mean of all batches
        network(faces, training=True)
    for layer, momentum in momenta.items():
        layer.momentum = momentum
    for layer, rate in rates.items():
        layer.rate = rate


def _replace(layer: keras.layers.Layer) -> keras.layers.Layer:
    maps = isinstance(layer, keras.layers.BatchNormalization) and len(layer.input.shape) == 4
    kind = FusedBatchNormalization if maps else type(layer)
    return kind.from_config(layer.get_config())
