"""Training from pretrained weights of keras.applications: first the head, then the end of the base."""

from __future__ import annotations

import keras
import numpy as np
import pytest
from small_networks import settings
from small_training import FACES, TRANSFER, Weights, equal, learn

from emotion.errors import ModelError
from emotion.learning import training
from emotion.networks.architectures import BASE

pytestmark = pytest.mark.usefixtures("own_folder")


def by_layer(network: Weights, base: keras.Model) -> dict[str, Weights]:
    """Divide the weights of a network into those of each layer of its base, and those of the head."""
    rest, found = list(network), {}
    for layer in base.layers:
        if layer.weights:
            found[layer.name] = [rest.pop(0) for _ in layer.weights]
    return {**found, "head": rest}


def test_head_is_trained_first_and_then_the_end_of_the_base(pretrained: keras.Model, validated: list[Weights]) -> None:
    _, history = learn(**TRANSFER)
    assert [row["learning_rate"] for row in history] == [0.001, 0.001, 0.0002]
    before = by_layer([*pretrained.get_weights(), np.zeros(0)], pretrained)
    first, second, third = (by_layer(weights, pretrained) for weights in validated)
    for name in ("first", "normalisation", "middle", "last"):
        assert equal(first[name], before[name])
        assert equal(second[name], before[name])
        assert equal(third[name], before[name]) == (name != "last")
    assert not equal(first["head"], second["head"])
    assert not equal(second["head"], third["head"])


def test_unfreezing_zero_layers_trains_the_whole_base(pretrained: keras.Model, validated: list[Weights]) -> None:
    transfer = {**TRANSFER["transfer"], "freeze_epochs": 0, "unfreeze_layers": 0}
    learn(**{**TRANSFER, "epochs": 1, "transfer": transfer})
    before, after = (by_layer(weights, pretrained) for weights in ([*pretrained.get_weights()], validated[0]))
    assert not any(equal(after[name], before[name]) for name in before if name != "head")


def test_network_without_pretrained_weights_is_trained_as_a_whole(
    pretrained: keras.Model, validated: list[Weights]
) -> None:
    without = {**TRANSFER["transfer"], "weights": "none"}
    _, history = learn(**{**TRANSFER, "epochs": 1, "transfer": without})
    assert history[0]["learning_rate"] == 0.001
    keras.utils.set_random_seed(0)
    untrained = training.build(settings(**{**TRANSFER, "transfer": without}), FACES)
    before, after = (by_layer(weights, pretrained) for weights in (untrained.get_weights(), validated[0]))
    assert not any(equal(after[name], before[name]) for name in before)


def test_pretrained_weights_are_read_from_data_weights(pretrained: keras.Model) -> None:
    network = training.build(settings(architecture="mobilenetv2", transfer={"weights": "small.weights.h5"}), FACES)
    assert equal(network.get_layer(BASE).get_weights(), pretrained.get_weights())


def test_missing_file_of_pretrained_weights_is_refused() -> None:
    with pytest.raises(
        ModelError, match=r"no file data/weights/none\.h5; put it there, or choose faces, imagenet or none"
    ):
        training.build(settings(architecture="vgg16", transfer={"weights": "none.h5"}), FACES)
