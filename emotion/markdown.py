"""Tables and figures in Markdown, as model card and pull-request report write them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from math import isnan


def table(heading: Sequence[str], rows: Iterable[Sequence[str]], *, numbers: bool = False) -> str:
    """Return a table of the given texts; with `numbers`, all columns but the first are aligned to the right."""
    rule = ["---", *["---:" if numbers else "---"] * (len(heading) - 1)]
    lines = [heading, rule, *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def share(value: float | None) -> str:
    """Return a share of 1 in percent; `n/a` for None and NaN."""
    return "n/a" if value is None or isnan(value) else f"{value:.2%}"


def interval(low: float, high: float) -> str:
    """Return both ends of an interval of shares in parentheses, after a space; nothing for NaN."""
    return "" if isnan(low) else f" ({low:.2%} to {high:.2%})"


def points(difference: float) -> str:
    """Return a difference of shares in percentage points, with its sign."""
    return f"{100 * difference:+.2f}"
