from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import pytest
import yaml

from emotion import params
from emotion.errors import ParameterError
from emotion.labels import NAMES

ROOT = Path(__file__).parents[1]
FILE = ROOT / params.PATH
ABSENT = object()


def changed(name: str, value: object) -> dict[str, Any]:
    """Return the committed settings with one of them (its path with dots) changed or removed."""
    settings: dict[str, Any] = yaml.safe_load(FILE.read_text())
    section = settings
    *sections, key = name.split(".")
    for part in sections:
        section = section[part]
    section[key] = value
    if value is ABSENT:
        del section[key]
    return settings


def message(settings: dict[str, Any]) -> str:
    with pytest.raises(ParameterError) as raised:
        params.check(settings)
    return str(raised.value)


def test_committed_settings_pass_and_are_returned_unchanged() -> None:
    assert params.load(FILE).model_dump() == yaml.safe_load(FILE.read_text())


def test_settings_are_read_only() -> None:
    with pytest.raises(ValueError, match="frozen"):
        params.load(FILE).train.epochs = 1  # type: ignore[misc]


def test_any_classes_of_the_dataset_may_be_chosen() -> None:
    assert params.check(changed("preprocess.classes", list(NAMES))).preprocess.classes == list(NAMES)
    assert params.check(changed("preprocess.classes", ["sad", "happy"])).preprocess.classes == ["sad", "happy"]


@pytest.mark.parametrize(
    ("name", "value", "fault"),
    [
        ("train.epochs", "fifty", "train.epochs: expected a whole number >= 1 and <= 10000, received 'fifty'"),
        ("train.epochs", 0, "train.epochs: expected a whole number >= 1 and <= 10000, received 0"),
        ("train.epochs", 1.5, "train.epochs: expected a whole number >= 1 and <= 10000, received 1.5"),
        ("train.epochs", True, "train.epochs: expected a whole number >= 1 and <= 10000, received True"),
        ("train.epochs", None, "train.epochs: expected a whole number >= 1 and <= 10000, received None"),
        ("train.epochs", "50", "train.epochs: expected a whole number >= 1 and <= 10000, received '50'"),
        ("train.seed", -1, "train.seed: expected a whole number >= 0 and <= 2147483647, received -1"),
        ("train.learning_rate", 0, "train.learning_rate: expected a number > 0, received 0"),
        ("train.learning_rate", math.nan, "train.learning_rate: expected a number > 0, received nan"),
        ("train.weight_decay", math.inf, "train.weight_decay: expected a number >= 0, received inf"),
        ("train.label_smoothing", 1, "train.label_smoothing: expected a number >= 0 and < 1, received 1"),
        ("train.ema", "off", "train.ema: expected a number >= 0 and < 1, received 'off'"),
        ("train.augmentation.flip", 1.1, "train.augmentation.flip: expected a number >= 0 and <= 1, received 1.1"),
        ("train.augmentation.crop", 41, "train.augmentation.crop: expected 0 or an even number from 24 to 48"),
        ("train.augmentation.crop", 50, "train.augmentation.crop: expected a whole number >= 0 and <= 48, received 50"),
        ("train.architecture", "resnet500", "train.architecture: expected 'three_block_cnn', 'batchnorm_cnn', "),
        ("train.transfer.image_size", 20, "train.transfer.image_size: expected a whole number >= 32 and <= 224"),
        ("train.start_from", 5, "train.start_from: expected a valid string, received 5"),
        ("preprocess.validation_fraction", 1.5, "validation_fraction: expected a number > 0 and < 1, received 1.5"),
        ("preprocess.validation_fraction", 0, "validation_fraction: expected a number > 0 and < 1, received 0"),
        ("preprocess.classes", ["happy", "bored"], "preprocess.classes.1: expected 'angry', 'disgust', 'fear', "),
        ("preprocess.classes", ["happy"], "preprocess.classes: expected at least 2, received ['happy']"),
        ("preprocess.classes", ["sad", "sad"], "preprocess.classes: expected each name once, received ['sad', 'sad']"),
        ("preprocess.classes", "happy", "preprocess.classes: expected a valid list, received 'happy'"),
        ("download.source", "Kaggle", "download.source: expected 'kaggle', 'sample' or 'incoming', received 'Kaggle'"),
        ("download.dataset", "fer2013", "download.dataset: expected owner/name/version, received 'fer2013'"),
        ("download.sha256", "abc", "download.sha256: expected 64 digits out of 0-9 and a-f, received 'abc'"),
        ("download.sample.train", 0, "download.sample.train: expected a whole number >= 1 and <= 10000, received 0"),
        ("export.tolerance", -1e-4, "export.tolerance: expected a number > 0, received -0.0001"),
        ("evaluate.calibration_bins", 1, "evaluate.calibration_bins: expected a whole number >= 2 and <= 100"),
        ("robustness.faces", 0, "robustness.faces: expected a whole number >= 1 and <= 100000, received 0"),
        ("saliency.faces_per_class", 0, "faces_per_class: expected a whole number >= 1 and <= 10000, received 0"),
        ("plot.colormap", "jet", "plot.colormap: expected 'Blues', 'cividis', 'viridis', 'magma' or 'Greys', received"),
        ("download.attempts", 100, "download.attempts: expected a whole number >= 1 and <= 10, received 100"),
        ("download.sample.test", 10**9, "sample.test: expected a whole number >= 1 and <= 10000, received 1000000000"),
        ("train.epochs", 10**9, "train.epochs: expected a whole number >= 1 and <= 10000, received 1000000000"),
        ("train.batch_size", 10**9, "batch_size: expected a whole number >= 1 and <= 16384, received 1000000000"),
        ("train.threads", 100000, "train.threads: expected a whole number >= 1 and <= 1024, received 100000"),
        ("train.early_stopping", 10**9, "early_stopping: expected a whole number >= 0 and <= 10000, received 10000"),
        ("train.augmentation.mixup", 1e9, "mixup: expected a number >= 0 and <= 10, received 1000000000.0"),
        ("train.augmentation.mixup", math.inf, "mixup: expected a number >= 0 and <= 10, received inf"),
        ("train.transfer.freeze_epochs", 10**9, "freeze_epochs: expected a whole number >= 0 and <= 10000, received"),
        ("train.transfer.unfreeze_layers", 10**9, "expected a whole number >= 0 and <= 10000, received 1000000000"),
        ("evaluate.batch_size", 10**9, "evaluate.batch_size: expected a whole number >= 1 and <= 16384, received 10"),
        ("plot.dpi", 10**6, "plot.dpi: expected a whole number >= 50 and <= 600, received 1000000"),
        ("plot.sample_faces", 10**6, "plot.sample_faces: expected a whole number >= 1 and <= 100, received 1000000"),
        ("plot", None, "plot: expected keys with values below it, received None"),
        ("train.start_from", "a/b.keras", "train.start_from: expected the name of a file or '', received 'a/b.keras'"),
        (
            "train.transfer.weights",
            "",
            "train.transfer.weights: expected imagenet, faces, none or the name of a file, received",
        ),
        ("train.transfer.layer_decay", 1, "transfer.layer_decay: expected a number >= 0 and < 1, received 1"),
        ("train.transfer.anchor", -1, "train.transfer.anchor: expected a number >= 0, received -1"),
        ("train.augmentation.hiding", 2, "augmentation.hiding: expected a number >= 0 and <= 1, received 2"),
        ("train.augmentation.darkness", 1, "augmentation.darkness: expected a number >= 0 and < 1, received 1"),
        ("train.augmentation.blur", 25, "train.augmentation.blur: expected a number >= 0 and <= 24, received 25"),
        ("train.augmentation.jpeg", math.nan, "augmentation.jpeg: expected a number >= 0 and <= 50, received nan"),
        ("train.augmentation", 0.5, "train.augmentation: expected keys with values below it, received 0.5"),
    ],
)
def test_wrong_value_is_named_with_what_is_allowed(name: str, value: object, fault: str) -> None:
    text = message(changed(name, value))
    assert text.startswith("params.yaml: ")
    assert fault in text
    assert text.endswith("; correct params.yaml and run it again")
    assert "\n" not in text


