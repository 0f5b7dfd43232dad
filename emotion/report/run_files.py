"""The files of a run that figures and model card are made from: where they are and what each must hold.

A file that is damaged or comes from another program is refused here, in one line.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import pandas as pd

from emotion import dataframes, files
from emotion.labels import FIGURES, REPORTED_SPLITS, SPLITS

MODEL: Final = "metrics/details/model.json"

FORMATS: Final = {"onnx": "ONNX", "h5": "Keras HDF5", "tflite": "TensorFlow Lite"}
"""Title of each file format that `export` writes, by its suffix."""

KEYS: Final[dict[str, list[str]]] = {
    "data/raw/source.json": ["source", "dataset", "sha256"],
    "metrics/data.json": [
        *(f"{count}.{split}" for count in ("faces", "duplicates") for split in SPLITS),
        *("dropped", "converted", "label_conflicts"),
    ],
    "metrics/export.json": [
        "parameters",
        *(f"{suffix}_{figure}" for suffix in FORMATS for figure in ("bytes", "difference", "agreement")),
        *("accuracy", "int8_accuracy", "int8_agreement", "int8_bytes"),
    ],
    MODEL: [
        *("classes", "face_size", "temperature", "backend", "device", "data_sha256"),
        *("parameters.train.architecture", "parameters.train.keep"),
    ],
    **{f"metrics/{split}.json": [*FIGURES, "log_loss"] for split in REPORTED_SPLITS},
    "metrics/details/doubts.json": [
        *("faces", "doubtful"),
        *("contradictory.faces", "contradictory.doubtful", "contradictory.mean_rank"),
        *("contradictory_untaught.faces", "contradictory_untaught.doubtful"),
    ],
    "metrics/robustness.json": ["clean", "mean"],
}
"""Keys that each JSON file must have."""


def _columns(*, text: str = "", integers: str = "", floats: str = "") -> dict[str, type]:
    """Return the type of each column, from names separated by spaces."""
    names = {str: text, int: integers, float: floats}
    return {name: kind for kind, part in names.items() for name in part.split()}


COLUMNS: Final[dict[str, dict[str, type]]] = {
    "plots/data/classes.csv": _columns(text="split class", integers="faces"),
    "plots/training/history.csv": _columns(integers="epoch", floats="accuracy loss val_accuracy val_loss"),
    **{
        f"metrics/details/{split}_{name}.csv": columns
        for split in REPORTED_SPLITS
        for name, columns in {
            "classes": _columns(text="class", integers="support", floats="precision recall f1"),
            "reliability": _columns(integers="bin faces", floats="confidence accuracy"),
            "reliability_votes": _columns(integers="bin faces", floats="confidence raters"),
        }.items()
    },
    "metrics/details/intervals.csv": _columns(text="split metric", floats="value low high"),
    "metrics/details/calibration.csv": _columns(
        text="split probabilities",
        floats="calibration_error brier_score log_loss calibration_error_votes log_loss_votes",
    ),
    "metrics/details/selective.csv": _columns(text="split rule", floats="threshold coverage accuracy low high"),
    "metrics/details/flipped.csv": _columns(text="split", floats="gain low high"),
    "metrics/details/doubtful.csv": _columns(text="split name label"),
    "metrics/robustness.csv": _columns(
        text="corruption meaning", integers="strength faces", floats="accuracy low high"
    ),
    "metrics/saliency/patches.csv": _columns(text="class", integers="row column", floats="drop"),
    "metrics/saliency/regions.csv": _columns(
        text="class", floats="faces forehead brows_and_eyes nose_and_cheeks mouth"
    ),
}
"""Columns that each table must have, and the type of each. `faces` of the regions is empty for the uniform map."""


@dataclass(frozen=True)
class Run:
    """What captions say about a run.

    Attributes:
        dataset: title of the dataset.
        architecture: name of the network.
        keep: which epoch was kept, `best` or `last`.
        headlines: the headline figures of each split in `REPORTED_SPLITS`.
        votes: as `read_votes` returns it.
    """

    dataset: str
    architecture: str
    keep: str
    headlines: dict[str, dict[str, Any]]
    votes: dict[str, dict[str, Any]] = field(default_factory=dict)

    def caption(self, split: str) -> str:
        """Return the lines below a title: dataset and network, then the accuracy on a split."""
        figures = self.headlines[split]
        accuracy = f"{split} accuracy {figures['accuracy']:.2%}"
        if figures.get("accuracy_votes") is not None:
            accuracy += f" of the labels, {figures['accuracy_votes']:.2%} of the raters' majorities"
        return f"{self.dataset} · {self.architecture}\n{accuracy}"


def read_run(root: Path) -> Run:
    """Read what captions say about the run below `root`."""
    training = read_json(root, MODEL)["parameters"]["train"]
    return Run(
        dataset=read_json(root, "data/raw/source.json")["dataset"],
        architecture=training["architecture"],
        keep=training["keep"],
        headlines=read_headlines(root),
        votes=read_votes(root),
    )


def read_headlines(root: Path) -> dict[str, dict[str, Any]]:
    """Read the headline figures of each split in `REPORTED_SPLITS`."""
    return {split: read_json(root, f"metrics/{split}.json") for split in REPORTED_SPLITS}


def read_json(root: Path, name: str) -> dict[str, Any]:
    """Read one of the JSON files below `root`."""
    return files.read_json(root / name, KEYS[name])


def read_votes(root: Path) -> dict[str, dict[str, Any]]:
    """Read how the network agrees with the raters' votes, by split; nothing where nobody voted."""
    path = root / "metrics/details/votes.json"
    keys = [f"{split}.{figure}" for split in REPORTED_SPLITS for figure in ("log_loss", "calibration_error")]
    return files.read_json(path, keys) if path.is_file() else {}


def read_table(root: Path, name: str) -> pd.DataFrame:
    """Read one of the tables below `root`; only the list of doubtful labels may be empty."""
    return dataframes.read_table(root / name, COLUMNS[name], may_be_empty=name.endswith("doubtful.csv"))


def read_confusions(root: Path, split: str) -> dict[str, pd.DataFrame]:
    """Read the confusion matrices of a split by the name of their figure; that of the votes only where there are any.

    Each has the column `actual`, or `majority` for the votes, then the number of faces by predicted class.
    """
    columns = dict.fromkeys(read_json(root, MODEL)["classes"], int)
    path = root / f"metrics/details/{split}_confusion"
    tables = {f"confusion_{split}": dataframes.read_table(path.with_suffix(".csv"), {"actual": str, **columns})}
    if (votes := path.with_name(f"{path.name}_votes.csv")).is_file():
        tables[f"confusion_{split}_votes"] = dataframes.read_table(votes, {"majority": str, **columns})
    return tables


def read_reliabilities(root: Path, split: str) -> dict[str, pd.DataFrame]:
    """Read the reliability of a split by the name of its figure; that on the votes only where there are any."""
    name = f"metrics/details/{split}_reliability"
    tables = {f"reliability_{split}": read_table(root, f"{name}.csv")}
    if (root / f"{name}_votes.csv").is_file():
        tables[f"reliability_{split}_votes"] = read_table(root, f"{name}_votes.csv")
    return tables


def read_predictions(root: Path) -> pd.DataFrame:
    """Read the prediction for each face: split, name, actual, predicted, and the probability of each class."""
    classes = read_json(root, MODEL)["classes"]
    columns = _columns(text="split name actual predicted") | dict.fromkeys(classes, float)
    return dataframes.read_table(root / "data/predictions.csv", columns)
