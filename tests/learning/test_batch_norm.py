from __future__ import annotations

from typing import Any

import keras
import numpy as np
import pytest
from keras import layers
from small_networks import BACKEND

from emotion.learning.batch_norm import FusedBatchNormalization, adopt_statistics, fuse, recompute_statistics
from emotion.networks import architectures
from emotion.networks.architectures import BASE, Transfer

assert BACKEND == "tensorflow"

MAPS = np.random.default_rng(0).normal(3, 2, (8, 6, 6, 5)).astype(np.float32)


def network(*normalisations: layers.Layer) -> keras.Model:
    x = maps = keras.Input(MAPS.shape[1:])
    for layer in normalisations:
        x = layer(x)
    return keras.Model(maps, x)


def normalisations_of(model: keras.Model) -> list[layers.Layer]:
    return [layer for layer in model.layers if isinstance(layer, layers.BatchNormalization)]


def test_outputs_and_moving_statistics_are_those_of_keras() -> None:
    plain = network(layers.BatchNormalization(momentum=0.9))
    plain.layers[1].gamma.assign(np.linspace(0.5, 2, 5))
    plain.layers[1].beta.assign(np.linspace(-1, 1, 5))
    fused = fuse(plain)
    assert type(fused.layers[1]) is FusedBatchNormalization
    outputs = [np.asarray(model(MAPS, training=True)) for model in (plain, fused)]
    np.testing.assert_allclose(outputs[1], outputs[0], atol=1e-5)
    number = MAPS[..., 0].size
    bessel = np.array([1.0, number / (number - 1)])
    moving = (model.layers[1].weights[2:] for model in (plain, fused))
    for expected, received, factor in zip(*moving, bessel, strict=True):
        start = 0.9 if factor > 1 else 0.0  # the variance begins at 1
        np.testing.assert_allclose(np.asarray(received) - start, (np.asarray(expected) - start) * factor, rtol=1e-4)


def test_gradients_are_those_of_keras() -> None:
    import tensorflow as tf

    plain = network(layers.BatchNormalization())
    gradients = []
    for model in (plain, fuse(plain)):
        with tf.GradientTape() as tape:
            loss = tf.reduce_sum(model(MAPS, training=True) ** 3)
        gradients.append(tape.gradient(loss, model.trainable_variables))
    for expected, received in zip(*gradients, strict=True):
        np.testing.assert_allclose(np.asarray(received), np.asarray(expected), rtol=1e-3, atol=1e-3)


def test_frozen_layer_keeps_its_moving_statistics() -> None:
    fused = fuse(network(layers.BatchNormalization()))
    fused.layers[1].trainable = False
    expected = np.asarray(fused(MAPS))
    np.testing.assert_array_equal(np.asarray(fused(MAPS, training=True)), expected)
    np.testing.assert_array_equal(np.asarray(fused.layers[1].moving_mean), 0)


@pytest.mark.parametrize("name", ["batchnorm_cnn", "resnet", "efficientnetb0", "mobilenetv2"])
def test_fused_network_has_the_same_weights_names_and_outputs(name: str) -> None:
    plain = architectures.build(name, 32, 3, Transfer("none", 32))
    fused = fuse(plain)
    faces = np.random.default_rng(1).random((2, 32, 32, 1), np.float32)
    np.testing.assert_allclose(np.asarray(fused(faces)), np.asarray(plain(faces)), atol=1e-6)
    assert [layer.name for layer in fused.layers] == [layer.name for layer in plain.layers]
    inner = fused.get_layer(BASE) if name in architectures.APPLICATIONS else fused
    maps = [layer for layer in normalisations_of(inner) if len(layer.input.shape) == 4]
    assert maps
    assert all(type(layer) is FusedBatchNormalization for layer in maps)


def test_normalisation_after_a_dense_layer_stays_that_of_keras() -> None:
    fused = fuse(architectures.build("batchnorm_cnn", 32, 3, Transfer("none", 32)))
    assert type(normalisations_of(fused)[-1]) is layers.BatchNormalization


def test_network_is_not_fused_on_another_backend(monkeypatch: pytest.MonkeyPatch) -> None:
    plain = network(layers.BatchNormalization())
    monkeypatch.setattr(keras.backend, "backend", lambda: "jax")
    assert fuse(plain) is plain