@pytest.mark.parametrize(
    ("name", "fault"),
    [
        ("train.epoch", "train.epoch: unknown key (did you mean epochs?)"),
        ("trian", "trian: unknown key (did you mean train?)"),
        ("train.augmentation.flips", "train.augmentation.flips: unknown key (did you mean flip?)"),
        ("plot.xyz", "plot.xyz: unknown key (the keys are dpi, colormap, sample_faces)"),
    ],
)
def test_unknown_key_is_named_with_the_likely_one(name: str, fault: str) -> None:
    assert fault in message(changed(name, 5))


@pytest.mark.parametrize("name", ["plot", "train.epochs", "train.augmentation.crop", "download.sample.seed"])
def test_missing_key_is_named(name: str) -> None:
    assert f"{name}: expected a value, received none" in message(changed(name, ABSENT))


@pytest.mark.parametrize("epochs", [1, 2])
def test_run_may_be_as_short_as_its_warmup(epochs: int) -> None:
    settings = changed("train.epochs", epochs)
    settings["train"]["warmup_epochs"] = 2
    assert params.check(settings).train.epochs == epochs


def test_key_that_is_not_text_is_named() -> None:
    settings = changed("train.epochs", 3)
    settings["train"][5] = 1
    assert "train.5: expected text as the key, received" in message(settings)


def test_data_parallel_training_needs_jax() -> None:
    settings = changed("train.distribution", "data_parallel")
    assert "train.distribution: data_parallel needs backend jax, received tensorflow" in message(settings)
    settings["train"] |= {"backend": "jax", "architecture": "resnet"}
    assert params.check(settings).train.distribution == "data_parallel"


def start(architecture: str, distribution: str = "none", **transfer: object) -> dict[str, Any]:
    """Change how a network starts."""
    settings = changed("train.architecture", architecture)
    settings["train"] |= {"distribution": distribution, "backend": "jax"}
    settings["train"]["transfer"] |= transfer
    return settings


