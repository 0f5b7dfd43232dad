"""Times the start of each stage: a new Python process, its imports and the check of the settings."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from benchmarks.processes import ROOT, run, show_progress
from benchmarks.results import Result

RUNS: Final = 3

_KERAS: Final = "from emotion.networks.keras_setup import prepare; prepare({}); {}"

STAGES: Final = {
    "download": "",
    "preprocess": "",
    "train": _KERAS.format("train.backend, train.threads, train.seed", "from emotion.learning import training"),
    "export": _KERAS.format("'tensorflow', 0, 0", "from emotion import export"),
    "evaluate": "",
    "robustness": "",
    "saliency": "",
    "plot": "",
}
"""Stages in the order of the pipeline, each with what it imports before its work."""


def measure(quick: bool) -> Iterator[Result]:
    """Yield the start-up time of each stage."""
    for stage, more in STAGES.items():
        show_progress(f"start of the stage {stage}: measuring")
        code = f"import stages.{stage}; from emotion import params; train = params.load().train; {more}"
        times = [run(["python", "-c", code], ROOT).seconds for _ in range(1 if quick else RUNS + 1)]
        # The first run fills the file cache and does not count.
        yield Result(f"start of the stage {stage}", "s", tuple(times[-RUNS:]))
