"""Minutes of training on the real faces until the validation accuracy reaches 65% and 70%."""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Iterator
from itertools import accumulate
from pathlib import Path
from typing import Final

import pandas as pd
import yaml

from benchmarks.processes import ROOT, environment, show_progress, write_settings
from benchmarks.results import Result
from emotion.errors import DataError, EmotionError

GOALS: Final = (0.65, 0.70)

FOLDER: Final = ROOT / "build/benchmarks/accuracy"
"""Kept between measurements, so that hours of training are not lost; delete it to measure again."""

RECIPES: Final[dict[str, dict[str, object]]] = {
    "default recipe": {},
    "labels": {
        "train.epochs": 40,
        "train.votes": 0,
        "train.label_smoothing": 0.1,
        "train.augmentation.camera": 0,
    },
}

_HISTORY: Final = Path("plots/training/history.csv")
_LOG: Final = Path("build/train.log")
_DURATION: Final = re.compile(r"^epoch \d+: ([\d.]+) s$", re.MULTILINE)


def measure(quick: bool) -> Iterator[Result]:
    """Yield the minutes to each goal, or the best accuracy if a goal was not reached.

    Raises:
        DataError: there are no training faces.
        EmotionError: training failed.
    """
    for name, changes in RECIPES.items():
        more: dict[str, object] = {"train.epochs": 1, "train.warmup_epochs": 0} if quick else {}
        folder = FOLDER / (name.replace(" ", "_") + ("_quick" if quick else ""))
        _train(folder, {**changes, **more})
        yield from results_of(name, folder)


def results_of(name: str, folder: Path) -> Iterator[Result]:
    """Compute the minutes from the history and log of a folder in which the stage has run."""
    accuracies = pd.read_csv(folder / _HISTORY)["val_accuracy"].tolist()
    durations = map(float, _DURATION.findall((folder / _LOG).read_text(encoding="utf-8"))[-len(accuracies) :])
    minutes = [seconds / 60 for seconds in accumulate(durations)]
    for goal in GOALS:
        reached = [minute for minute, accuracy in zip(minutes, accuracies, strict=True) if accuracy >= goal]
        if reached:
            yield Result(f"{name}: to {goal:.0%} validation accuracy", "minutes", (reached[0],))
        else:
            what = f"{name}: {goal:.0%} not reached in {len(accuracies)} epochs, {minutes[-1]:.0f} minutes; best"
            yield Result(what, "% validation accuracy", (100 * max(accuracies),))


def _train(folder: Path, changes: dict[str, object]) -> None:
    faces = ROOT / "data/faces"
    if not (faces / "train.npz").is_file():
        raise DataError(f"there are no faces in {faces}; run: dvc repro preprocess")
    before = _settings_in(folder)
    (folder / "data/weights").mkdir(parents=True, exist_ok=True)
    if not (folder / "data/faces").exists():
        (folder / "data/faces").symlink_to(faces)
    write_settings(folder, changes)
    if (folder / _HISTORY).exists() and _settings_in(folder) == before:
        show_progress(f"{folder} holds a run with these settings; delete it to train again")
        return
    (folder / _HISTORY).unlink(missing_ok=True)
    show_progress(f"training in {folder}; {folder / _LOG} gets one line per epoch")
    command = [sys.executable, "-m", "stages.train"]
    result = subprocess.run(command, cwd=folder, env=environment(), stdout=sys.stderr, check=False)
    if result.returncode:
        raise EmotionError(f"stages.train ended with exit code {result.returncode}; its message is above")


def _settings_in(folder: Path) -> object:
    """Return the settings of training in a folder, or None if it has none."""
    path = folder / "params.yaml"
    return yaml.safe_load(path.read_text(encoding="utf-8"))["train"] if path.exists() else None
