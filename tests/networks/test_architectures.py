from __future__ import annotations

import functools
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from unittest.mock import Mock
from urllib.error import URLError

import keras
import numpy as np
import pytest
from keras import layers
from small_networks import one_line

from emotion.errors import ModelError
from emotion.networks.architectures import APPLICATIONS, BASE, BUILDERS, Transfer, build, wrap_for_serving

NAMES = [*BUILDERS, *APPLICATIONS]
FROM_SCRATCH = Transfer("none", 32)


@pytest.fixture(autouse=True)
def _float32_again() -> Iterator[None]:
    yield
    keras.config.set_dtype_policy("float32")


def network(name: str, size: int = 48, precision: str = "float32", classes: int = 7) -> keras.Model:
    return built(name, size, precision, classes)


@functools.cache
def built(name: str, size: int, precision: str, classes: int) -> keras.Model:
    """Build each network only once, because no test changes it."""
    keras.config.set_dtype_policy(precision)
    return build(name, size, classes, Transfer("none", 64) if name.startswith("face_resnet") else FROM_SCRATCH)


def grey_levels(number: int, size: int) -> np.ndarray[Any, np.dtype[np.float32]]:
    return np.random.default_rng(0).random((number, size, size, 1), np.float32)


def outline(model: keras.Model) -> list[tuple[Any, ...]]:
    """Return the type of each layer that computes, with its characteristic number."""
    numbers = {"Conv2D": "filters", "Dense": "units", "Dropout": "rate", "MaxPooling2D": "pool_size"}
    return [
        (kind, getattr(layer, numbers[kind])) if kind in numbers else (kind,)
        for layer in model.layers
        for kind in [type(layer).__name__]
        if kind not in {"InputLayer", "Flatten"}
    ]


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize(("size", "precision"), [(48, "float32"), (40, "mixed_bfloat16")])
def test_network_takes_any_crop_and_gives_float32_logits(name: str, size: int, precision: str) -> None:
    model = network(name, size, precision)
    assert (model.name, model.input_shape, model.output_shape) == (name, (None, size, size, 1), (None, 7))
    assert model.output.dtype == "float32"
    assert {weight.dtype for weight in model.trainable_weights} == {"float32"}
    assert model.layers[-1].get_config()["activation"] == "linear"


@pytest.mark.parametrize("precision", ["mixed_bfloat16", "mixed_float16"])
def test_half_precision_computes_in_half_up_to_float32_logits(precision: str) -> None:
    model = network("three_block_cnn", 24, precision)
    assert model.layers[-2].compute_dtype == precision.removeprefix("mixed_")
    logits = model(grey_levels(2, 24))
    assert logits.dtype == "float32"
    assert np.isfinite(logits).all()


def test_network_has_one_output_per_class() -> None:
    assert network("three_block_cnn", 24, classes=3).output_shape == (None, 3)


def test_three_block_cnn_has_the_documented_layers() -> None:
    model = network("three_block_cnn")
    block = [("MaxPooling2D", (2, 2)), ("Dropout", 0.25)]
    blocks = [step for filters in (32, 64, 128) for step in [("Conv2D", filters), *block]]
    assert outline(model) == [*blocks, ("Dense", 256), ("Dropout", 0.5), ("Dense", 7)]
    convolutions = [layer for layer in model.layers if isinstance(layer, layers.Conv2D)]
    assert {(layer.kernel_size, layer.activation.__name__) for layer in convolutions} == {((3, 3), "relu")}


def test_batchnorm_cnn_has_the_documented_layers() -> None:
    blocks: list[tuple[Any, ...]] = []
    for filters in (32, 64, 128, 256):
        blocks += [("Conv2D", filters), ("BatchNormalization",), ("Activation",)] * 2
        blocks += [("MaxPooling2D", (2, 2)), ("Dropout", 0.25)]
    end = [("Dense", 256), ("BatchNormalization",), ("Dropout", 0.5), ("Dense", 7)]
    assert outline(network("batchnorm_cnn")) == blocks + end


def test_gap_cnn_has_the_documented_layers() -> None:
    block = [("BatchNormalization",), ("Activation",), ("MaxPooling2D", (2, 2))]
    blocks = [step for filters in (256, 128, 128, 64) for step in [("Conv2D", filters), *block]]
    end = [("Dense", 512), ("Dropout", 0.2), ("Dense", 64), ("Dropout", 0.2), ("Dense", 7)]
    assert outline(network("gap_cnn")) == [*blocks, ("GlobalAveragePooling2D",), *end]


