"""The settings in `params.yaml`: their types and limits, checked as a whole before any stage works.

There are no defaults here: every value stands in the file, so that DVC sees it.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, Final, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from emotion.errors import ParameterError

PATH: Final = Path("params.yaml")

Count = Annotated[int, Field(ge=1)]
Seed = Annotated[int, Field(ge=0, le=2**31 - 1)]
Share = Annotated[float, Field(ge=0, lt=1)]
NonNegative = Annotated[float, Field(ge=0, allow_inf_nan=False)]
Positive = Annotated[float, Field(gt=0, allow_inf_nan=False)]


class _Section(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)


class Sample(_Section):
    """Size and seed of the drawn sample dataset."""

    train: Count
    validation: Count
    test: Count
    seed: Seed


class Download(_Section):
    """Where the faces come from."""

    source: Literal["kaggle", "sample", "incoming"]
    dataset: Annotated[str, Field(pattern=r"^[\w-]+/[\w-]+/[1-9]\d*$")]
    sha256: Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
    attempts: Count
    sample: Sample


class Preprocess(_Section):
    """Which faces become which split."""

    split: Literal["official", "folders"]
    classes: Annotated[
        list[Literal["angry", "disgust", "fear", "happy", "neutral", "sad", "surprise"]], Field(min_length=2)
    ]
    validation_fraction: Annotated[float, Field(gt=0, lt=1)]
    seed: Seed
    on_bad_image: Literal["fail", "drop"]
    twins: Literal["keep", "drop_from_train"]

    @model_validator(mode="after")
    def _classes_stand_once(self) -> Self:
        if len(set(self.classes)) != len(self.classes):
            raise ValueError(f"classes: expected each name once, received {self.classes}")
        return self


class Augmentation(_Section):
    """Random changes of the training faces; each off at 0."""

    flip: Annotated[float, Field(ge=0, le=1)]
    rotation: Annotated[float, Field(ge=0, le=180)]
    shift: Annotated[float, Field(ge=0, le=24)]
    zoom: Share
    brightness: Share
    contrast: Share
    erasing: Annotated[float, Field(ge=0, le=1)]
    mixup: NonNegative
    crop: Annotated[int, Field(ge=0, le=48)]

    @model_validator(mode="after")
    def _crop_leaves_a_face(self) -> Self:
        if self.crop and (self.crop < 24 or self.crop % 2):
            raise ValueError(f"crop: expected 0 or an even number from 24 to 48, received {self.crop}")
        return self


class Transfer(_Section):
    """How the networks of keras.applications start and thaw."""

    weights: str
    image_size: Annotated[int, Field(ge=32, le=224)]
    freeze_epochs: Annotated[int, Field(ge=0)]
    unfreeze_layers: Annotated[int, Field(ge=0)]
    learning_rate: Positive


class Train(_Section):
    """The network and how it learns."""

    backend: Literal["tensorflow", "jax"]
    architecture: Literal[
        "three_block_cnn", "batchnorm_cnn", "gap_cnn", "resnet", "efficientnetb0", "resnet50", "mobilenetv2", "vgg16"
    ]
    epochs: Count
    batch_size: Count
    optimizer: Literal["adam", "adamw", "sgd"]
    learning_rate: Positive
    schedule: Literal["constant", "cosine", "plateau"]
    warmup_epochs: NonNegative
    weight_decay: NonNegative
    label_smoothing: Share
    loss: Literal["categorical_crossentropy", "sparse_categorical_crossentropy", "focal"]
    class_weights: Literal["none", "balanced"]
    augmentation: Augmentation
    ema: Share
    early_stopping: Annotated[int, Field(ge=0)]
    keep: Literal["best", "last"]
    precision: Literal["float32", "mixed_bfloat16", "mixed_float16"]
    seed: Seed
    threads: Count
    start_from: str
    transfer: Transfer

    @model_validator(mode="after")
    def _settings_fit_together(self) -> Self:
        if self.loss.startswith("sparse") and (self.label_smoothing or self.augmentation.mixup):
            raise ValueError(
                "loss: sparse_categorical_crossentropy takes whole labels; "
                "set label_smoothing and augmentation.mixup to 0 or choose categorical_crossentropy"
            )
        if self.warmup_epochs >= self.epochs:
            raise ValueError(
                f"warmup_epochs: expected fewer than epochs ({self.epochs}), received {self.warmup_epochs}"
            )
        return self


class Export(_Section):
    """How far an exported file may differ from Keras."""

    tolerance: Positive


class Evaluate(_Section):
    """How the exported network is judged."""

    batch_size: Count
    calibration_bins: Annotated[int, Field(ge=2, le=100)]


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
    plot: Plot


def load(path: Path = PATH) -> Params:
    """Read and check the settings.

    Raises:
        ParameterError: the file is missing or no YAML mapping, or any value anywhere in it is unknown, misspelt,
            mistyped or out of range; the text names section, key, value and what is allowed, for every fault.
    """
    # YAML comes with the pipeline extra; the inference base imports this room for its types alone.
    import yaml

    try:
        content = yaml.safe_load(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise ParameterError(
            f"expected settings in {path}, received {error.strerror}; run it in the project's folder"
        ) from error
    except yaml.YAMLError as error:
        raise ParameterError(f"{path}: expected YAML, received {error}") from error
    if not isinstance(content, dict):
        raise ParameterError(f"{path}: expected sections, received {type(content).__name__}")
    return check(content)


def check(content: dict[str, Any]) -> Params:
    """Turn the sections of `params.yaml` into checked, frozen settings.

    Raises:
        ParameterError: as `load`.
    """
    try:
        return Params.model_validate(content)
    except ValidationError as error:
        faults = "; ".join(_describe(dict(fault)) for fault in error.errors())
        raise ParameterError(f"params.yaml: {faults}; correct the value and run it again") from error


def _describe(fault: dict[str, Any]) -> str:
    where = ".".join(str(part) for part in fault["loc"])
    if fault["type"] == "extra_forbidden":
        return f"{where}: expected no such key, received {fault['input']!r}; check its spelling"
    if fault["type"] == "missing":
        return f"{where}: expected a value, received none"
    if fault["type"] == "value_error":
        return f"{where}.{fault['ctx']['error']}"
    expected = fault["msg"].removeprefix("Input should be ")
    return f"{where}: expected {expected}, received {fault['input']!r}"
