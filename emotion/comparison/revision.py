"""The predictions, metrics and settings of one revision of this project, from Git or the workspace.

Reads only files that are in Git, so a fresh clone without data, models or a DVC remote is enough.
"""

from __future__ import annotations

import csv
import io
import json
import os
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from emotion.dvc_lock import flatten, md5_of, older_inputs, recorded_hashes, recorded_params, stages_behind
from emotion.errors import DataError, one_line

WORKSPACE: Final = "workspace"
PREDICTIONS: Final = "data/predictions.csv"
METRICS: Final = "metrics"
PICTURES: Final = "plots/pictures"
PARAMS: Final = "params.yaml"
LOCK: Final = "dvc.lock"

DUPLICATE: Final = ("duplicate", "twin")
"""Names of the column that marks faces of which train holds a copy: the present one, and that of older revisions."""

Table = dict[tuple[str, str], Any]
"""Values by file and dotted name, such as ("params.yaml", "train.epochs")."""


@dataclass(frozen=True)
class RevisionPredictions:
    """A network's predictions for the faces of one split, in the order of their names.

    Attributes:
        names: str, shape (n,), archive member that each face came from.
        labels: str, shape (n,), label of each face.
        predicted: str, shape (n,), class with the highest probability.
        confidence: float64, shape (n,), 0-1, probability of the label.
        duplicate: bool, shape (n,), whether train holds an exact copy of the face.
    """

    names: NDArray[np.str_]
    labels: NDArray[np.str_]
    predicted: NDArray[np.str_]
    confidence: NDArray[np.float64]
    duplicate: NDArray[np.bool_]

    @property
    def right(self) -> NDArray[np.bool_]:
        """Whether the prediction is the label, for each face."""
        right: NDArray[np.bool_] = self.predicted == self.labels
        return right


@dataclass(frozen=True)
class Revision:
    """One side of a comparison.

    Attributes:
        name: name in the report: a branch, a tag, a short commit or `workspace`.
        commit: short commit; empty for the workspace.
        classes: class names, in the order of the network's output.
        splits: predictions by split.
        metrics: headline metrics of every file in `metrics/`.
        params: settings.
        outdated: files and settings that differ from those in `dvc.lock`: the pipeline has not run on them.
        is_stale: whether the predictions depend on any of those.
    """

    name: str
    commit: str
    classes: tuple[str, ...]
    splits: Mapping[str, RevisionPredictions]
    metrics: Table
    params: Table
    outdated: tuple[str, ...]
    is_stale: bool


@dataclass(frozen=True)
class Tree:
    """The files of a revision: from Git if it has a commit, otherwise from the folder on disk."""

    name: str
    commit: str
    root: Path

    def paths(self, folder: str) -> list[str]:
        """List the files of a folder by name, without those of its subfolders."""
        if self.commit:
            found = _git(self.root, "ls-tree", "-z", "--name-only", self.commit, f"./{folder}/") or b""
            return sorted(found.decode().rstrip("\0").split("\0"))
        return sorted(f"{folder}/{path.name}" for path in (self.root / folder).glob("*"))

    def find(self, path: str) -> bytes | None:
        """Return the content of a file, or None if the revision has no such file."""
        if self.commit:
            return _git(self.root, "cat-file", "blob", f"{self.commit}:./{path}")
        return (self.root / path).read_bytes() if (self.root / path).is_file() else None

    def read(self, path: str) -> str:
        """Return the text of a file.

        Raises:
            DataError: the revision has no such file, or it is not UTF-8.
        """
        content = self.find(path)
        if content is None:
            raise self.error(path, "the file is missing")
        try:
            return content.decode()
        except UnicodeDecodeError as error:
            raise self.error(path, f"the file is not UTF-8 text ({one_line(error)})") from error

    def error(self, path: str, problem: str) -> DataError:
        """Say what is wrong with a file of this revision and what to do about it."""
        there = " there and commit the result" if self.commit else ""
        return DataError(f"{self.name}, {path}: {problem}; run dvc repro{there}")


def read_revision(name: str | None, root: Path = Path()) -> Revision:
    """Read one side of a comparison.

    Args:
        name: a branch, tag or commit; None reads the workspace.
        root: the project's folder.

    Raises:
        DataError: Git does not know the revision, or one of its files is missing or broken.
    """
    tree = _find_tree(name, root)
    classes, splits = _read_predictions(tree)
    params = _read_yaml(tree, PARAMS)
    outdated, is_stale = _find_outdated(tree, params)
    return Revision(
        name=tree.name,
        commit=tree.commit[:7],
        classes=classes,
        splits=splits,
        metrics=_read_metrics(tree),
        params={(PARAMS, key): value for key, value in flatten(params).items()},
        outdated=outdated,
        is_stale=is_stale,
    )


def read_pictures(name: str | None, root: Path = Path()) -> dict[str, bytes]:
    """Read the pictures that the stage `plot` drew in one revision: PNG files by name.

    Args:
        name: a branch, tag or commit; None reads the workspace.
        root: the project's folder.

    Raises:
        DataError: Git does not know the revision.
    """
    tree = _find_tree(name, root)
    paths = [path for path in tree.paths(PICTURES) if path.endswith(".png")]
    return {Path(path).stem: tree.find(path) or b"" for path in paths}