def test_resnet_is_residual_and_compact() -> None:
    model = network("resnet")
    assert 700_000 <= model.count_params() <= 1_500_000
    assert [step for step in outline(model) if step[0] == "Add"] == [("Add",)] * 5
    assert [step for step in outline(model) if step[0] in {"Dense", "Dropout"}] == [("Dropout", 0.3), ("Dense", 7)]


@pytest.mark.parametrize("name", ["batchnorm_cnn", "gap_cnn", "resnet"])
def test_normalised_convolutions_have_no_bias_and_are_followed_by_relu(name: str) -> None:
    convolutions = [layer for layer in network(name).layers if isinstance(layer, layers.Conv2D)]
    assert not any(layer.use_bias for layer in convolutions)
    activations = [layer for layer in network(name).layers if isinstance(layer, layers.Activation)]
    assert {layer.activation.__name__ for layer in activations} == {"relu"}


def first_convolution(model: keras.Model) -> keras.Model:
    return keras.Model(model.input, next(layer for layer in model.layers if "conv" in layer.name.lower()).output)


# MobileNetV2 warns if the input has none of the sizes of its pretrained weights.
@pytest.mark.filterwarnings("ignore:`input_shape` is undefined")
@pytest.mark.parametrize("source", ["imagenet", "a file"])
@pytest.mark.parametrize(
    ("name", "module"),
    [
        pytest.param("efficientnetb0", keras.applications.efficientnet, id="efficientnetb0"),
        pytest.param("resnet50", keras.applications.resnet50, id="resnet50", marks=pytest.mark.slow),
        pytest.param("mobilenetv2", keras.applications.mobilenet_v2, id="mobilenetv2", marks=pytest.mark.slow),
        pytest.param("vgg16", keras.applications.vgg16, id="vgg16"),
    ],
)
def test_pretrained_base_gets_the_same_input_as_in_keras(
    name: str, module: Any, source: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    path = tmp_path / "base.weights.h5"
    base = network(name).get_layer(BASE)
    if name == "efficientnetb0":
        # As in the weights from Keras: the means and standard deviations of ImageNet.
        base.get_layer(index=2).set_weights(
            [np.array([0.485, 0.456, 0.406]), np.array([0.229, 0.224, 0.225]), np.array(0)]
        )
    base.save_weights(path)
    monkeypatch.setattr("keras.src.utils.file_utils.get_file", lambda *_, **__: str(path))
    original = getattr(module, APPLICATIONS[name].name)(include_top=False, input_shape=(32, 32, 3))
    faces = grey_levels(2, 32)
    expected = first_convolution(original)(module.preprocess_input(np.repeat(faces * 255, 3, axis=-1)))
    model = build(name, 32, 7, Transfer("imagenet" if source == "imagenet" else str(path), 32))
    scaling = next(layer for layer in model.layers if isinstance(layer, layers.Rescaling))
    scaled = keras.Model(model.input, scaling.output)(faces)
    np.testing.assert_allclose(first_convolution(model.get_layer(BASE))(scaled), expected, rtol=1e-4, atol=1e-3)


@pytest.mark.parametrize("name", ["efficientnetb0", "vgg16", "resnet", "face_resnet_small"])
def test_network_called_without_a_mode_is_not_in_training_mode(name: str) -> None:
    faces = np.random.default_rng(0).random((8, 48, 48, 1), np.float32)
    called, served = network(name)(faces), network(name)(faces, training=False)
    np.testing.assert_allclose(called, served, atol=1e-6)


def test_application_enlarges_faces_to_image_size() -> None:
    model = build("vgg16", 40, 7, Transfer("none", 64))
    assert model.get_layer(BASE).input_shape == (None, 64, 64, 3)


def test_weights_none_loads_no_file(monkeypatch: pytest.MonkeyPatch) -> None:
    vgg16 = Mock(wraps=keras.applications.VGG16)
    monkeypatch.setattr(keras.applications, "VGG16", vgg16)
    build("vgg16", 40, 7, FROM_SCRATCH)
    vgg16.assert_called_once_with(include_top=False, weights=None, input_shape=(32, 32, 3), name=BASE)


def test_failed_download_of_imagenet_names_the_folder_for_weights(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    def unreachable(*_: object) -> None:
        raise URLError("Name or service not known")

    monkeypatch.setattr("keras.src.utils.file_utils.urlretrieve", unreachable)
    monkeypatch.setattr("keras.src.backend.config._KERAS_DIR", str(tmp_path))
    with pytest.raises(ModelError, match=r"cannot load imagenet into VGG16 \(URL fetch failure") as caught:
        build("vgg16", 48, 7, Transfer("imagenet", 96))
    assert one_line(caught.value).endswith(
        "; put a file of Keras (.weights.h5 or .h5) with the weights of VGG16 without its top into data/weights/ "
        "and name it here, or set it to none"
    )


def test_weights_file_of_another_network_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "other.weights.h5"
    network("three_block_cnn").save_weights(path)
    with pytest.raises(ModelError, match=r"cannot load .*other\.weights\.h5 into VGG16 \(A total of") as caught:
        build("vgg16", 40, 7, Transfer(str(path), 32))
    assert len(one_line(caught.value)) < 700


def test_whole_network_in_place_of_its_base_is_refused_without_a_warning(tmp_path: Path) -> None:
    path = tmp_path / "whole.keras"
    network("face_resnet_small").save(path)
    with pytest.raises(ModelError, match=r"cannot load .*whole\.keras into face_resnet_small \(A total of 46 objects"):
        build("face_resnet_small", 40, 7, Transfer(str(path), 64))


def test_file_of_another_format_is_refused_with_those_that_are_read(tmp_path: Path) -> None:
    path = tmp_path / "base.dat"
    path.write_bytes(b"dlib")
    with pytest.raises(ModelError, match=r"File format not supported.*put a file of Keras \(\.weights\.h5 or \.h5\)"):
        build("face_resnet_small", 40, 7, Transfer(str(path), 64))


def test_base_saved_by_keras_as_h5_is_loaded(tmp_path: Path) -> None:
    path = tmp_path / "base.h5"
    base = network("face_resnet_small").get_layer(BASE)
    base.save(path)
    found = build("face_resnet_small", 40, 7, Transfer(str(path), 64)).get_layer(BASE)
    np.testing.assert_array_equal(found.get_weights()[0], base.get_weights()[0])


@pytest.fixture(scope="module")
def raw_faces() -> np.ndarray[Any, np.dtype[np.uint8]]:
    return np.random.default_rng(1).integers(0, 256, (6, 48, 48), np.uint8)


def softmax(logits: Any) -> Any:
    powers = np.exp(logits - np.max(logits, axis=1, keepdims=True))
    return powers / powers.sum(axis=1, keepdims=True)


@pytest.mark.parametrize("size", [48, 40, 24])
def test_served_network_turns_raw_pixels_of_the_centre_into_probabilities(
    size: int, raw_faces: np.ndarray[Any, np.dtype[np.uint8]]
) -> None:
    model = network("three_block_cnn", size)
    served = wrap_for_serving(model, 48, temperature=1.0)
    assert served.input.dtype == "uint8"
    assert (served.input_shape, served.output_shape) == ((None, 48, 48), (None, 7))
    margin = (48 - size) // 2
    centre = raw_faces[:, margin : 48 - margin, margin : 48 - margin, None] / np.float32(255)
    probabilities = np.asarray(served(raw_faces))
    assert probabilities.dtype == np.float32
    np.testing.assert_allclose(probabilities.sum(axis=1), 1, atol=1e-6)
    np.testing.assert_allclose(probabilities, softmax(np.asarray(model(centre))), atol=1e-6)


def test_views_are_mirrored_and_shifted_crops_whose_logits_are_averaged(
    raw_faces: np.ndarray[Any, np.dtype[np.uint8]],
) -> None:
    model = network("three_block_cnn", 40)
    grey = raw_faces[..., None] / np.float32(255)
    crops = [grey[:, down : down + 40, right : right + 40] for down, right in [(4, 4), (2, 2), (2, 6), (6, 2), (6, 6)]]
    logits = [np.asarray(model(view)) for crop in crops for view in (crop, crop[:, :, ::-1])]
    for views in (1, 2, 10):
        found = wrap_for_serving(model, 48, 1.0, views)(raw_faces)
        np.testing.assert_allclose(found, softmax(np.mean(logits[:views], axis=0)), atol=1e-6)


def test_temperature_divides_the_logits(raw_faces: np.ndarray[Any, np.dtype[np.uint8]]) -> None:
    model = network("three_block_cnn", 48)
    logits = np.asarray(model(raw_faces[..., None] / np.float32(255)))
    np.testing.assert_allclose(wrap_for_serving(model, 48, temperature=0.1)(raw_faces), softmax(logits * 10), atol=1e-5)


def test_served_probabilities_are_float32_under_half_precision(
    raw_faces: np.ndarray[Any, np.dtype[np.uint8]],
) -> None:
    served = wrap_for_serving(network("three_block_cnn", 24, "mixed_bfloat16"), 48, temperature=1.5)
    probabilities = np.asarray(served(raw_faces))
    assert probabilities.dtype == np.float32
    np.testing.assert_allclose(probabilities.sum(axis=1), 1, atol=1e-6)
