"""The real pipeline on a few drawn faces, in copies of this tree, for the tests that run DVC."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[1]
BIN = Path(sys.executable).parent
STAGES = ["download", "preprocess", "train", "export", "evaluate", "robustness", "saliency", "plot"]

# As little work as exercises every stage.
SETTINGS = [
    "download.source=sample",
    "download.sample.train=12",
    "download.sample.validation=4",
    "download.sample.test=4",
    "train.architecture=three_block_cnn",
    "train.augmentation.crop=24",
    "train.batch_size=16",
    "train.epochs=1",
    "train.precision=float32",
    "plot.dpi=50",
]


def attempt(folder: Path, *command: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """Run a command as in an activated environment without settings of Git; stderr stands among the lines of stdout."""
    inherited = {name: value for name, value in os.environ.items() if not name.startswith(("PYTHON", "DVC_", "GIT_"))}
    environment |= {"PATH": f"{BIN}{os.pathsep}{os.environ['PATH']}", "GIT_CONFIG_GLOBAL": os.devnull}
    return subprocess.run(
        command,
        cwd=folder,
        env=inherited | environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )


def run(folder: Path, *command: str, **environment: str) -> str:
    result = attempt(folder, *command, **environment)
    assert result.returncode == 0, result.stdout
    return result.stdout


def dvc(folder: Path, *arguments: str, **environment: str) -> str:
    return run(folder, sys.executable, "-m", "dvc", *arguments, **environment)


def ran(output: str) -> list[str]:
    """Return the stages whose command ran; one taken from DVC's cache of runs did not."""
    return re.findall(r"^Running stage '(\w+)':$", output, re.MULTILINE)


def choose(*settings: str) -> list[str]:
    return [argument for setting in settings for argument in ("--set-param", setting)]


def commit(folder: Path) -> None:
    run(folder, "git", "add", "--all")
    run(folder, "git", "commit", "--quiet", "--message", "x")


def copy_tree(target: Path) -> None:
    """Copy this working tree, uncommitted changes too, into a repository of its own."""
    listed = run(ROOT, "git", "ls-files", "-z", "--cached", "--others", "--exclude-standard").split("\0")
    for name in filter(None, listed):
        if (ROOT / name).is_file():
            (target / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(ROOT / name, target / name)
    run(target, "git", "init", "--quiet")
    identify(target)
    commit(target)


def identify(folder: Path) -> None:
    run(folder, "git", "config", "user.name", "test")
    run(folder, "git", "config", "user.email", "test@localhost")
