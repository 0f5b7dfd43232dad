"""The network architectures, from grey levels in 0-1 to logits, and the wrapper with which users call a network.

Knows nothing of training, data files and exports; uses no function of a single backend.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

import keras
import numpy as np
from keras import layers

from emotion.errors import ModelError
from emotion.networks import face_resnet
from emotion.networks.face_resnet import MOMENTUM
from emotion.networks.keras_file import shorten

Tensor = Any
"""A symbolic Keras tensor; Keras publishes no type for it."""


@dataclass(frozen=True)
class Transfer:
    """Settings of the networks with a pretrained base.

    Attributes:
        weights: `imagenet`, `faces`, `none`, or the path of a weights file.
        image_size: edge in pixels; faces are enlarged to it.
    """

    weights: str
    image_size: int


def build(name: str, image_size: int, classes: int, transfer: Transfer) -> keras.Model:
    """Build a network for training, without augmentation.

    Args:
        name: a key of `BUILDERS` or `APPLICATIONS`.
        image_size: edge of the square input in pixels.
        classes: number of outputs.
        transfer: used only by the keys of `APPLICATIONS`.

    Returns:
        A model from float (n, image_size, image_size, 1), grey levels 0-1, to float32 logits (n, classes).

    Raises:
        ModelError: the pretrained weights cannot be loaded.
    """
    faces = keras.Input((image_size, image_size, 1), name="grey")
    features = BUILDERS[name](faces) if name in BUILDERS else _application(name, faces, transfer)
    # Logits are float32 under every precision: a softmax in half precision makes the loss too coarse.
    logits = layers.Dense(classes, dtype="float32", name="logits")(features)
    return keras.Model(faces, logits, name=name)


def three_block_cnn(x: Tensor) -> Tensor:
    """Build [Conv-ReLU-MaxPool-Dropout] x3, then a dense layer: the usual network of tutorials."""
    for filters in (32, 64, 128):
        x = layers.Conv2D(filters, 3, padding="same", activation="relu")(x)
        x = layers.MaxPooling2D(2)(x)
        x = layers.Dropout(0.25)(x)
    x = layers.Flatten()(x)
    x = layers.Dense(256, activation="relu")(x)
    return layers.Dropout(0.5)(x)


def batchnorm_cnn(x: Tensor) -> Tensor:
    """Build [(Conv-BatchNorm-ReLU) x2-MaxPool-Dropout] x4, then a dense layer with batch normalisation."""
    for filters in (32, 64, 128, 256):
        x = _convolve(_convolve(x, filters), filters)
        x = layers.MaxPooling2D(2)(x)
        x = layers.Dropout(0.25)(x)
    x = layers.Flatten()(x)
    x = layers.Dense(256, activation="relu")(x)
    x = layers.BatchNormalization(momentum=MOMENTUM)(x)
    return layers.Dropout(0.5)(x)


def gap_cnn(x: Tensor) -> Tensor:
    """Build [Conv-BatchNorm-MaxPool] x4 with 256 to 64 filters, then global average pooling and two dense layers."""
    for filters in (256, 128, 128, 64):
        x = layers.MaxPooling2D(2)(_convolve(x, filters))
    x = layers.GlobalAveragePooling2D()(x)
    for units in (512, 64):
        x = layers.Dense(units, activation="relu")(x)
        x = layers.Dropout(0.2)(x)
    return x


def resnet(x: Tensor) -> Tensor:
    """Build a compact residual network (He et al. 2016, arXiv:1512.03385) that halves the resolution early.

    A plain network spends most of its time in the first layers, at full resolution. Here, the residual blocks start at
    half resolution, after two small convolutions.
    """
    x = _convolve(x, 16)
    x = _convolve(x, 64, strides=2)
    for filters, strides in ((64, 1), (64, 1), (128, 2), (128, 1), (192, 2)):
        x = _residual_block(x, filters, strides)
    x = layers.GlobalAveragePooling2D()(x)
    return layers.Dropout(0.3)(x)


def _convolve(x: Tensor, filters: int, size: int = 3, strides: int = 1, activation: str | None = "relu") -> Tensor:
    x = layers.Conv2D(filters, size, strides=strides, padding="same", use_bias=False, kernel_initializer="he_normal")(x)
    x = layers.BatchNormalization(momentum=MOMENTUM)(x)
    return layers.Activation(activation)(x) if activation else x


def _residual_block(x: Tensor, filters: int, strides: int) -> Tensor:
    shortcut = x
    if strides != 1 or x.shape[-1] != filters:
        # Average before the 1x1 convolution: a stride would skip three quarters of the map (ResNet-D, He et al. 2019,
        # arXiv:1812.01187).
        if strides != 1:
            shortcut = layers.AveragePooling2D(strides, padding="same")(shortcut)
        shortcut = _convolve(shortcut, filters, size=1, activation=None)
    x = _convolve(x, filters, strides=strides)
    x = _convolve(x, filters, activation=None)
    return layers.Activation("relu")(layers.Add()([x, shortcut]))


def _application(name: str, x: Tensor, transfer: Transfer) -> Tensor:
    """Enlarge the faces, repeat grey in three channels and scale to the range on which the network was pretrained."""
    application = APPLICATIONS[name]
    # Without `training=False`, this layer assumes training, and all later layers of an exported graph follow it.
    x = layers.Resizing(transfer.image_size, transfer.image_size)(x, training=False)
    x = layers.Concatenate()([x, x, x])
    x = layers.Rescaling(application.scale, offset=application.offset)(x)
    x = _pretrained(application.name, transfer)(x)
    return layers.Dropout(0.2)(layers.GlobalAveragePooling2D()(x))


def _pretrained(name: str, transfer: Transfer) -> keras.Model:
    """Build the base without weights, then load them: Keras builds another EfficientNet when it fetches the weights."""
    shape = (transfer.image_size, transfer.image_size, 3)
    base = _build_base(name, shape, weights=None, name=BASE)
    try:
        if transfer.weights == "faces":
            face_resnet.load_weights(base, face_resnet.find_weights())
        elif transfer.weights == "imagenet":
            set_weights(base, _build_base(name, shape, weights="imagenet").get_weights())
        elif transfer.weights != "none":
            _load_file(base, transfer.weights)
    except Exception as error:  # Keras raises nothing narrower when a download fails
        why = str(error) if isinstance(error, ModelError) else shorten(error)
        raise ModelError(
            f"train.transfer.weights: cannot load {transfer.weights} into {name} ({why}); "
            f"{_advise_weights(name, transfer.weights)} or set it to none"
        ) from error
    return base


def _load_file(base: keras.Model, path: str) -> None:
    with warnings.catch_warnings():
        # Keras warns of each layer that a file of another network lacks, before it raises an error.
        warnings.filterwarnings("ignore", "Skipping nested container", UserWarning)
        base.load_weights(path)


def _advise_weights(name: str, weights: str) -> str:
    if weights == "faces":
        return "install the package"
    return (
        f"put a file of Keras (.weights.h5 or .h5) with the weights of {name} without its top into data/weights/ "
        "and name it here,"
    )


def _build_base(architecture: str, shape: tuple[int, int, int], **options: Any) -> keras.Model:
    if architecture in face_resnet.STAGES:
        return face_resnet.build(face_resnet.STAGES[architecture], shape, BASE)
    return getattr(keras.applications, architecture)(include_top=False, input_shape=shape, **options)


def set_weights(network: keras.Model, weights: list[Any]) -> None:
    """Set all weights, and update the constants that input normalisation derives from its weights."""
    network.set_weights(weights)
    inner = [layer for part in network.layers if isinstance(part, keras.Model) for layer in part.layers]
    for layer in [*network.layers, *inner]:
        if isinstance(layer, layers.Normalization):
            layer.finalize_state()


BUILDERS: Final[dict[str, Callable[[Tensor], Tensor]]] = {
    "three_block_cnn": three_block_cnn,
    "batchnorm_cnn": batchnorm_cnn,
    "gap_cnn": gap_cnn,
    "resnet": resnet,
}
"""The project's own networks: each function maps grey levels to features of shape (n, features)."""


