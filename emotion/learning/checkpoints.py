"""The state of an unfinished training run, so that a killed one goes on from its last finished epoch.

It lies in a folder that Git and DVC ignore, under a key of everything that decides the result; a finished run
deletes it.
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
    """Where a run stands after a finished epoch.

    Attributes:
        history: one row of numbers for each finished epoch.
        variables: everything that the next epoch starts from: weights, optimizer, random states.
        best: the weights of the epoch that would be kept if the run ended now.
    """

    history: list[dict[str, float]]
    variables: Arrays
    best: Arrays


def key(parameters: dict[str, Any], inputs: list[Path], code: list[Path]) -> str:
    """Return a name that changes with the parameters, the content of the inputs, or the code."""
    digest = hashlib.sha256(json.dumps(parameters, sort_keys=True).encode())
    for path in [*inputs, *code]:
        digest.update(path.name.encode())
        digest.update(sha256_of(path).encode())
    return digest.hexdigest()[:16]


class Checkpoint:
    """One run's state file."""

    def __init__(self, name: str, folder: Path = FOLDER) -> None:
        self.folder = folder / name

    @property
    def _path(self) -> Path:
        return self.folder / "state.npz"

    def save(self, state: State) -> None:
        """Replace the stored state; a process killed meanwhile leaves the old one."""
        arrays = {f"variable_{index:05}": array for index, array in enumerate(state.variables)}
        arrays |= {f"best_{index:05}": array for index, array in enumerate(state.best)}
        with replacing(self._path) as temporary:
            np.savez(temporary, allow_pickle=False, history=np.array(json.dumps(state.history)), **arrays)

    def load(self) -> State | None:
        """Return the stored state, or None where this run has not finished an epoch."""
        if not self._path.exists():
            return None
        try:
            return self._read()
        except (OSError, EOFError, ValueError, KeyError, NotImplementedError, BadZipFile) as error:
            print(f"{self._path} cannot be read ({error}): training starts afresh", file=sys.stderr)
            return None

    def _read(self) -> State:
        # Opened here, because NumPy leaves a file open that turns out to be no archive.
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
