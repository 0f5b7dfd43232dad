"""The table of measured values, as Markdown for people and as JSON for programs."""

from __future__ import annotations

import math
import statistics
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Final

from emotion import markdown
from emotion.files import write_json, write_text

OPERATIONS: Final = 6
"""Floating point operations of a training step for each multiply-add of the network: 2 forward, 4 backward."""

_HEADER: Final = (
    "what",
    "median",
    "lowest",
    "highest",
    "runs",
)
_WORK_HEADER: Final = (
    "multiply-adds an image, millions",
    "arithmetic, GFLOP/s",
    "matrix product, GFLOP/s",
)
"""Columns that only a table with training has."""


@dataclass(frozen=True)
class Work:
    """The arithmetic behind a speed.

    Attributes:
        multiply_adds: of the network, for one forward pass of one image.
        product_rate: GFLOP/s of a float32 matrix product in the same process.
    """

    multiply_adds: int
    product_rate: float


@dataclass(frozen=True)
class Result:
    """One line of the table.

    Attributes:
        what: what was measured.
        unit: of the values, such as `s` or `images/s`.
        values: one per run.
        work: only for training.
    """

    what: str
    unit: str
    values: tuple[float, ...]
    work: Work | None = None

    @property
    def median(self) -> float:
        """The median of the values."""
        return statistics.median(self.values)

    @property
    def arithmetic_rate(self) -> float | None:
        """GFLOP/s of the network in training."""
        return OPERATIONS * self.work.multiply_adds * self.median / 1e9 if self.work else None

    def __str__(self) -> str:
        return f"{self.what}: {digits(self.median)} {self.unit}"


def digits(value: float) -> str:
    """Write a number with three significant digits, without an exponent; zero as `0`."""
    decimals = max(0, 2 - math.floor(math.log10(abs(value)))) if value else 0
    return f"{value:,.{decimals}f}"


def table(results: Sequence[Result]) -> str:
    """Return a Markdown table."""
    work = any(result.work for result in results)
    header = (*_HEADER, *(_WORK_HEADER if work else ()))
    rows = [(*_cells(result), *(_work_cells(result) if work else ())) for result in results]
    return markdown.table(header, rows, numbers=True) + "\n"


def write(
    results: Sequence[Result],
    machine: dict[str, Any],
    origin: str,
    reading: str,
    path: Path,
    layout: Callable[[Sequence[Result]], str] = table,
) -> None:
    """Write the table as Markdown and as JSON.

    Args:
        results: the lines of the table.
        machine: as from `machine.describe`.
        origin: a sentence that says where the table comes from.
        reading: Markdown that explains the lines.
        path: path of both files, without a suffix.
        layout: what makes a Markdown table of the lines.
    """
    facts = "".join(f"- {name}: {value}\n" for name, value in machine.items())
    text = f"# Benchmarks\n\n{origin}\n\n{layout(results)}\n## How to read it\n\n{reading}\n## Machine\n\n{facts}"
    write_text(path.with_suffix(".md"), text)
    lines = [
        {**asdict(result), "median": result.median, "arithmetic_rate": result.arithmetic_rate} for result in results
    ]
    write_json(path.with_suffix(".json"), {"machine": machine, "results": lines})


def _cells(result: Result) -> tuple[str, ...]:
    return (
        result.what,
        f"{digits(result.median)} {result.unit}",
        digits(min(result.values)),
        digits(max(result.values)),
        str(len(result.values)),
    )


def _work_cells(result: Result) -> tuple[str, ...]:
    work = result.work
    return (
        digits(work.multiply_adds / 1e6) if work else "",
        digits(result.arithmetic_rate) if result.arithmetic_rate else "",
        digits(work.product_rate) if work else "",
    )
