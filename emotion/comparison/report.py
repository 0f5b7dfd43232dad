"""The review report: a comparison of two revisions as Markdown, for the pull request.

Warnings and verdict come first, then the evidence, then the other changes. Texts from files are put into code spans, so
that they can neither break a table nor mention a user.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Sequence
from typing import Any, Final

from emotion.comparison.revision import Revision, Table
from emotion.comparison.significance import DECIDING_SPLIT, ClassChange, Comparison, Flip, Pairs, Verdict
from emotion.markdown import points, table

ABSENT: Final = "-"
"""Shown where a revision has no such value, as in DVC."""

Names = tuple[str, str]
"""Names of the two revisions in the report."""


def describe(before: Revision, after: Revision, comparison: Comparison) -> str:
    """Write the whole report.

    Args:
        before: the revision to compare with.
        after: the revision under review.
        comparison: the comparison of the two.
    """
    names = (_code(before.name), _code(after.name))
    parts = [
        f"## {_title(after)} against {_title(before)}",
        *(_warning(revision) for revision in (before, after) if revision.outdated),
        _verdict(comparison, names),
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
        paragraphs += ["The data differs:", _differences(comparison)]
    return "\n\n".join(paragraphs)


def _differences(comparison: Comparison) -> str:
    return "\n".join(f"- {_code(split)}: {_code(text)}" for split, text in comparison.differences.items())


def _reason(comparison: Comparison, names: Names) -> str:
    if comparison.verdict is Verdict.WITHHELD:
        stale = " and ".join(map(_code, comparison.stale))
        return f"The predictions of {stale} are older than its settings or data."
    if comparison.verdict is Verdict.INCOMPARABLE:
        return "Metrics on different data do not show which network is better."
    if not any(comparison.changed.values()):
        return "Both networks predict the same class for every face."
    pairs = comparison.unseen[DECIDING_SPLIT]
    return (
        f"On {pairs.faces:,} unseen {DECIDING_SPLIT} faces, the accuracy on the labels is {pairs.before:.2%} for "
        f"{names[0]} and {pairs.after:.2%} for {names[1]}: {points(pairs.difference)} points, 95% confidence interval "
        f"{_interval(pairs)}, p {_probability(pairs.p_value, sign='= ')} (McNemar's exact test)."
    )


def _warning(revision: Revision) -> str:
    return (
        f"> **{_code(revision.name)} differs from the last run in its `dvc.lock`** "
        f"({', '.join(map(_code, revision.outdated))}), so its metrics may not match its settings. "
        "Run `dvc repro` and commit the result."
    )


def _accuracies(comparison: Comparison, names: Names) -> str:
    if not comparison.all_faces:
        return ""
    splits = sorted(comparison.all_faces, key=lambda split: (split != DECIDING_SPLIT, split))
    rows = [
        _accuracy_row(split, faces, pairs[split])
        for split in splits
        for faces, pairs in (("unseen", comparison.unseen), ("all", comparison.all_faces))
    ]
    only = [f"only {name} right" for name in names]
    basis = "" if comparison.stale else "The verdict rests on the first row. "
    return (
        f"{_aligned(('accuracy', 'faces', *names, 'points', '95% interval', *only, 'p'), rows)}\n\n"
        f"{basis}P-values are given for {DECIDING_SPLIT} only. Unseen faces have no exact copy in train. "
        "Intervals: paired bootstrap. p: McNemar's exact test. Right is what the label says; where raters voted, "
        "the metrics below also count their majorities."
    )


def _accuracy_row(split: str, faces: str, pairs: Pairs) -> list[str]:
    only = [f"{pairs.lost:,}", f"{pairs.gained:,}"]
    p_value = _probability(pairs.p_value) if split == DECIDING_SPLIT else ""
    return [f"{_code(split)} {faces}", f"{pairs.faces:,}", *_shares(pairs), _interval(pairs), *only, p_value]


def _classes(changes: Sequence[ClassChange], names: Names) -> str:
    if not any(change.pairs.lost + change.pairs.gained for change in changes):
        return ""
    significant = [f"{_code(each.name)} ({points(each.pairs.difference)})" for each in changes if each.is_significant]
    rows = [
        [_code(each.name), f"{each.pairs.faces:,}", *_shares(each.pairs), _probability(each.p_value)]
        for each in changes
    ]
    return (
        f"### Classes\n\nSignificant changes in recall on unseen {DECIDING_SPLIT} faces: "
        f"{', '.join(significant) or 'none'}. p: McNemar's exact test with Holm's correction for {len(changes)} "
        "classes.\n\n"
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
        f"### The {len(rows)} {DECIDING_SPLIT} predictions that changed most\n\n"
        "Each network's prediction, and the probability that it gives the label.\n\n"
        f"{_aligned(('face', 'label', *names), rows)}"
    )


def _section(title: str, heading: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    return f"### {title}\n\n{_aligned(heading, rows) if rows else 'None.'}"


def _changes(before: Table, after: Table) -> list[list[str]]:
    return [
        [_code(path), _code(name), _value(before, path, name), _value(after, path, name)]
        for path, name in _changed_keys(before, after)
    ]


def _metric_changes(before: Revision, after: Revision) -> list[list[str]]:
    old, new = before.metrics, after.metrics
    changes = [_change(old.get(key), new.get(key)) for key in _changed_keys(old, new)]
    return [[*row, change] for row, change in zip(_changes(old, new), changes, strict=True)]


def _changed_keys(before: Table, after: Table) -> list[tuple[str, str]]:
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
    """Return a text of any origin as one code span that fits into a table cell."""
    safe = " ".join(str(text).replace("`", "'").replace("|", "\\|").split())
    return f"`{safe or repr('')}`"


def _aligned(heading: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """Return a table whose columns line up in a terminal, too."""
    lines = [heading, *rows]
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    head, *rest = ([cell.ljust(width) for cell, width in zip(line, widths, strict=True)] for line in lines)
    return table(head, rest)
