"""Figures in Markdown: tables, shares and intervals, the way the model card writes them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence


def table(heading: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """Return a table of ready texts."""
    lines = [heading, ["---"] * len(heading), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def share(value: float | str | None) -> str:
    """Return a share of 1 in percent; `n/a` for None and for the empty field of a csv."""
    return "n/a" if value is None or value == "" else f"{float(value):.2%}"


def interval(low: float | str, high: float | str) -> str:
    """Return both ends of an interval of shares in parentheses, after a space; nothing for empty fields of a csv."""
    return "" if low == "" else f" ({float(low):.2%} to {float(high):.2%})"


def points(difference: float | str) -> str:
    """Return a difference of shares in percentage points, with its sign."""
    return f"{100 * float(difference):+.2f}"
