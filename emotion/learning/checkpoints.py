"""Checkpoints: the state of an unfinished training run, from which a killed run resumes.

The state is in a folder that Git and DVC ignore. The name of the folder is a hash of everything that decides the
result. A finished run deletes its checkpoint.
"""

from __future__ import annotations

import hashlib
import json
import shutil
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final
from zipfile import BadZipFile

import numpy as np
from numpy.typing import NDArray

from emotion.files import replacing, sha256_of

FOLDER: Final = Path("build/checkpoints")

Arrays = list[NDArray[Any]]


@dataclass(frozen=True)
class State:
    """The state of a run after a finished epoch.

    Attributes:
        history: one row of numbers for each finished epoch.
        variables: everything from which the next epoch starts: weights, optimizer and random states.
        best: the weights to keep if no later epoch is better.
    """

    history: list[dict[str, float]]
    variables: Arrays
    best: Arrays


def key(parameters: dict[str, Any], inputs: list[Path], code: list[Path]) -> str:
    """Return a name that changes with the parameters, and with the name or content of an input or a module."""
    digest = hashlib.sha256(json.dumps(parameters, sort_keys=True).encode())
    for path in [*inputs, *code]:
        digest.update(path.name.encode())
        digest.update(sha256_of(path).encode())
    return digest.hexdigest()[:16]


class Checkpoint:
    """The state file of one run."""

    def __init__(self, name: str, folder: Path = FOLDER) -> None:
        self.folder = folder / name

    @property
    def _path(self) -> Path:
        return self.folder / "state.npz"

    def save(self, state: State) -> None:
        """Replace the stored state; if the process is killed meanwhile, the old state remains."""
        arrays = {f"variable_{index:05}": array for index, array in enumerate(state.variables)}
        arrays |= {f"best_{index:05}": array for index, array in enumerate(state.best)}
        with replacing(self._path) as temporary:
            np.savez(temporary, allow_pickle=False, history=np.array(json.dumps(state.history)), **arrays)

    def load(self) -> State | None:
        """Return the stored state, or None if there is none or it is damaged."""
        if not self._path.exists():
            return None
        try:
            return self._read()
        except (OSError, EOFError, ValueError, KeyError, NotImplementedError, BadZipFile) as error:
            print(f"{self._path} is damaged ({error}); training starts from the first epoch", file=sys.stderr)
            return None

    def _read(self) -> State:
        # Opened here because `np.load` leaves a damaged file open.
        with self._path.open("rb") as file, np.load(file, allow_pickle=False) as arrays:
            names = sorted(arrays.files)
            return State(
                history=json.loads(str(arrays["history"])),
                variables=[arrays[name] for name in names if name.startswith("variable_")],
                best=[arrays[name] for name in names if name.startswith("best_")],
            )

    def clear(self) -> None:
        """Delete the state of a finished run."""
        shutil.rmtree(self.folder, ignore_errors=True)