@dataclass(frozen=True)
class Application:
    """A base, of keras.applications or `face_resnet`, and its input range: grey level (0-1) * scale + offset."""

    name: str
    scale: float | list[float]
    offset: float | list[float]


# EfficientNet in Keras subtracts the means of ImageNet but divides by the square root of the standard deviations. Its
# weights need a division by the deviations themselves, so the rest is done here (red, green, blue; fractions of 255).
_MEANS: Final = (0.485, 0.456, 0.406)
_DEVIATIONS: Final = (0.229, 0.224, 0.225)
_EFFICIENTNET: Final = Application(
    "EfficientNetB0",
    scale=[255 / deviation**0.5 for deviation in _DEVIATIONS],
    offset=[255 * mean * (1 - 1 / deviation**0.5) for mean, deviation in zip(_MEANS, _DEVIATIONS, strict=True)],
)

# The means of ImageNet as ResNet50 and VGG16 subtract them: blue, green, red. The channels of a grey face are equal.
_IMAGENET_MEANS: Final = [-103.939, -116.779, -123.68]

APPLICATIONS: Final = {
    "efficientnetb0": _EFFICIENTNET,
    "resnet50": Application("ResNet50", 255.0, _IMAGENET_MEANS),
    "mobilenetv2": Application("MobileNetV2", 2.0, -1.0),
    "vgg16": Application("VGG16", 255.0, _IMAGENET_MEANS),
    **{name: Application(name, 255 / 256, [-mean / 256 for mean in face_resnet.MEANS]) for name in face_resnet.STAGES},
}
"""The networks with a base for which pretrained weights exist."""

