"""dlib's network in Keras: its size, its weights and, in the slow test, the embeddings of dlib itself."""

from __future__ import annotations

from importlib import metadata
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image
from small_dlib import STAGES as SMALL
from small_dlib import small_network, written
from small_networks import drawn, one_line

from emotion.errors import ModelError
from emotion.networks import architectures, dlib_file, face_resnet
from emotion.networks.architectures import BASE, Transfer
from emotion.networks.dlib_file import Convolution
from emotion.params import FACE_RESNET_EDGE

EDGE = 63
FACES = drawn(per_class=2).pixels


def enlarged(edge: int) -> NDArray[np.uint8]:
    """Return faces in colour, as dlib takes them."""
    pictures = [Image.fromarray(face).convert("RGB").resize((edge, edge), Image.Resampling.BILINEAR) for face in FACES]
    return np.stack([np.asarray(picture) for picture in pictures])


def pixels(edge: int) -> NDArray[np.float32]:
    """Return faces as dlib's network takes them."""
    return np.asarray((enlarged(edge) - np.array(face_resnet.MEANS)) / 256, np.float32)


def network(edge: int = EDGE, stages: Any = SMALL["face_resnet"]) -> keras.Model:
    return face_resnet.build(stages, (edge, edge, 3), BASE)


@pytest.mark.parametrize(("name", "parameters"), [("face_resnet", 4_403_680), ("face_resnet_small", 2_040_288)])
def test_two_sizes_have_the_documented_number_of_parameters_and_end_with_2x2_pixels(name: str, parameters: int) -> None:
    base = network(96, face_resnet.STAGES[name])
    assert base.count_params() == parameters
    assert base.output_shape == (None, 2, 2, 256)


def test_smallest_faces_of_the_settings_pass_and_smaller_ones_do_not() -> None:
    assert network(FACE_RESNET_EDGE, face_resnet.STAGES["face_resnet"]).output_shape == (None, 1, 1, 256)
    with pytest.raises(ValueError, match="zero or negative"):
        network(FACE_RESNET_EDGE - 1, face_resnet.STAGES["face_resnet"])


