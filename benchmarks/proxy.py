"""The command `python -m benchmarks.proxy NAME [SETTING=VALUE ...]`: a short training run that compares recipes.

It trains on a part of the training faces with the settings in `params.yaml`, after the given changes, scores PublicTest
and adds a row to `docs/search.csv`. What helps here is worth a whole run; small differences say nothing.
"""

from __future__ import annotations

import argparse
import csv
import io
import subprocess
import sys
from collections.abc import Callable, Sequence
from dataclasses import fields, replace
from typing import Any, Final

import numpy as np
import yaml
from numpy.typing import NDArray

from benchmarks.processes import ROOT, scratch_folder, show_progress
from emotion import dataset, params
from emotion.dataset import Dataset
from emotion.errors import EmotionError, ParameterError, one_line
from emotion.evaluation import agreement, robustness
from emotion.evaluation.metrics import Predictions
from emotion.files import rounded, write_csv
from emotion.networks.keras_setup import prepare
from emotion.params import Train

TABLE: Final = ROOT / "docs/search.csv"

COLUMNS: Final = ("name", "revision", "faces", "settings", "train", "labels", "majorities", "balanced", "corrupted")
"""The last five are shares of 1.

They are the accuracy on the augmented training faces in the last epoch, on the labels of PublicTest and on its
majorities, the mean recall on majorities, and the mean accuracy on the labels of corrupted faces. Those on majorities
are empty if no face has one.
"""

SEED: Final = 1
"""Of the choice of faces, so that all recipes learn from the same ones."""

CORRUPTED: Final = 1000
"""Number of validation faces that are corrupted."""

BATCH: Final = 256

Predict = Callable[[NDArray[np.uint8]], NDArray[np.float32]]


def main() -> None:
    """Train, print the row and add it to the table; exit with 1 and one line on a known error."""
    options = _options()
    try:
        settings = _change(options.settings)
        faces = _choose(dataset.load(ROOT / "data/faces/train.npz"), options.faces)
        row = [options.name, _revision(), len(faces), " ".join(options.settings), *measure(settings, faces)]
        write_csv(TABLE, COLUMNS, [*_rows(), row])
    except (EmotionError, OSError) as error:
        sys.exit(f"proxy: {one_line(error)}")
    show_progress(", ".join(f"{name} {value}" for name, value in zip(COLUMNS, row, strict=True) if value is not None))


def measure(settings: Train, faces: Dataset) -> list[float | None]:
    """Train on the given faces and return the last five columns."""
    prepare(settings.backend, settings.threads, settings.seed)
    # Imported after `prepare`, because Keras chooses its backend at import.
    from emotion.learning import batch_norm, batches, training
    from emotion.learning.checkpoints import Checkpoint
    from emotion.networks import architectures

    validation = dataset.load(ROOT / "data/faces/validation.npz")
    checkpoint = Checkpoint("proxy")
    checkpoint.clear()
    network, history = training.train(settings, faces, validation, checkpoint)
    checkpoint.clear()
    batch_norm.recompute_statistics(network, batches.serving_batches(faces, settings))
    served = architectures.wrap_for_serving(network, validation.pixels.shape[1], temperature=1.0)
    return [history[-1]["accuracy"], *score(lambda pixels: served.predict(pixels, BATCH, verbose=0), validation)]


def score(predict: Predict, faces: Dataset) -> list[float | None]:
    """Return accuracy on labels and on majorities, mean recall on majorities, and accuracy on corrupted faces.

    Those on majorities are None if no face has one.
    """
    found = Predictions(faces.classes, faces.labels, predict(faces.pixels), faces.duplicate, faces.names)
    votes = agreement.headline(found, faces.votes).values()
    some = np.random.default_rng(SEED).permutation(len(faces))[:CORRUPTED]
    corrupted = robustness.headline(robustness.measure(predict, faces.pixels[some], faces.labels[some]))["mean"]
    return [rounded(found.correct.mean()), *votes, corrupted]


def _choose(data: Dataset, number: int) -> Dataset:
    rows = np.sort(np.random.default_rng(SEED).permutation(len(data))[:number])
    each = {field.name: getattr(data, field.name) for field in fields(data) if field.name != "classes"}
    return replace(data, **{name: values[rows] for name, values in each.items()})


def _change(settings: Sequence[str]) -> Train:
    changes: dict[str, object] = {}
    for setting in settings:
        name, separator, value = setting.partition("=")
        if not separator:
            raise ParameterError(f"expected SETTING=VALUE such as train.epochs=12, received {setting}")
        try:
            changes[name] = yaml.safe_load(value)
        except (yaml.YAMLError, ValueError) as error:
            raise ParameterError(f"expected a value in YAML such as train.epochs=12, received {setting}") from error
    with scratch_folder(changes) as folder:
        return params.load(folder / params.PATH).train


def _revision() -> str:
    """Return the commit, with a plus sign if files differ from it."""
    command = ["git", "describe", "--always", "--dirty=+", "--exclude=*"]
    return subprocess.run(command, cwd=ROOT, capture_output=True, check=True, text=True).stdout.strip()


def _rows() -> list[list[Any]]:
    if not TABLE.is_file():
        return []
    return list(csv.reader(io.StringIO(TABLE.read_text(encoding="utf-8"))))[1:]


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.proxy", description=__doc__)
    parser.add_argument("name", help="of the recipe")
    parser.add_argument("settings", nargs="*", help="changes to params.yaml, such as train.epochs=12 train.votes=0.5")
    parser.add_argument(
        "--faces", type=_number, default=7168, help="number of training faces; default: 7,168, a quarter"
    )
    return parser.parse_intermixed_args()  # --faces may stand between the settings


def _number(text: str) -> int:
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"expected a whole number >= 1, received {text}")
    return int(text)


if __name__ == "__main__":
    main()
