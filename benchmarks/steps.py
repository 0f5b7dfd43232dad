"""The command `python -m benchmarks.steps SECONDS`: times training steps with the settings of the current folder.

With `--unfused`, batch normalisation uses Keras' own code.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Final

from emotion import params
from emotion.files import write_json
from emotion.networks.keras_setup import prepare

REPORT: Final = Path("steps.json")
"""File that the command writes into the current folder."""

UNFUSED: Final = "--unfused"


def main() -> None:
    """Measure and write the report."""
    settings = params.load().train
    prepare(settings.backend, settings.threads, settings.seed)
    # Imported after `prepare`, because Keras chooses its backend at import.
    from benchmarks import clock

    write_json(REPORT, clock.measure(settings, float(sys.argv[1]), fused=UNFUSED not in sys.argv))


if __name__ == "__main__":
    main()
