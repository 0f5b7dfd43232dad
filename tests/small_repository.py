"""Scratch repositories with made-up predictions, for the tests that compare revisions."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Sequence
from pathlib import Path

from emotion.files import write_csv, write_json, write_text

CLASSES = ("happy", "sad", "fear")
FACES = 400
"""Faces in each split; the first quarter have a copy in train."""

MISSES = tuple(index for index in range(FACES) if index % 5 == 0)
"""Indices of the faces that a network gets wrong unless the test chooses others."""


def git(root: Path, *arguments: str) -> str:
    settings = ("-c", "user.name=test", "-c", "user.email=test@localhost", "-c", "init.defaultBranch=main")
    command = ["git", *settings, *arguments]
    return subprocess.run(command, cwd=root, check=True, capture_output=True, text=True).stdout.strip()


def commit(root: Path, message: str = "change") -> str:
    """Commit everything and return the commit."""
    git(root, "add", "--all")
    git(root, "commit", "--quiet", "--allow-empty", "--message", message)
    return git(root, "rev-parse", "HEAD")


def predictions(
    split: str,
    misses: Sequence[int] = MISSES,
    *,
    faces: int = FACES,
    classes: Sequence[str] = CLASSES,
    confidence: float = 0.8,
) -> list[list[object]]:
    """Make the rows of one split: labels alternate, and a wrong prediction is the class after the label."""
    rows: list[list[object]] = []
    for index in range(faces):
        label = index % len(classes)
        predicted = (label + (index in set(misses))) % len(classes)
        rest = (1 - confidence) / (len(classes) - 1)
        probabilities = [f"{confidence if number == predicted else rest:.6f}" for number in range(len(classes))]
        name = f"test/{split}_{index:04}.jpg"
        rows.append([split, name, classes[label], classes[predicted], *probabilities, int(index < faces // 4)])
    return rows


def write_predictions(
    root: Path, rows: Sequence[Sequence[object]], classes: Sequence[str] = CLASSES, *, duplicate: str = "duplicate"
) -> None:
    write_csv(root / "data/predictions.csv", ("split", "name", "actual", "predicted", *classes, duplicate), rows)


def write_project(
    root: Path, misses: Sequence[int] = MISSES, *, test_misses: Sequence[int] = MISSES, epochs: int = 28
) -> None:
    """Write the files of a revision that a comparison reads."""
    write_predictions(root, [*predictions("validation", misses), *predictions("test", test_misses)])
    for split, missed in (("validation", misses), ("test", test_misses)):
        write_json(root / f"metrics/{split}.json", {"accuracy": 1 - len(missed) / FACES})
    write_text(root / "params.yaml", f"train:\n  epochs: {epochs}\n  learning_rate: 1e-05\n")


def start(root: Path, misses: Sequence[int] = MISSES) -> str:
    """Make a repository with one commit on main and return that commit."""
    root.mkdir(exist_ok=True)
    git(root, "init", "--quiet")
    write_project(root, misses)
    return commit(root)


def write_lock(root: Path, outs: dict[str, str], params: object) -> None:
    """Write a `dvc.lock`; JSON is YAML."""
    listed = [{"path": path, "md5": md5} for path, md5 in outs.items()]
    stages = {"evaluate": {"outs": listed, "params": {"params.yaml": params}}}
    write_text(root / "dvc.lock", json.dumps({"schema": "2.0", "stages": stages}))
