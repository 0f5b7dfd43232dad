"""How long each stage takes before it works: a fresh Python, its imports and the check of the settings."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from benchmarks.processes import ROOT, run, say
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
"""Stages in the order of the pipeline, and what they import first of all when they run."""


def measure(quick: bool) -> Iterator[Result]:
    """Yield one time for each stage."""
    for stage, more in STAGES.items():
        say(f"start of the stage {stage}: measuring")
        code = f"import stages.{stage}; from emotion import params; train = params.load().train; {more}"
        times = [run(["python", "-c", code], ROOT).seconds for _ in range(1 if quick else RUNS + 1)]
        # The first one fills the file cache.
        yield Result(f"start of the stage {stage}", "s", tuple(times[-RUNS:]))
