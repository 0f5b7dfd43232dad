"""The command `python -m benchmarks [PART]`: measures speed, memory and face detection, one table per part."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator
from pathlib import Path

from benchmarks import machine
from benchmarks.parts import PARTS, Part
from benchmarks.processes import ROOT, show_progress
from benchmarks.results import Result, write
from emotion.errors import EmotionError, one_line


def main() -> None:
    """Measure, print the table and write it; exit with 2 on wrong usage, and with 1 and one line on a known error."""
    options = _options()
    part: Part = PARTS[options.part]
    partial = options.quick or options.only
    path = (options.folder or ROOT / ("build/benchmarks" if partial else "benchmarks")) / part.file
    facts = machine.describe()
    try:
        results = list(_measure(part, [options.only] if options.only else list(part.topics), options.quick))
        write(
            results, facts, f"`python -m benchmarks {options.part}` writes this file.", part.reading, path, part.layout
        )
    except (EmotionError, OSError) as error:
        sys.exit(f"benchmarks: {one_line(error)}")
    print(part.layout(results), end="")
    show_progress(f"written to {path}.md and {path.name}.json")


def _measure(part: Part, topics: list[str], quick: bool) -> Iterator[Result]:
    for topic in topics:
        for result in part.topics[topic](quick):
            show_progress(str(result))
            yield result


def _options() -> argparse.Namespace:
    topics = {topic: name for name, part in PARTS.items() for topic in part.topics}
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument(
        "part", nargs="?", choices=PARTS, default="pipeline", help="what to measure; without it: pipeline"
    )
    parser.add_argument("--only", choices=topics, help="measure only this topic")
    parser.add_argument(
        "--quick", action="store_true", help="one short run of each on few faces, to check that everything works"
    )
    parser.add_argument(
        "--folder", type=Path, help="folder of the table; benchmarks/, or build/benchmarks/ with --only or --quick"
    )
    options = parser.parse_args()
    if options.only:
        options.part = topics[options.only]
    return options


if __name__ == "__main__":
    main()