BASE: Final = "base"
"""Name of the pretrained part inside the networks of `APPLICATIONS`."""


SHIFTS: Final = {2: ((0, 0),), 10: ((0, 0), (-2, -2), (-2, 2), (2, -2), (2, 2))}
"""How far crops lie from the centre, in rows and columns, by the number of views: a crop and its mirror image each."""


def wrap_for_serving(network: keras.Model, face_size: int, temperature: float, views: int = 1) -> keras.Model:
    """Wrap a network for users: raw pixels in, calibrated probabilities out.

    Args:
        network: as from `build`; if its input is smaller than a face, it gets the centre of the face.
        face_size: edge of a face in pixels.
        temperature: divisor of the logits (Guo et al. 2017, arXiv:1706.04599).
        views: how many views of a face the network sees, 1 or a key of `SHIFTS`. Their logits are averaged.

    Returns:
        A model from uint8 (n, face_size, face_size) to float32 (n, classes) whose rows sum to 1.
    """
    faces = keras.Input((face_size, face_size), name="faces", dtype="uint8")
    x = _see_centre(network, faces) if views == 1 else _average_views(network, faces, SHIFTS[views])
    x = layers.Rescaling(1 / temperature, dtype="float32", name="temperature")(x)
    return keras.Model(faces, layers.Softmax(dtype="float32", name="probabilities")(x), name="emotion")


def _see_centre(network: keras.Model, faces: Tensor) -> Tensor:
    """Return the logits of the centre crops."""
    size = faces.shape[1]
    x = layers.Reshape((size, size, 1), dtype="uint8")(faces)
    x = layers.Cropping2D((size - network.input_shape[1]) // 2, dtype="uint8", name="centre")(x)
    return network(layers.Rescaling(1 / 255, dtype="float32", name="grey_levels")(x))


def _average_views(network: keras.Model, faces: Tensor, shifts: tuple[tuple[int, int], ...]) -> Tensor:
    """Return the mean logits of crops at these distances from the centre and of their mirror images."""
    size = faces.shape[1]
    margin = (size - network.input_shape[1]) // 2
    grey = layers.Rescaling(1 / 255, dtype="float32", name="grey_levels")(faces)
    # A layer rather than an operation: the h5 format knows only layers.
    mirror = layers.Dense(size, use_bias=False, trainable=False, dtype="float32", name="mirror")
    both = [layers.Reshape((size, size, 1), dtype="float32")(each) for each in (grey, mirror(grey))]
    mirror.set_weights([np.eye(size)[::-1]])
    crops = [
        layers.Cropping2D(((margin + down, margin - down), (margin + right, margin - right)), dtype="float32")(each)
        for down, right in shifts
        for each in both
    ]
    return layers.Average(dtype="float32")([network(crop) for crop in crops])
