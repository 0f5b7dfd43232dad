"""The command `python -m benchmarks.steps SECONDS`: time steps of training by the settings in the current folder."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Final

from emotion import params
from emotion.backend import prepare
from emotion.files import write_json

REPORT: Final = Path("steps.json")
"""What it writes, in the current folder."""


def main() -> None:
    """Measure and write the report."""
    settings = params.load().train
    prepare(settings.backend, settings.threads, settings.seed)
    # Keras chooses its backend when it is imported, hence after `prepare`.
    from benchmarks import clock

    write_json(REPORT, clock.measure(settings, float(sys.argv[1])))


if __name__ == "__main__":
    main()
