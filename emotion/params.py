"""The settings in `params.yaml`, with their types and limits. Every stage checks all of them before it starts.

There are no defaults here: every value is in the file, so that DVC sees it.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, Final, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from emotion.errors import ParameterError
from emotion.params_faults import describe

PATH: Final = Path("params.yaml")

# The upper limits are far above any useful value. They catch a typing error before it uses up the machine's memory.
Faces = Annotated[int, Field(ge=1, le=10_000)]
BatchSize = Annotated[int, Field(ge=1, le=16_384)]
ClassName = Literal["angry", "disgust", "fear", "happy", "neutral", "sad", "surprise", "contempt"]
Seed = Annotated[int, Field(ge=0, le=2**31 - 1)]
Share = Annotated[float, Field(ge=0, lt=1)]
NonNegative = Annotated[float, Field(ge=0, allow_inf_nan=False)]
Positive = Annotated[float, Field(gt=0, allow_inf_nan=False)]

FACE_RESNET_EDGE: Final = 55
"""Edge in pixels below which nothing would be left of a face at the last stage of `face_resnet`."""

IMAGENET: Final = ("efficientnetb0", "resnet50", "mobilenetv2", "vgg16")
"""Architectures whose published weights come from ImageNet."""

LARGEST_SHIFTED_CROP: Final = 44
"""Edge in pixels of the largest crop of a 48x48 face that can be shifted by 2 pixels in every direction."""

WITHOUT_VOTES: Final = "-S download.votes=none -S train.votes=0"
"""Both settings that leave the raters' votes out, for error messages; one alone is refused."""


class _Section(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)


class Sample(_Section):
    """Size and seed of the drawn sample dataset."""

    train: Faces
    validation: Faces
    test: Faces
    seed: Seed


class Download(_Section):
    """Where the faces come from."""

    source: Literal["kaggle", "sample", "incoming"]
    dataset: Annotated[str, Field(pattern=r"^[\w-]+/[\w-]+/[1-9]\d*$", description="owner/name/version")]
    sha256: Annotated[str, Field(pattern=r"^[0-9a-f]{64}$", description="64 digits out of 0-9 and a-f")]
    attempts: Annotated[int, Field(ge=1, le=10)]  # before the 10th attempt the wait is four minutes
    votes: Literal["ferplus", "none"]
    sample: Sample


class Preprocess(_Section):
    """Which faces are used, and in which split."""

    split: Literal["official", "folders", "random"]
    classes: Annotated[list[ClassName], Field(min_length=2)]
    class_names: dict[str | int, ClassName]
    validation_fraction: Annotated[float, Field(gt=0, lt=1)]
    seed: Seed
    on_bad_image: Literal["fail", "drop"]
    duplicates: Literal["keep", "drop_from_train"]
    not_faces: Literal["keep", "drop"]

    @model_validator(mode="after")
    def _classes_are_unique(self) -> Self:
        if len(set(self.classes)) != len(self.classes):
            raise ValueError(f"classes: expected each name once, received {self.classes}")
        return self


class Augmentation(_Section):
    """Random changes of the training faces; 0 turns a change off."""

    flip: Annotated[float, Field(ge=0, le=1)]
    rotation: Annotated[float, Field(ge=0, le=180)]
    shift: Annotated[float, Field(ge=0, le=24)]
    zoom: Share
    brightness: Share
    contrast: Share
    erasing: Annotated[float, Field(ge=0, le=1)]
    hiding: Annotated[float, Field(ge=0, le=1)]
    camera: Annotated[float, Field(ge=0, le=1)]
    darkness: Share
    gamma: Annotated[float, Field(ge=0, le=10)]
    blur: Annotated[float, Field(ge=0, le=24)]
    downscaling: Annotated[float, Field(ge=0, le=10)]
    noise: Share
    jpeg: Annotated[float, Field(ge=0, le=50)]
    mixup: Annotated[float, Field(ge=0, le=10)]
    crop: Annotated[int, Field(ge=0, le=48)]

    @model_validator(mode="after")
    def _crop_is_even_and_large_enough(self) -> Self:
        if self.crop and (self.crop < 24 or self.crop % 2):
            raise ValueError(f"crop: expected 0 or an even number from 24 to 48, received {self.crop}")
        return self


class Transfer(_Section):
    """How the networks with a pretrained base start, and how the base learns."""

    weights: Annotated[
        str, Field(pattern=r"^[^/\\.][^/\\]*$", description="imagenet, faces, none or the name of a file")
    ]
    image_size: Annotated[int, Field(ge=32, le=224)]
    freeze_epochs: Annotated[int, Field(ge=0, le=10_000)]
    unfreeze_layers: Annotated[int, Field(ge=0, le=10_000)]
    learning_rate: Positive
    layer_decay: Share
    anchor: NonNegative


