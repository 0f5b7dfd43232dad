"""Times `dvc repro` when nothing changed, in a clone whose pipeline has run on a few drawn faces."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from benchmarks.processes import ROOT, Run, run, show_progress, write_settings
from benchmarks.results import Result
from emotion.errors import EmotionError

RUNS: Final = 5

SETTINGS: Final[dict[str, object]] = {
    "download.source": "sample",
    "download.sample.train": 20,
    "download.sample.validation": 6,
    "download.sample.test": 6,
    "train.architecture": "three_block_cnn",
    "train.epochs": 1,
    "train.warmup_epochs": 0,
    "train.start_from": "",
}
"""Settings for the shortest run of the whole pipeline, by dotted name."""


def measure(quick: bool) -> Iterator[Result]:
    """Yield the time of the command.

    Raises:
        EmotionError: a command failed, or DVC found something to do.
    """
    with tempfile.TemporaryDirectory() as name:
        clone = Path(name) / "clone"
        show_progress("dvc repro: running the pipeline once on drawn faces, in a clone of the last commit")
        run(["git", "clone", "--quiet", str(ROOT), str(clone)], ROOT)
        write_settings(clone, SETTINGS)
        run(["dvc", "repro"], clone)
        times = [_repro(clone, number).seconds for number in range(1 if quick else RUNS + 1)]
    # The first run fills the file cache and does not count.
    yield Result("dvc repro with nothing to do", "s", tuple(times[-RUNS:]))


def _repro(clone: Path, number: int) -> Run:
    show_progress(f"dvc repro: run {number + 1}")
    done = run(["dvc", "repro"], clone)
    if "Data and pipelines are up to date" not in done.output:
        raise EmotionError("dvc repro ran a stage again although nothing changed; run dvc status in a clone to see why")
    return done