def _find_tree(name: str | None, root: Path) -> Tree:
    if name is None:
        return Tree(WORKSPACE, "", root)
    found = _git(root, "rev-parse", "--verify", "--quiet", "--end-of-options", f"{name}^{{commit}}")
    if found is None:
        raise DataError(
            f"{name!r} is not a branch, tag or commit of this repository; "
            "git branch --all lists the branches, git fetch gets new ones"
        )
    commit = found.decode().strip()
    return Tree(commit[:7] if commit.startswith(name) else name, commit, root)


def _git(root: Path, *arguments: str) -> bytes | None:
    """Return what Git prints, or None if Git does not know the revision or file."""
    environment = {**os.environ, "LC_ALL": "C"}
    result = subprocess.run(["git", *arguments], cwd=root, env=environment, capture_output=True, check=False)
    if b"not a git repository" in result.stderr:
        raise DataError(f"{root.resolve()} is not in a Git repository; run the command in the project's clone")
    return None if result.returncode else result.stdout


def _read_predictions(tree: Tree) -> tuple[tuple[str, ...], dict[str, RevisionPredictions]]:
    rows = csv.DictReader(io.StringIO(tree.read(PREDICTIONS)))
    columns = rows.fieldnames or ()
    # Between these columns is one probability for each class.
    expected = ["split", "name", "actual", "predicted", *columns[4:-1]]
    if list(columns[:-1]) != expected or columns[-1] not in DUPLICATE:
        received = ", ".join(columns) or "none"
        raise tree.error(PREDICTIONS, f"expected the columns that the evaluate stage writes, received {received}")
    by_split: dict[str, list[dict[str, str]]] = {}
    try:
        for row in rows:
            by_split.setdefault(row["split"], []).append(row)
        return tuple(columns[4:-1]), {split: _to_predictions(each, columns[-1]) for split, each in by_split.items()}
    except (KeyError, TypeError, ValueError, csv.Error) as error:
        problem = f"expected a class, probabilities and 0 or 1 in every row, received {error}"
        raise tree.error(PREDICTIONS, problem) from error


def _to_predictions(rows: list[dict[str, str]], duplicate: str) -> RevisionPredictions:
    rows = sorted(rows, key=lambda row: row["name"])
    return RevisionPredictions(
        names=np.array([row["name"] for row in rows]),
        labels=np.array([row["actual"] for row in rows]),
        predicted=np.array([row["predicted"] for row in rows]),
        confidence=np.array([float(row[row["actual"]]) for row in rows]),
        duplicate=np.array([bool(int(row[duplicate])) for row in rows]),
    )


def _read_metrics(tree: Tree) -> Table:
    contents = {path: _read_json(tree, path) for path in _list_metrics(tree)}
    return {(path, key): value for path, content in contents.items() for key, value in flatten(content).items()}


def _read_json(tree: Tree, path: str) -> dict[str, Any]:
    try:
        content = json.loads(tree.read(path))
    except json.JSONDecodeError as error:
        raise tree.error(path, f"the file is not valid JSON ({one_line(error)})") from error
    return _check_mapping(tree, path, content)


def _list_metrics(tree: Tree) -> list[str]:
    return [path for path in tree.paths(METRICS) if path.endswith(".json")]


def _read_yaml(tree: Tree, path: str) -> dict[str, Any]:
    from yaml import YAMLError

    from emotion import yaml_text

    try:
        content = yaml_text.parse(tree.read(path))
    except YAMLError as error:
        raise tree.error(path, f"the file is not valid YAML ({one_line(error)})") from error
    return _check_mapping(tree, path, content)


def _check_mapping(tree: Tree, path: str, content: object) -> dict[str, Any]:
    if not isinstance(content, dict):
        raise tree.error(path, f"expected keys with values, received {content!r}")
    return content


def _read_stages(tree: Tree) -> dict[str, Any]:
    """Return the stages in `dvc.lock`; none if there is no such file."""
    if tree.find(LOCK) is None:
        return {}
    stages: dict[str, Any] = _read_yaml(tree, LOCK)["stages"]
    return stages


def _find_outdated(tree: Tree, params: Mapping[str, Any]) -> tuple[tuple[str, ...], bool]:
    """Name what differs from the last run in `dvc.lock`, and say whether the predictions depend on any of it."""
    try:
        stages = _read_stages(tree)
        behind = stages_behind(PREDICTIONS, stages)
        return tuple(_differences_to(tree, params, stages)), bool(_differences_to(tree, params, behind))
    except (AttributeError, KeyError, TypeError) as error:
        raise tree.error(LOCK, f"expected stages as DVC writes them, received something else ({error!r})") from error


def _differences_to(tree: Tree, params: Mapping[str, Any], stages: Mapping[str, Any]) -> list[str]:
    """Name the results that these stages did not write, the settings they did not run with, and older inputs."""
    recorded = recorded_hashes(stages)
    files = [path for path in (PREDICTIONS, *_list_metrics(tree)) if path in recorded]
    changed = [path for path in files if md5_of(tree.find(path) or b"") != recorded[path]]
    settings: set[str] = set()
    for sections in map(recorded_params, stages.values()):
        ran, present = flatten(sections), flatten({name: params[name] for name in sections if name in params})
        settings |= {key for key in {*ran, *present} if ran.get(key) != present.get(key)}
    return [*changed, *sorted(settings), *_describe_older(older_inputs(stages))]


def _describe_older(older: Sequence[tuple[str, str]]) -> list[str]:
    """Say in one entry which files are newer than what stages read: each stage mostly read all of them."""
    if not older:
        return []
    readers, paths = (", ".join(dict.fromkeys(each)) for each in zip(*older, strict=True))
    return [f"{paths}, newer than what {readers} read"]