class Train(_Section):
    """The network and how it learns."""

    backend: Literal["tensorflow", "jax"]
    distribution: Literal["none", "data_parallel"]
    architecture: Literal[
        "three_block_cnn",
        "batchnorm_cnn",
        "gap_cnn",
        "resnet",
        "efficientnetb0",
        "resnet50",
        "mobilenetv2",
        "vgg16",
        "face_resnet",
        "face_resnet_small",
    ]
    epochs: Annotated[int, Field(ge=1, le=10_000)]
    batch_size: BatchSize
    optimizer: Literal["adam", "adamw", "sgd"]
    learning_rate: Positive
    schedule: Literal["constant", "cosine", "plateau"]
    warmup_epochs: NonNegative
    weight_decay: NonNegative
    votes: Annotated[float, Field(ge=0, le=1)]
    label_smoothing: Share
    loss: Literal["categorical_crossentropy", "sparse_categorical_crossentropy", "focal"]
    class_weights: Literal["none", "balanced"]
    augmentation: Augmentation
    ema: Share
    early_stopping: Annotated[int, Field(ge=0, le=10_000)]
    keep: Literal["best", "last"]
    precision: Literal["float32", "mixed_bfloat16", "mixed_float16"]
    seed: Seed
    threads: Annotated[int, Field(ge=1, le=1024)]
    start_from: Annotated[str, Field(pattern=r"^([^/\\.][^/\\]*)?$", description="the name of a file or ''")]
    transfer: Transfer

    @model_validator(mode="after")
    def _settings_are_consistent(self) -> Self:
        if self.loss.startswith("sparse") and (self.votes or self.label_smoothing or self.augmentation.mixup):
            raise ValueError(
                "loss: sparse_categorical_crossentropy takes integer labels; "
                "set votes, label_smoothing and augmentation.mixup to 0 or choose categorical_crossentropy"
            )
        if self.distribution != "none" and self.backend != "jax":
            raise ValueError(f"distribution: {self.distribution} needs backend jax, received {self.backend}")
        return self

    @model_validator(mode="after")
    def _start_fits_the_architecture(self) -> Self:
        faces, start = self.architecture.startswith("face_resnet"), self.transfer
        if faces and start.weights == "imagenet":
            raise ValueError(
                f"transfer.weights: {self.architecture} expects faces, none or the name of a file, received imagenet"
            )
        if start.weights == "faces" and self.architecture in IMAGENET:
            raise ValueError(
                f"transfer.weights: {self.architecture} expects imagenet, none or the name of a file, received faces"
            )
        if faces and start.weights == "faces" and self.distribution != "none":
            raise ValueError(f"transfer.weights: faces needs distribution none, received {self.distribution}")
        if faces and start.image_size < FACE_RESNET_EDGE:
            raise ValueError(
                f"transfer.image_size: {self.architecture} expects at least {FACE_RESNET_EDGE}, "
                f"received {start.image_size}"
            )
        return self


class Export(_Section):
    """Views that are averaged, the adjustment of logits, the largest difference from Keras, and what is certain."""

    views: Literal[1, 2, 10]
    logit_adjustment: Share
    tolerance: Positive
    certain: Share


class Evaluate(_Section):
    """How the exported network is evaluated."""

    batch_size: BatchSize
    calibration_bins: Annotated[int, Field(ge=2, le=100)]


class Robustness(_Section):
    """How many faces are corrupted and measured."""

    faces: Annotated[int, Field(ge=1, le=100_000)]
    batch_size: BatchSize


class Saliency(_Section):
    """How many faces show where the network looks."""

    faces_per_class: Faces
    batch_size: BatchSize


class Plot(_Section):
    """What the figures look like."""

    dpi: Annotated[int, Field(ge=50, le=600)]
    colormap: Literal["Blues", "cividis", "viridis", "magma", "Greys"]
    sample_faces: Annotated[int, Field(ge=1, le=100)]


class Params(_Section):
    """The whole of `params.yaml`."""

    download: Download
    preprocess: Preprocess
    train: Train
    export: Export
    evaluate: Evaluate
    robustness: Robustness
    saliency: Saliency
    plot: Plot

    @model_validator(mode="after")
    def _votes_to_learn_are_there(self) -> Self:
        if self.train.votes and self.download.votes == "none":
            raise ValueError(
                f"train.votes: {self.train.votes} needs votes; set train.votes to 0, or download.votes to ferplus"
            )
        return self

    @model_validator(mode="after")
    def _shifted_views_lie_inside_the_face(self) -> Self:
        crop = self.train.augmentation.crop
        if self.export.views == 10 and not 0 < crop <= LARGEST_SHIFTED_CROP:
            raise ValueError(
                f"export.views: 10 views are shifted by 2 pixels and need a train.augmentation.crop of 24 to "
                f"{LARGEST_SHIFTED_CROP}, received {crop}"
            )
        return self


def load(path: Path = PATH) -> Params:
    """Read and check the settings.

    Raises:
        ParameterError: the file is missing or is not a YAML mapping, or any setting is unknown, misspelt, of the wrong
            type or out of range. The message names every such setting, its value and what is allowed.
    """
    # Imported here because `pip install emotion` does not install PyYAML; inference needs only the types above.
    from emotion import yaml_text

    return check(yaml_text.read(path))


def check(content: dict[str, Any]) -> Params:
    """Check the sections of `params.yaml` and return them as read-only settings.

    Raises:
        ParameterError: a setting is missing, unknown, misspelt, of the wrong type or out of range.

    Examples:
        >>> settings = load().model_dump()
        >>> check(settings).train.epochs == settings["train"]["epochs"]
        True
        >>> settings["train"]["epochs"] = "fifty"
        >>> check(settings)
        Traceback (most recent call last):
        emotion.errors.ParameterError: params.yaml: train.epochs: expected a whole number >= 1 and <= 10000, ...
    """
    try:
        return Params.model_validate(content)
    except ValidationError as error:
        faults = "; ".join(describe(fault, Params) for fault in error.errors())
        raise ParameterError(f"params.yaml: {faults}; correct params.yaml and run it again") from error
