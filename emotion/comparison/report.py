"""A comparison of two revisions as Markdown: what a reviewer reads on the pull request.

Says the verdict first, then what it rests on, then what else changed. Texts from files stand in code spans, so that a
name in them can neither break a table nor call anybody.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Sequence
from typing import Any, Final

from emotion.comparison.revision import Revision, Table
from emotion.comparison.significance import JUDGE, ClassMove, Comparison, Flip, Pairs, Verdict
from emotion.markdown import points, table

ABSENT: Final = "-"
"""Where a revision has no such value, as DVC writes it."""

Names = tuple[str, str]
"""What the two revisions are called in the report."""


def describe(before: Revision, after: Revision, comparison: Comparison) -> str:
    """Write the whole report.

    Args:
        before: the revision to start from.
        after: the one that is judged.
        comparison: of the two.
    """
    names = (_code(before.name), _code(after.name))
    parts = [
        f"## {_title(after)} against {_title(before)}",
        _verdict(comparison, names),
        *(_warning(revision) for revision in (before, after) if revision.outdated),
        _accuracies(comparison, names),
        _section("Settings changed", ("Path", "Param", *names), _changes(before.params, after.params)),
        _classes(comparison.classes, names),
        _flips(comparison.flips, names),
        _section("Metrics changed", ("Path", "Metric", *names, "Change"), _metric_changes(before, after)),
    ]
    return "\n\n".join(part for part in parts if part) + "\n"


def _title(revision: Revision) -> str:
    known = revision.commit in {"", revision.name}
    return _code(revision.name) + ("" if known else f" ({_code(revision.commit)})")


def _verdict(comparison: Comparison, names: Names) -> str:
    paragraphs = [f"**Verdict: {comparison.verdict}.** {_reason(comparison, names)}"]
    if comparison.differences:
        paragraphs += ["These cannot be compared, their faces differ:", _differences(comparison)]
    return "\n\n".join(paragraphs)


def _differences(comparison: Comparison) -> str:
    return "\n".join(f"- {_code(split)}: {_code(text)}" for split, text in comparison.differences.items())


def _reason(comparison: Comparison, names: Names) -> str:
    if comparison.verdict is Verdict.INCOMPARABLE:
        return "Figures of different faces say nothing about which network is better."
    if not any(comparison.changed.values()):
        return "Both decide alike on every face."
    pairs = comparison.unseen[JUDGE]
    return (
        f"Of {pairs.faces:,} unseen {JUDGE} faces {names[0]} gets {pairs.before:.2%} right, {names[1]} "
        f"{pairs.after:.2%}: {points(pairs.difference)} points, 95% interval {_interval(pairs)}, "
        f"p {_probability(pairs.p_value, sign='= ')} (McNemar's exact test)."
    )


def _warning(revision: Revision) -> str:
    return (
        f"> **{_code(revision.name)} differs from the run that its `dvc.lock` records**, in "
        f"{', '.join(map(_code, revision.outdated))}: figures and settings may not belong together. "
        "Run `dvc repro` and commit what it writes."
    )


def _accuracies(comparison: Comparison, names: Names) -> str:
    if not comparison.every:
        return ""
    splits = sorted(comparison.every, key=lambda split: (split != JUDGE, split))
    rows = [
        _accuracy_row(split, which, pairs[split])
        for split in splits
        for which, pairs in (("unseen", comparison.unseen), ("all", comparison.every))
    ]
    only = [f"only {name} right" for name in names]
    return (
        f"{_aligned(('accuracy', 'faces', *names, 'points', '95% interval', *only, 'p'), rows)}\n\n"
        f"The first row decides; splits other than {JUDGE} are a report and get no p. Unseen: no exact copy of the "
        "face stands in train. Intervals by the paired bootstrap, p by McNemar's exact test."
    )


def _accuracy_row(split: str, which: str, pairs: Pairs) -> list[str]:
    faces = [f"{_code(split)} {which}", f"{pairs.faces:,}"]
    only = [f"{pairs.lost:,}", f"{pairs.gained:,}"]
    return [*faces, *_shares(pairs), _interval(pairs), *only, _probability(pairs.p_value) if split == JUDGE else ""]


def _classes(moves: Sequence[ClassMove], names: Names) -> str:
    if not any(move.pairs.lost + move.pairs.gained for move in moves):
        return ""
    real = [f"{_code(move.name)} ({points(move.pairs.difference)})" for move in moves if move.is_real]
    rows = [
        [_code(move.name), f"{move.pairs.faces:,}", *_shares(move.pairs), _probability(move.p_value)] for move in moves
    ]
    return (
        f"### Classes\n\nMoved beyond noise: {', '.join(real) or 'none'}. Recall on unseen {JUDGE} faces; p by "
        f"McNemar's exact test with Holm's correction for {len(moves)} classes.\n\n"
        f"{_aligned(('class', 'faces', *names, 'points', 'p'), rows)}"
    )


def _flips(flips: Sequence[Flip], names: Names) -> str:
    rows = [
        [
            _code(flip.name),
            _code(flip.label),
            f"{_code(flip.before)} (label {flip.confidence_before:.1%})",
            f"{_code(flip.after)} (label {flip.confidence_after:.1%})",
        ]
        for flip in flips
    ]
    if not rows:
        return ""
    return (
        f"### The {len(rows)} {JUDGE} faces that flipped most\n\nWhat each takes the face for, and the probability "
        f"that it gives to the label.\n\n{_aligned(('face', 'label', *names), rows)}"
    )


def _section(title: str, heading: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    return f"### {title}\n\n{_aligned(heading, rows) if rows else 'None.'}"


def _changes(before: Table, after: Table) -> list[list[str]]:
    return [
        [_code(path), _code(name), _value(before, path, name), _value(after, path, name)]
        for path, name in _moved(before, after)
    ]


def _metric_changes(before: Revision, after: Revision) -> list[list[str]]:
    old, new = before.metrics, after.metrics
    changes = [_change(old.get(key), new.get(key)) for key in _moved(old, new)]
    return [[*row, change] for row, change in zip(_changes(old, new), changes, strict=True)]


def _moved(before: Table, after: Table) -> list[tuple[str, str]]:
    absent = object()
    return [key for key in sorted({*before, *after}) if before.get(key, absent) != after.get(key, absent)]


def _value(values: Table, path: str, name: str) -> str:
    if (path, name) not in values:
        return ABSENT
    value = values[path, name]
    return _code(value if isinstance(value, str) else json.dumps(value, default=str))


def _change(before: Any, after: Any) -> str:
    numbers = isinstance(before, int | float) and isinstance(after, int | float)
    return f"{after - before:+.6g}" if numbers else ABSENT


def _shares(pairs: Pairs) -> list[str]:
    return [f"{pairs.before:.2%}", f"{pairs.after:.2%}", points(pairs.difference)]


def _interval(pairs: Pairs) -> str:
    low, high = pairs.interval
    return ABSENT if math.isnan(low) else f"{points(low)} to {points(high)}"


def _probability(value: float, sign: str = "") -> str:
    return "< 0.001" if value < 0.001 else f"{sign}{value:.3g}"


def _code(text: object) -> str:
    """Return a text of any origin as one code span that fits into a table."""
    safe = " ".join(str(text).replace("`", "'").replace("|", "\\|").split())
    return f"`{safe or repr('')}`"


def _aligned(heading: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """Return a table whose columns also line up in a terminal."""
    lines = [heading, *rows]
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    head, *rest = ([cell.ljust(width) for cell, width in zip(line, widths, strict=True)] for line in lines)
    return table(head, rest)
