"""The command `python -m benchmarks`: measure what is fast and what is not, side by side in one table."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Final

from benchmarks import machine, preprocess, repro, startup, training
from benchmarks.processes import ROOT, say
from benchmarks.results import Result, table, write
from emotion.errors import EmotionError, one_line

TOPICS: Final[dict[str, Callable[[bool], Iterator[Result]]]] = {
    "preprocess": preprocess.measure,
    "training": training.measure,
    "dvc": repro.measure,
    "startup": startup.measure,
}
"""Each yields lines of the table; True asks for a quick look."""


def main() -> None:
    """Measure, show the table and write it; exit 2 on usage, 1 with one line on a known error."""
    options = _options()
    partial = options.quick or options.only
    folder = options.folder or ROOT / ("build/benchmarks" if partial else "benchmarks")
    facts = machine.describe()
    try:
        results = list(_measure([options.only] if options.only else list(TOPICS), options.quick))
        write(results, facts, folder)
    except (EmotionError, OSError) as error:
        sys.exit(f"benchmarks: {one_line(error)}")
    print(table(results), end="")
    say(f"written to {folder}/results.md and results.json")


def _measure(topics: list[str], quick: bool) -> Iterator[Result]:
    for topic in topics:
        for result in TOPICS[topic](quick):
            say(str(result))
            yield result


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("--only", choices=TOPICS, help="measure this alone")
    parser.add_argument("--quick", action="store_true", help="one run of each on drawn faces, to see that all works")
    parser.add_argument(
        "--folder",
        type=Path,
        help="where results.md and results.json go: benchmarks/, with --only or --quick build/benchmarks/",
    )
    return parser.parse_args()


if __name__ == "__main__":
    main()
