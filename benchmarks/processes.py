"""Runs what is measured in a new process, with its own thread settings, and records its time and memory.

No heavy imports here: the kernel counts the memory of this process in the peak of the processes that it starts.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import reduce
from operator import getitem
from pathlib import Path
from typing import Final

import yaml

from emotion.errors import EmotionError, ParameterError
from emotion.files import write_text

ROOT: Final = Path(__file__).parents[1]
"""The project's folder."""

_PEAK_UNIT: Final = 1 if sys.platform == "darwin" else 1024
"""Bytes in the unit of `ru_maxrss`."""


@dataclass(frozen=True)
class Run:
    """Cost and output of a process.

    Attributes:
        seconds: from its start to its end.
        peak_bytes: its peak memory.
        output: what it printed, including errors.
    """

    seconds: float
    peak_bytes: int
    output: str


def run(command: Sequence[str], folder: Path) -> Run:
    """Run a command to its end, with the variables of `environment`.

    Raises:
        EmotionError: the command failed.
    """
    with tempfile.TemporaryFile() as output:
        begun = time.perf_counter()
        process = subprocess.Popen(command, cwd=folder, env=environment(), stdout=output, stderr=subprocess.STDOUT)
        _, status, usage = os.wait4(process.pid, 0)
        seconds = time.perf_counter() - begun
        process.returncode = os.waitstatus_to_exitcode(status)
        output.seek(0)
        text = output.read().decode(errors="replace")
    if process.returncode:
        last = text.strip().rpartition("\n")[2]
        raise EmotionError(f"{command[0]} {command[-1]} ended with exit code {process.returncode}: {last}")
    return Run(seconds, usage.ru_maxrss * _PEAK_UNIT, text)


def environment() -> dict[str, str]:
    """Return the environment variables under which `python`, `dvc` and `emotion` belong to this Python environment."""
    # The commands are in the folder of the interpreter, before its symbolic link is resolved.
    path = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])
    return {**os.environ, "PATH": path, "PYTHONPATH": str(ROOT)}


@contextmanager
def scratch_folder(changes: dict[str, object]) -> Iterator[Path]:
    """Yield a temporary folder with the settings of the project, after the given changes."""
    with tempfile.TemporaryDirectory() as name:
        write_settings(Path(name), changes)
        yield Path(name)


def write_settings(folder: Path, changes: dict[str, object]) -> None:
    """Write the settings of the project into a folder as `params.yaml`, after the given changes.

    Args:
        folder: the folder.
        changes: new values by dotted name, such as `train.epochs`.

    Raises:
        ParameterError: a name leads through a section that does not exist.
    """
    content = yaml.safe_load((ROOT / "params.yaml").read_text(encoding="utf-8"))
    for name, value in changes.items():
        *sections, key = name.split(".")
        try:
            reduce(getitem, sections, content)[key] = value
        except (KeyError, TypeError) as error:
            raise ParameterError(f"there is no setting {name}; params.yaml has all settings") from error
    write_text(folder / "params.yaml", yaml.safe_dump(content, sort_keys=False))


def show_progress(text: str) -> None:
    """Print progress on standard error, apart from the table."""
    print(text, file=sys.stderr, flush=True)
