"""The one table: what was measured, in the forms for a person and for a program."""

from __future__ import annotations

import math
import statistics
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Final

from emotion.files import write_json, write_text

OPERATIONS: Final = 6
"""Floating point operations of a training step for each multiply-add of the network: 2 forward, 4 backward."""

_HEADER: Final = (
    "what",
    "median",
    "lowest",
    "highest",
    "runs",
    "multiply-adds an image, millions",
    "arithmetic, GFLOP/s",
    "matrix product, GFLOP/s",
)

_EXPLANATION: Final = f"""
- Times are of whole processes, by the clock on the wall, after one run that does not count.
- A run of `train` is one step of the real training loop on random faces: input pipeline, augmentation, forward,
  backward and optimizer, by the settings in `params.yaml` where the line names no other; the first steps do not count.
- Arithmetic is {OPERATIONS} operations (2 forward, 4 backward) x multiply-adds x images/s, of convolutions and dense
  layers alone. Beside it is the rate of float32 products of two 1024x1024 matrices, one after each step, in the same
  process.
- `dvc repro` with nothing to do: in a clone, after a pipeline of drawn faces; DVC does not look into unchanged files,
  so their size does not matter.
- Start of a stage: Python, its imports, Keras and its backend included, and the check of `params.yaml`.
"""


@dataclass(frozen=True)
class Work:
    """The arithmetic behind a speed.

    Attributes:
        multiply_adds: of the network, for one image forward.
        product_rate: of a float32 matrix product in the same process, GFLOP/s.
    """

    multiply_adds: int
    product_rate: float


@dataclass(frozen=True)
class Result:
    """One line of the table.

    Attributes:
        what: what was measured.
        unit: of the values, such as `s` or `images/s`.
        values: one for each run.
        work: for training alone.
    """

    what: str
    unit: str
    values: tuple[float, ...]
    work: Work | None = None

    @property
    def median(self) -> float:
        """The middle of the values."""
        return statistics.median(self.values)

    @property
    def arithmetic_rate(self) -> float | None:
        """Arithmetic of the network while training, GFLOP/s."""
        return OPERATIONS * self.work.multiply_adds * self.median / 1e9 if self.work else None

    def __str__(self) -> str:
        return f"{self.what}: {digits(self.median)} {self.unit}"


def digits(value: float) -> str:
    """Write a positive number with three significant digits, without an exponent."""
    decimals = max(0, 2 - math.floor(math.log10(value)))
    return f"{value:,.{decimals}f}"


def table(results: Sequence[Result]) -> str:
    """Return a Markdown table."""
    lines = [_HEADER, ("---", *["---:"] * (len(_HEADER) - 1)), *(_cells(result) for result in results)]
    return "".join(f"| {' | '.join(cells)} |\n" for cells in lines)


def write(results: Sequence[Result], machine: dict[str, Any], folder: Path) -> None:
    """Write `results.md` and `results.json`.

    Args:
        results: the lines of the table.
        machine: as from `machine.describe`.
        folder: where to.
    """
    facts = "".join(f"- {name}: {value}\n" for name, value in machine.items())
    text = f"# Benchmarks\n\n`python -m benchmarks` writes this file.\n\n{table(results)}\n## How to read it\n"
    write_text(folder / "results.md", f"{text}{_EXPLANATION}\n## Machine\n\n{facts}")
    lines = [
        {**asdict(result), "median": result.median, "arithmetic_rate": result.arithmetic_rate} for result in results
    ]
    write_json(folder / "results.json", {"machine": machine, "results": lines})


def _cells(result: Result) -> tuple[str, ...]:
    work = result.work
    return (
        result.what,
        f"{digits(result.median)} {result.unit}",
        digits(min(result.values)),
        digits(max(result.values)),
        str(len(result.values)),
        digits(work.multiply_adds / 1e6) if work else "",
        digits(result.arithmetic_rate) if result.arithmetic_rate else "",
        digits(work.product_rate) if work else "",
    )