def convolve(maps: NDArray[Any], layer: Convolution) -> NDArray[Any]:
    """Compute a convolution and its affine layer with NumPy, padded as in dlib."""
    size, stride = len(layer.kernel), layer.stride
    if stride == 1:
        maps = np.pad(maps, ((0, 0), (size // 2,) * 2, (size // 2,) * 2, (0, 0)))
    windows = np.lib.stride_tricks.sliding_window_view(maps, (size, size), axis=(1, 2))[:, ::stride, ::stride]
    return np.asarray(np.einsum("nrcixy,xyio->nrco", windows, layer.kernel) * layer.scale + layer.offset)


def relu(maps: NDArray[Any]) -> NDArray[Any]:
    return np.asarray(np.maximum(maps, 0))


@pytest.mark.parametrize("edge", [EDGE, 59], ids=["block padded", "block not padded"])
def test_network_computes_the_layers_of_dlib_with_the_weights_of_a_file(edge: int, dlib_weights: Path) -> None:
    base = network(edge)
    face_resnet.load_weights(base, dlib_weights)
    first, second, third, down, last = small_network()
    x = relu(convolve(pixels(edge), first))
    x = np.lib.stride_tricks.sliding_window_view(x, (3, 3), axis=(1, 2))[:, ::2, ::2].max(axis=(-2, -1))
    x = relu(convolve(relu(convolve(x, second)), third) + x)
    half = x.shape[1] // 2
    shortcut = x[:, : 2 * half, : 2 * half].reshape(len(x), half, 2, half, 2, 32).mean(axis=(2, 4))
    x = convolve(relu(convolve(x, down)), last)
    assert (half - x.shape[1]) == (edge == EDGE)
    # dlib fills the smaller of two summands with zeros, in both directions and in the channels.
    shortcut = np.pad(shortcut, ((0, 0), (0, 0), (0, 0), (0, 32)))
    x = np.pad(x, ((0, 0), (0, half - x.shape[1]), (0, half - x.shape[2]), (0, 0)))
    np.testing.assert_allclose(np.asarray(base(pixels(edge))), relu(x + shortcut), atol=1e-3, rtol=1e-4)


def test_kernels_get_the_size_of_new_ones(dlib_weights: Path) -> None:
    base = network()
    new = [layer.kernel.numpy().std() for layer in base.layers if hasattr(layer, "kernel")]
    face_resnet.load_weights(base, dlib_weights)
    loaded = [layer.kernel.numpy().std() for layer in base.layers if hasattr(layer, "kernel")]
    np.testing.assert_allclose(loaded, new, rtol=0.15)


def test_file_with_fewer_convolutions_than_the_network_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "short.dat"
    path.write_bytes(written(small_network()[:3]))
    with pytest.raises(ModelError, match=r"short\.dat holds 3 convolutions, but base has 5") as caught:
        face_resnet.load_weights(network(), path)
    one_line(caught.value)


def test_network_of_the_settings_starts_from_the_published_file(dlib_weights: Path) -> None:
    model = architectures.build("face_resnet", 40, 3, Transfer("faces", EDGE))
    expected = network()
    face_resnet.load_weights(expected, dlib_weights)
    base = model.get_layer(BASE)
    for found, wanted in zip(base.get_weights(), expected.get_weights(), strict=True):
        np.testing.assert_array_equal(found, wanted)


def test_base_gets_the_input_of_dlib(dlib_weights: Path) -> None:  # noqa: ARG001
    model = architectures.build("face_resnet", 48, 3, Transfer("faces", 48 + 15))
    scaled = keras.Model(model.input, model.layers[model.layers.index(model.get_layer(BASE)) - 1].output)
    plain = np.full((1, 48, 48, 1), 200 / 255, np.float32)
    expected = (200 - np.array(face_resnet.MEANS)) / 256
    np.testing.assert_allclose(np.asarray(scaled(plain))[0, 5, 5], expected, atol=1e-5)


def test_missing_package_is_named_with_the_command_that_installs_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(face_resnet, "PACKAGE", "no_such_package")
    with pytest.raises(
        ModelError, match=r"cannot load faces into face_resnet \(the package no_such_package is not"
    ) as c:
        architectures.build("face_resnet", 40, 3, Transfer("faces", EDGE))
    assert one_line(c.value).endswith("run: pip install no_such_package==0.3.0); install the package or set it to none")


def test_file_of_another_version_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    class Other:
        def locate_file(self, name: str) -> Path:
            return tmp_path / Path(name).name

    monkeypatch.setattr(metadata, "distribution", lambda _: Other())
    (tmp_path / Path(face_resnet.FILE).name).write_bytes(b"another version")
    with pytest.raises(ModelError, match=r"v1\.dat is not the file of face_recognition_models 0\.3\.0") as caught:
        face_resnet.find_weights()
    assert one_line(caught.value).endswith(
        "; run: pip install --force-reinstall --no-deps face_recognition_models==0.3.0"
    )


@pytest.mark.slow
def test_network_with_its_last_stage_gives_the_embeddings_of_dlib() -> None:
    dlib = pytest.importorskip("dlib", reason="dlib is not installed; run: pip install dlib-bin", exc_type=ImportError)
    try:
        path = face_resnet.find_weights()
    except ModelError as error:
        pytest.skip(str(error))
    whole = network(150, (*face_resnet.STAGES["face_resnet"], (256, 1)))
    face_resnet.load_weights(whole, path)
    reader = dlib_file.Reader(path.read_bytes())
    assert reader.find("fc_2")
    assert (reader.integer(), reader.integer()) == (128, 256)
    projection = reader.tensor()[:, :, 0, 0]
    found = np.asarray(whole(pixels(150))).mean(axis=(1, 2)) @ projection
    model = dlib.face_recognition_model_v1(str(path))
    expected = np.array([model.compute_face_descriptor(chip) for chip in enlarged(150)])
    np.testing.assert_allclose(found, expected, atol=1e-5)
