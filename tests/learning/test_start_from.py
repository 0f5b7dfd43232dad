"""Fine-tuning: training starts from a network of this project in data/weights/."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import keras
import pytest
from small_networks import CLASSES, facts_of, one_line, settings
from small_training import FACES, Compiled, equal, small_base

from emotion import export
from emotion.errors import ModelError
from emotion.labels import NAMES
from emotion.learning import training
from emotion.networks import architectures, keras_file

pytestmark = pytest.mark.usefixtures("own_folder")


def put(name: str, classes: tuple[str, ...] = CLASSES, **changes: Any) -> keras.Model:
    """Write a network with its own random weights into data/weights/ as a file of this project, and return it."""
    changed = settings(**changes)
    keras.utils.set_random_seed(9)
    network = training.build(changed, replace(FACES, classes=classes))
    served, path = architectures.wrap_for_serving(network, 48, temperature=1.0), training.WEIGHTS / name
    if path.suffix == ".h5":
        export.FORMATS["h5"][0](served, facts_of(changed, classes), path)
    else:
        keras_file.save(served, facts_of(changed, classes), path)
    return network


def started(**changes: Any) -> keras.Model:
    """Return the network as it is before the first step."""
    keras.utils.set_random_seed(0)
    changed = settings(**changes)
    keras.config.set_dtype_policy(changed.precision)
    network = training.build(changed, FACES)
    training.load_start_weights(network, changed, FACES.classes)
    return network


@pytest.mark.parametrize("name", ["mine.keras", "mine.h5"])
@pytest.mark.parametrize("precision", ["float32", "mixed_bfloat16"])
def test_all_weights_are_loaded(name: str, precision: str) -> None:
    mine = put(name)
    assert equal(started(start_from=name, precision=precision).get_weights(), mine.get_weights())


@pytest.mark.parametrize("name", ["mine.keras", "mine.h5"])
@pytest.mark.parametrize("classes", [NAMES, CLASSES[::-1]], ids=["more", "another order"])
def test_last_layer_is_new_if_the_classes_differ(name: str, classes: tuple[str, ...]) -> None:
    mine = put(name, classes).get_weights()
    fresh, loaded = started().get_weights(), started(start_from=name).get_weights()
    assert equal(loaded[:-2], mine[:-2])
    assert equal(loaded[-2:], fresh[-2:])


def test_network_with_global_pooling_takes_weights_of_another_crop() -> None:
    mine = put("mine.keras", architecture="resnet", augmentation={"crop": 40})
    loaded = started(architecture="resnet", augmentation={"crop": 48}, start_from="mine.keras")
    assert equal(loaded.get_weights(), mine.get_weights())


def test_no_pretrained_weights_are_fetched(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(keras.applications, "MobileNetV2", small_base)
    put("mine.keras", architecture="mobilenetv2")
    started(architecture="mobilenetv2", start_from="mine.keras", transfer={"weights": "imagenet"})


@pytest.mark.usefixtures("pretrained")
def test_all_weights_of_a_network_with_a_base_are_loaded() -> None:
    mine = put("mine.keras", architecture="mobilenetv2")
    assert equal(started(architecture="mobilenetv2", start_from="mine.keras").get_weights(), mine.get_weights())


def test_training_starts_with_the_weights_of_the_file(compiled: Callable[..., Compiled]) -> None:
    mine = put("mine.keras").get_weights()
    assert equal(compiled(start_from="mine.keras").model.layers[-1].get_weights(), mine)


@pytest.mark.parametrize(
    "other", [{"architecture": "gap_cnn"}, {"architecture": "resnet"}, {"augmentation": {"crop": 40}}], ids=str
)
def test_network_of_another_architecture_or_size_is_refused(other: dict[str, Any]) -> None:
    put("mine.keras", **other)
    with pytest.raises(ModelError, match="which does not fit three_block_cnn with crop 24; set") as caught:
        started(start_from="mine.keras")
    line = one_line(caught.value)
    crop = other.get("augmentation", {"crop": 24})["crop"]
    assert f"mine.keras holds {other.get('architecture', 'three_block_cnn')} with crop {crop}," in line
    assert "train.augmentation.crop" in line


def test_network_whose_weights_have_the_same_shapes_by_chance_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(architectures.BUILDERS, "gap_cnn", architectures.three_block_cnn)
    put("mine.keras", architecture="gap_cnn")
    with pytest.raises(ModelError, match="holds gap_cnn with crop 24, which does not fit three_block_cnn"):
        started(start_from="mine.keras")


def test_missing_file_and_file_without_metadata_are_refused() -> None:
    with pytest.raises(ModelError, match=r"none\.keras cannot be read .*No such file.*; put a .* into data/weights/"):
        started(start_from="none.keras")
    training.build(settings(), FACES).save(training.WEIGHTS / "foreign.keras")
    with pytest.raises(ModelError, match=r"foreign\.keras cannot be read .*\(it has no metadata\); put a"):
        started(start_from="foreign.keras")