@pytest.mark.parametrize(
    ("settings", "fault"),
    [
        (
            start("face_resnet", weights="imagenet"),
            "weights: face_resnet expects faces, none or the name of a file, received imagenet",
        ),
        (
            start("vgg16", weights="faces"),
            "weights: vgg16 expects imagenet, none or the name of a file, received faces",
        ),
        (
            start("face_resnet_small", "data_parallel", weights="faces"),
            "weights: faces needs distribution none, received data_parallel",
        ),
        (
            start("face_resnet", weights="none", image_size=54),
            "image_size: face_resnet expects at least 55, received 54",
        ),
    ],
)
def test_start_must_fit_the_architecture(settings: dict[str, Any], fault: str) -> None:
    assert f"params.yaml: train.transfer.{fault}; correct params.yaml" in message(settings)


@pytest.mark.parametrize("weights", ["faces", "none", "mine.weights.h5"])
def test_face_resnet_starts_from_faces_from_nothing_or_from_a_file(weights: str) -> None:
    assert params.check(start("face_resnet", weights=weights)).train.transfer.weights == weights


@pytest.mark.parametrize("weights", ["faces", "imagenet", "none"])
def test_networks_without_a_pretrained_base_leave_its_start_as_it_is(weights: str) -> None:
    settings = start("resnet", "data_parallel", weights=weights)
    assert params.check(settings).train.transfer.weights == weights


def test_integer_labels_do_not_go_with_smoothing() -> None:
    settings = changed("train.loss", "sparse_categorical_crossentropy")
    settings["train"]["label_smoothing"] = 0.1
    assert "train.loss: sparse_categorical_crossentropy takes integer labels; set votes, label_" in message(settings)
    settings["train"]["label_smoothing"] = settings["train"]["augmentation"]["mixup"] = 0
    settings["train"]["votes"] = 0.5
    assert "sparse_categorical_crossentropy takes integer labels" in message(settings)
    settings["train"]["votes"] = 0
    assert params.check(settings).train.loss == "sparse_categorical_crossentropy"


@pytest.mark.parametrize("crop", [0, 46])
def test_shifted_views_need_a_smaller_crop(crop: int) -> None:
    settings = changed("export.views", 10)
    settings["train"]["augmentation"]["crop"] = crop
    expected = "10 views are shifted by 2 pixels and need a train.augmentation.crop of 24 to 44"
    assert f"params.yaml: export.views: {expected}, received {crop};" in message(settings)


def test_votes_to_learn_must_be_downloaded() -> None:
    settings = changed("train.votes", 0.5)
    settings["download"]["votes"] = "none"
    assert "params.yaml: train.votes: 0.5 needs votes; set train.votes to 0, or download.votes to ferplus;" in message(
        settings
    )
    settings["download"]["votes"] = "ferplus"
    assert params.check(settings).train.votes == 0.5


def test_every_fault_is_reported_at_once() -> None:
    settings = changed("train.epochs", "fifty")
    settings["plot"]["dpi"] = 0
    assert {"train.epochs", "plot.dpi"} <= set(message(settings).replace(":", "").split())


@pytest.mark.parametrize(
    ("content", "fault"),
    [
        (b"", r"expected sections such as train, received None"),
        (b"- train", r"expected sections such as train, received \['train'\]"),
        (b"train: [", r"params\.yaml, line 1: not valid YAML \(expected the node content.*\); correct the line"),
        (b"plot: 1\nplot: 2", r"params\.yaml, line 2: not valid YAML \(found duplicate key \"plot\"\)"),
        (b"plot: \x07", r"params\.yaml is not UTF-8 text \(unacceptable character .*\); save it as UTF-8"),
        (b"train: 2020-13-45", r"train: expected keys with values below it, received '2020-13-45'"),
        (b"[" * 5000, r"params\.yaml is not valid YAML \(maximum recursion.*\); restore it: git checkout "),
        (b"\xff\xfe\x00", r"params\.yaml is not UTF-8 text \(.*\); save it as UTF-8"),
    ],
)
def test_file_that_holds_no_settings_is_refused(tmp_path: Path, content: bytes, fault: str) -> None:
    (tmp_path / "params.yaml").write_bytes(content)
    with pytest.raises(ParameterError, match=fault) as raised:
        params.load(tmp_path / "params.yaml")
    assert "\n" not in str(raised.value)


def test_missing_file_says_where_to_run(tmp_path: Path) -> None:
    fault = r"^cannot read .*params\.yaml \(No such file or directory\); run it in the project's folder$"
    with pytest.raises(ParameterError, match=fault):
        params.load(tmp_path / "params.yaml")


def test_small_number_is_read_as_dvc_writes_it(tmp_path: Path) -> None:
    from dvc.utils.hydra import apply_overrides

    file = tmp_path / "params.yaml"
    file.write_bytes(FILE.read_bytes())
    apply_overrides(str(file), ["train.learning_rate=0.00001"])
    assert "1e-05" in file.read_text()
    assert params.load(file).train.learning_rate == 1e-5
