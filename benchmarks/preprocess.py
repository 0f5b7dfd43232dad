"""Measures time and memory of the stage `preprocess` on FER-2013, or on a few drawn faces with --quick."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from benchmarks.processes import ROOT, Run, run, scratch_folder, show_progress
from benchmarks.results import Result
from emotion.data.archives import write_canonical
from emotion.data.sample_faces import draw_members
from emotion.errors import DataError
from emotion.files import read_json, write_csv
from emotion.votes import HEADER

RUNS: Final = 3


def measure(quick: bool) -> Iterator[Result]:
    """Yield time and peak memory.

    Raises:
        DataError: the archive is missing.
    """
    with scratch_folder({}) as folder:
        archive = folder / "data/raw/faces.zip"
        archive.parent.mkdir(parents=True)
        write_csv(archive.with_name("votes.csv"), HEADER, ())
        if quick:
            write_canonical(draw_members({"train": 4, "validation": 2, "test": 2}, seed=0), archive)
        else:
            archive.symlink_to(find_archive())
        runs = [_run(folder, number) for number in range(1 if quick else RUNS + 1)]
        # The first run fills the file cache and does not count.
        runs = runs[-RUNS:]
        faces = sum(read_json(folder / "metrics/data.json")["faces"].values())
    what = f"preprocess {faces:,} faces"
    yield Result(f"{what} (goal for FER-2013: 10 s)", "s", tuple(run.seconds for run in runs))
    yield Result(f"{what}, peak memory (goal: 1 GB)", "GB", tuple(run.peak_bytes / 1e9 for run in runs))


def _run(folder: Path, number: int) -> Run:
    show_progress(f"preprocess: run {number + 1}")
    return run(["python", "-m", "stages.preprocess"], folder)


def find_archive() -> Path:
    """Return the archive of FER-2013 that FER2013_ARCHIVE names, or that was downloaded.

    Raises:
        DataError: there is none.
    """
    named = os.environ.get("FER2013_ARCHIVE")
    path = Path(named) if named else ROOT / "data/raw/faces.zip"
    if not path.is_file():
        raise DataError(
            f"the archive of FER-2013 is missing: {path} is not a file; "
            "name the archive in FER2013_ARCHIVE or run: dvc repro download"
        )
    return path.resolve()
