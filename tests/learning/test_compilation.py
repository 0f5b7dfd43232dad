"""What is compiled and passed to `fit`: optimizer, schedule, loss, class weights and validation faces."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import keras
import numpy as np
import pytest
from sklearn.utils.class_weight import compute_class_weight
from small_networks import one_line, settings
from small_training import FACES, OTHERS, Compiled

from emotion.dataset import Dataset, no_votes
from emotion.errors import DataError
from emotion.labels import NAMES
from emotion.learning import training
from emotion.learning.callbacks import Recorder
from emotion.networks import architectures
from emotion.votes import CHOICES

pytestmark = pytest.mark.usefixtures("own_folder")


@pytest.mark.parametrize(("name", "kind"), [("adam", "Adam"), ("adamw", "AdamW"), ("sgd", "SGD")])
def test_optimizer_is_the_one_of_the_settings(compiled: Callable[..., Compiled], name: str, kind: str) -> None:
    optimizer = compiled(optimizer=name, learning_rate=0.25, weight_decay=0.125).model.optimizer
    assert type(optimizer).__name__ == kind
    assert float(optimizer.learning_rate) == 0.25
    assert optimizer.weight_decay == 0.125
    if name == "sgd":
        assert (optimizer.momentum, optimizer.nesterov) == (0.9, True)


@pytest.mark.parametrize("precision", ["float32", "mixed_bfloat16", "mixed_float16"])
def test_network_computes_in_the_precision_of_the_settings(compiled: Callable[..., Compiled], precision: str) -> None:
    network = compiled(precision=precision).model.layers[-1]
    assert network.layers[1].compute_dtype == precision.removeprefix("mixed_")


def test_weight_decay_leaves_out_biases_and_batch_normalisation(compiled: Callable[..., Compiled]) -> None:
    model = compiled(architecture="batchnorm_cnn", weight_decay=0.1).model
    decays = {variable.name: model.optimizer._use_weight_decay(variable) for variable in model.trainable_variables}
    assert decays == {"kernel": True, "bias": False, "gamma": False, "beta": False}


@pytest.mark.parametrize("name", ["adam", "adamw", "sgd"])
def test_zero_turns_weight_decay_and_averaging_off(compiled: Callable[..., Compiled], name: str) -> None:
    run = compiled(optimizer=name)
    assert not run.model.optimizer.weight_decay
    assert not run.model.optimizer.use_ema
    assert [type(callback) for callback in run.options["callbacks"]] == [Recorder]


def test_average_of_a_short_run_forgets_the_initial_weights(compiled: Callable[..., Compiled]) -> None:
    momenta = [compiled(ema=0.9, epochs=epochs).model.optimizer.ema_momentum for epochs in (5, 20, 1000)]
    assert momenta == [0, 0.5, 0.9]


def test_cosine_rises_during_the_warmup_and_falls_to_zero(compiled: Callable[..., Compiled]) -> None:
    rate = compiled(schedule="cosine", warmup_epochs=2.0, epochs=10).model.optimizer._learning_rate
    rates = [float(rate(step)) for step in range(21)]
    np.testing.assert_allclose(rates[:5], [0, 0.00025, 0.0005, 0.00075, 0.001], atol=1e-9)
    expected = [0.0005 * (1 + np.cos(np.pi * step / 16)) for step in range(17)]
    np.testing.assert_allclose(rates[4:], expected, atol=1e-9)


def test_warmup_of_a_short_run_takes_half_of_it(compiled: Callable[..., Compiled]) -> None:
    rate = compiled(schedule="cosine", warmup_epochs=1.0, epochs=1).model.optimizer._learning_rate
    assert float(rate(1)) == pytest.approx(0.001)  # two steps
    assert float(rate(2)) == pytest.approx(0, abs=1e-9)


def test_cosine_without_warmup_starts_at_the_peak(compiled: Callable[..., Compiled]) -> None:
    rate = compiled(schedule="cosine", epochs=10).model.optimizer._learning_rate
    assert [float(rate(step)) for step in (0, 10, 20)] == pytest.approx([0.001, 0.0005, 0], abs=1e-9)


def test_label_smoothing_spreads_its_share_over_all_classes(compiled: Callable[..., Compiled]) -> None:
    truth, logits = np.eye(3, dtype=np.float32)[:1], np.array([[2.0, 0.0, -1.0]], np.float32)
    log_probabilities = np.log(np.exp(logits) / np.exp(logits).sum())[0]
    plain, smoothed = (compiled(label_smoothing=share).model.loss for share in (0.0, 0.3))
    assert float(plain(truth, logits)) == pytest.approx(-log_probabilities[0], rel=1e-5)
    assert float(smoothed(truth, logits)) == pytest.approx(-(log_probabilities * [0.8, 0.1, 0.1]).sum(), rel=1e-5)
    sparse = compiled(loss="sparse_categorical_crossentropy").model.loss
    assert float(sparse(np.array([0], np.int8), logits)) == pytest.approx(-log_probabilities[0], rel=1e-5)


def test_focal_loss_gives_less_weight_to_easy_faces(compiled: Callable[..., Compiled]) -> None:
    loss = compiled(loss="focal").model.loss
    truth, logits = np.eye(3, dtype=np.float32)[:1], np.array([[2.0, 0.0, -1.0]], np.float32)
    probability = float((np.exp(logits) / np.exp(logits).sum())[0, 0])
    assert float(loss(truth, logits)) == pytest.approx(-((1 - probability) ** 2) * np.log(probability), rel=1e-5)


@pytest.mark.parametrize("kind", ["none", "balanced"])
def test_class_weights_reach_the_loss(compiled: Callable[..., Compiled], kind: str) -> None:
    expected = training.class_weights(settings(class_weights=kind), FACES)
    assert compiled(class_weights=kind).options["class_weight"] == expected
    assert (expected is None) == (kind == "none")


def labelled(counts: list[int]) -> Dataset:
    """Return faces of one pixel, so many of each class."""
    labels = np.repeat(np.arange(7, dtype=np.int8), counts)
    return Dataset(
        np.zeros((len(labels), 1, 1), np.uint8), labels, NAMES, labels.astype(str), labels < 0, no_votes(len(labels))
    )


def test_balanced_class_weights_are_the_faces_over_classes_times_faces_of_the_class() -> None:
    counts = [3995, 436, 4097, 7215, 4965, 4830, 3171]  # the training faces of FER-2013
    data = labelled(counts)
    found = training.class_weights(settings(class_weights="balanced"), data)
    assert found == {index: 28709 / (7 * count) for index, count in enumerate(counts)}
    assert list(found.values()) == compute_class_weight("balanced", classes=np.arange(7), y=data.labels).tolist()
    assert {type(value) for pair in found.items() for value in pair} == {int, float}


def test_balanced_class_weights_of_a_class_without_faces_are_refused() -> None:
    data = labelled([3, 0, 2, 2, 0, 1, 1])
    with pytest.raises(DataError, match="there are none of disgust, neutral; add faces or set it to none") as caught:
        training.class_weights(settings(class_weights="balanced"), data)
    assert one_line(caught.value).startswith("train.class_weights: ")
    assert training.class_weights(settings(class_weights="none"), data) is None


def test_balanced_class_weights_of_a_class_that_votes_overrule_are_refused() -> None:
    data = labelled([1] * 7)
    votes = np.zeros((7, len(CHOICES)), np.uint8)
    votes[0, CHOICES.index("sad")] = 10
    overruled = replace(data, votes=votes)
    with pytest.raises(DataError) as caught:
        training.class_weights(settings(class_weights="balanced", votes=1.0), overruled)
    assert str(caught.value) == (
        "train.class_weights: balanced weights need training faces of every class, and there are none of angry; "
        "with train.votes 1, each face counts for the class with the largest share of its target: "
        "set train.class_weights to none or lower train.votes"
    )
    assert training.class_weights(settings(class_weights="balanced", votes=0.4), overruled) is not None


def test_validation_faces_are_neither_augmented_nor_shuffled(compiled: Callable[..., Compiled]) -> None:
    run = compiled(augmentation={"flip": 1.0, "brightness": 0.5, "erasing": 1.0})
    source = run.options["validation_data"]
    pixels, targets = map(np.concatenate, zip(*map(source.__getitem__, range(len(source))), strict=True))
    np.testing.assert_array_equal(pixels, OTHERS.pixels)
    np.testing.assert_array_equal(targets.argmax(axis=1), OTHERS.labels)
    network = run.model.layers[-1]
    served = architectures.wrap_for_serving(network, 48, temperature=1.0)
    probabilities = keras.ops.softmax(run.model(pixels, training=False))
    np.testing.assert_allclose(probabilities, served(pixels), atol=1e-6)