def test_statistics_are_float32_under_half_precision() -> None:
    keras.config.set_dtype_policy("mixed_bfloat16")
    try:
        fused = fuse(network(layers.BatchNormalization()))
        outputs: Any = fused(MAPS, training=True)
    finally:
        keras.config.set_dtype_policy("float32")
    assert outputs.dtype == "bfloat16"
    assert {weight.dtype for weight in fused.weights} == {"float32"}


def test_recomputed_statistics_are_the_means_over_the_batches() -> None:
    model = network(layers.BatchNormalization(momentum=0.9))
    batches = [MAPS[:4], MAPS[4:]]
    recompute_statistics(model, batches)
    mean, variance = (np.asarray(weight) for weight in model.layers[1].weights[2:])
    np.testing.assert_allclose(mean, MAPS.mean(axis=(0, 1, 2)), rtol=1e-5)
    np.testing.assert_allclose(variance, np.mean([batch.var(axis=(0, 1, 2)) for batch in batches], axis=0), rtol=1e-4)
    assert model.layers[1].momentum == 0.9


def test_recomputing_includes_nested_networks_and_keeps_the_trained_weights() -> None:
    inner = network(layers.BatchNormalization())
    maps = keras.Input(MAPS.shape[1:])
    outer = keras.Model(maps, layers.BatchNormalization()(inner(maps) * 3))
    before = [np.asarray(weight) for weight in outer.trainable_weights]
    recompute_statistics(outer, [MAPS])
    np.testing.assert_allclose(np.asarray(inner.layers[1].moving_mean), MAPS.mean(axis=(0, 1, 2)), rtol=1e-5)
    np.testing.assert_allclose(np.asarray(outer.layers[-1].moving_variance), 9, rtol=1e-2)
    for weight, value in zip(outer.trainable_weights, before, strict=True):
        np.testing.assert_array_equal(np.asarray(weight), value)


def test_adopted_statistics_are_those_of_the_faces_and_leave_the_outputs_alone() -> None:
    keras.utils.set_random_seed(0)
    model = architectures.build("face_resnet_small", 40, 3, Transfer("none", 64))
    base = model.get_layer(BASE)
    norms = normalisations_of(base)
    generator = np.random.default_rng(0)
    for norm in norms:  # far from the statistics of any faces
        ones = np.ones(norm.gamma.shape, np.float32)
        norm.set_weights([generator.normal(1, 0.2, ones.shape), 0.1 * ones, 0.3 * ones, 2 * ones])
    faces = generator.random((16, 40, 40, 1), np.float32)
    before = np.asarray(model(faces))
    adopt_statistics(model, [faces[:8], faces[8:]])
    np.testing.assert_allclose(np.asarray(model(faces)), before, atol=1e-5)
    scaled = keras.Model(model.input, model.layers[model.layers.index(base) - 1].output)
    for norm in (norms[0], norms[-1]):
        maps = np.asarray(keras.Model(base.input, norm.input)(scaled(faces)))
        np.testing.assert_allclose(norm.moving_mean, maps.mean(axis=(0, 1, 2)), atol=1e-5)
        np.testing.assert_allclose(norm.moving_variance, maps.var(axis=(0, 1, 2)), rtol=1e-3, atol=1e-6)


def test_after_adopting_a_batch_of_all_faces_gives_the_same_in_training() -> None:
    keras.utils.set_random_seed(0)
    model = architectures.build("face_resnet_small", 40, 3, Transfer("none", 64))
    for layer in model.layers:
        if isinstance(layer, layers.Dropout):
            layer.rate = 0.0
    faces = np.random.default_rng(0).random((16, 40, 40, 1), np.float32)
    expected = np.asarray(model(faces))
    adopt_statistics(model, [faces])
    np.testing.assert_allclose(np.asarray(model(faces, training=True)), expected, atol=1e-4)


def test_dropout_is_off_while_statistics_are_recomputed() -> None:
    dropout = layers.Dropout(0.5)
    model = network(dropout, layers.BatchNormalization())
    recompute_statistics(model, [MAPS])
    np.testing.assert_allclose(np.asarray(model.layers[-1].moving_mean), MAPS.mean(axis=(0, 1, 2)), rtol=1e-5)
    assert dropout.rate == 0.5
