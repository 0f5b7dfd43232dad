"""The command `python -m benchmarks.steps SECONDS`: time steps of training by the settings in the current folder.

With `--unfused`, batch normalisation is Keras' own.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Final

from emotion import params
from emotion.files import write_json
from emotion.networks.keras_setup import prepare

REPORT: Final = Path("steps.json")
"""What it writes, in the current folder."""

UNFUSED: Final = "--unfused"


def main() -> None:
    """Measure and write the report."""
    settings = params.load().train
    prepare(settings.backend, settings.threads, settings.seed)
    # Keras chooses its backend when it is imported, hence after `prepare`.
    from benchmarks import clock

    write_json(REPORT, clock.measure(settings, float(sys.argv[1]), fused=UNFUSED not in sys.argv))


if __name__ == "__main__":
    main()
