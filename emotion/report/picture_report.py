"""The report on labelled pictures: Markdown, figures, a row for each picture and the figures as JSON.

Written from the summary of `evaluation.picture_results`; this module computes nothing.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from emotion.errors import printable
from emotion.files import write_csv, write_json, write_text
from emotion.markdown import table
from emotion.report import drift_text, picture_figures

Summary = Mapping[str, Any]

COUNTING: Final = """\
## How it was counted

- Faces are matched by number, not by place. If the detector misses one face of a picture and takes something else for a
  face, nothing is missed and nothing is false here. `emotion predict --annotate` shows the boxes.
- Labels are judged where a person sees exactly one face. If several are found, the largest one counts.
- In a picture of several people, `expected` is taken for each of them. These faces are counted apart and are not in the
  confusion matrix: they depend on one another, so no interval can be given.
- The figures of the test split are those of the network that the package ships.
- Intervals are 95% intervals of Wilson (1927). They take the pictures to be independent. Several pictures of one person
  or one place make the true interval wider.
- *Uncertain* is a face whose largest probability is below the threshold of the network, which is set so that 20% of
  the validation faces are.
- *Half of yours are* compares your median with the test split; the field is empty if it is in its middle half.
- Light is the mean grey level of a face (0-255), contrast their standard deviation, sharpness the variance of the
  Laplacian. They are measured on the 48x48 pixels that the network gets. Blur lowers the sharpness, and so does low
  contrast.
"""


def write(folder: Path, name: str, summary: Summary, rows: Sequence[Mapping[str, object]]) -> None:
    """Write `report.md` with its figures, `pictures.csv` and `summary.json`.

    Args:
        folder: where to write; made if it is missing.
        name: of the csv, for the title.
        summary: as `evaluation.picture_results.summarize` returns it.
        rows: one for each picture, with equal keys; at least one.
    """
    fields = [["" if value is None else value for value in row.values()] for row in rows]
    write_csv(folder / "pictures.csv", list(rows[0]), fields)
    write_json(folder / "summary.json", summary)
    picture_figures.draw(folder, summary)
    write_text(folder / "report.md", describe(name, summary))


def describe(name: str, summary: Summary) -> str:
    """Return the report as Markdown."""
    parts = [
        f"# The network on the pictures of {_escape(name)}",
        "\n".join(f"- {line}" for line in headlines(summary)),
        *_describe_detection(summary["detection"]),
        *_describe_labels(summary),
        *_describe_confidence(summary),
        *drift_text.describe(summary["drift"], "drift.png"),
        COUNTING,
    ]
    return "\n\n".join(parts)


def headlines(summary: Summary) -> list[str]:
    """Say in a few lines what was found, what is right, and how far the pictures are from the test split."""
    return [
        *_say_found(summary["detection"]),
        *_say_right(summary),
        *_say_confident(summary),
        *drift_text.say(summary["drift"]),
    ]


def _say_found(detection: Summary) -> Iterator[str]:
    yield (
        f"Faces found: {_share(detection['found'])}; {detection['missed']:,} missed, {detection['false']:,} false, "
        f"in {_count_pictures(detection)}."
    )
    if cropped := detection["missed_cropped"]:
        yield f"Missed in small, nearly square pictures: {cropped:,}. If yours are cropped to one face, add --face."


def _say_right(summary: Summary) -> Iterator[str]:
    labels, groups = summary["labels"], summary["groups"]
    if labels:
        test = f"{labels['test_accuracy']:.1%} of the labels of the test split"
        if (votes := labels["test_accuracy_votes"]) is not None:
            test += f", {votes:.1%} of its raters' majorities"
        yield f"Right labels in pictures of one person: {_share(labels['accuracy_found'])}; {test}."
    if labels and labels["accepted_found"]:
        yield f"Right or accepted labels there: {_share(labels['accepted_found'])}."
    if groups:
        yield f"Right labels in pictures of several people: {groups['right']:,} of {groups['found']:,} found faces."
    if not labels and not groups:
        yield "Labels: none to judge, because no face with an expected class was found."


def _say_confident(summary: Summary) -> Iterator[str]:
    labels, uncertain = summary["labels"], summary["uncertain"]
    if uncertain:
        yield f"Uncertain: {_share(uncertain['faces'])} of the found faces."
    if labels:
        accuracy = _value(labels["accuracy_found"])
        yield f"Calibration: mean confidence {labels['mean_confidence']:.1%} at an accuracy of {accuracy}."


def _describe_detection(detection: Summary) -> Iterator[str]:
    yield "## Faces found"
    yield f"Detector: {' and '.join(detection['detectors']) or 'none, because every picture is one cropped face'}."
    heading = ["", "faces"]
    yield table(heading, [[name, f"{number:,}"] for name, number in _detection_rows(detection)], numbers=True)
    yield f"Pictures in which the number is right: {_share(detection['pictures_with_all_found'])}."
    if worst := detection["worst"]:
        yield "Pictures with most missed and false faces:"
        rows = [[_escape(each["file"]), *(f"{each[key]:,}" for key in ("faces", "missed", "false"))] for each in worst]
        yield table(["file", "faces", "missed", "false"], rows, numbers=True)


def _detection_rows(detection: Summary) -> list[tuple[str, int]]:
    return [
        ("in the pictures, by your count", detection["faces"]),
        ("found", detection["found"]["count"]),
        ("missed", detection["missed"]),
        ("false", detection["false"]),
    ]


def _describe_labels(summary: Summary) -> Iterator[str]:
    labels, groups = summary["labels"], summary["groups"]
    if not labels and not groups:
        return
    yield "## Labels"
    rows = [*_label_rows(labels)] if labels else []
    if groups:
        rows += _group_rows(groups)
    yield table(["counted", "faces", "right", "accuracy", "95% interval"], rows, numbers=True)
    if labels:
        yield from _describe_classes(labels)


def _label_rows(labels: Summary) -> Iterator[list[str]]:
    for name, key in (
        ("found single faces", "accuracy_found"),
        ("the same, accepted labels count as right", "accepted_found"),
        ("all single faces, missed ones count as wrong", "accuracy_all"),
        ("most frequent class, always guessed", "most_frequent_class"),
    ):
        if part := labels[key]:
            yield [name, f"{part['of']:,}", f"{part['count']:,}", _value(part), _interval(part)]


def _group_rows(groups: Summary) -> Iterator[list[str]]:
    found = groups["found"]
    for name, key in (
        (f"found faces in {_count_pictures(groups)} of several people", "right"),
        ("the same, accepted labels count as right", "right_or_accepted"),
    ):
        if groups[key] is not None:
            yield [name, f"{found:,}", f"{groups[key]:,}", f"{groups[key] / found:.1%}" if found else "", ""]


def _describe_classes(labels: Summary) -> Iterator[str]:
    weighted = labels["test_accuracy_with_these_classes"]
    same = "" if weighted is None else f", and {weighted:.1%} of them if its classes were as frequent as yours"
    yield (
        f"On the test split, the network predicts {labels['test_accuracy']:.1%} of the labels{same}. The mean recall "
        f"of your classes is {labels['balanced_accuracy']:.1%}; the expected label is among the two most probable ones "
        f"for {labels['top2_accuracy']:.1%} of the found faces."
    )
    yield "![Confusion matrix, as counts and as shares of each expected class](confusion.png)"
    rows = [
        [name, f"{each['of']:,}", f"{each['count']:,}", _value(each), _interval(each), _percent(each["test"])]
        for name, each in labels["recalls"].items()
    ]
    yield table(["expected", "found faces", "right", "recall", "95% interval", "test split"], rows, numbers=True)
    if labels["mistakes"]:
        yield "The wrong labels with the highest confidence:"
        yield table(["file", "expected", "label", "confidence", "accepted"], map(_mistake_row, labels["mistakes"]))


def _mistake_row(mistake: Summary) -> list[str]:
    accepted = "yes" if mistake["accepted"] else ""
    return [_escape(mistake["file"]), mistake["expected"], mistake["label"], _percent(mistake["confidence"]), accepted]


def _describe_confidence(summary: Summary) -> Iterator[str]:
    labels, uncertain = summary["labels"], summary["uncertain"]
    if not uncertain:
        return
    yield "## Confidence"
    yield (
        f"{_share(uncertain['faces'])} of the found faces are uncertain: their largest probability is below "
        f"{uncertain['threshold']:.1%}. On the validation split, 20% are."
    )
    if not labels:
        return
    yield (
        f"Of the certain labels, {_share(uncertain['accuracy_certain'])} are right; of the uncertain ones, "
        f"{_share(uncertain['accuracy_uncertain'])}."
    )
    yield (
        f"The mean confidence is {labels['mean_confidence']:.1%}, the accuracy {_value(labels['accuracy_found'])}. The "
        f"expected calibration error is {labels['calibration_error']:.1%}; with as many faces, a network whose "
        f"confidence is exactly right would show {labels['calibration_error_by_chance']:.1%} on average."
    )
    yield "![Accuracy over confidence, and the number of faces in each bin](reliability.png)"


def _share(part: Summary) -> str:
    """Return a share as `3 of 4 (75.0%, 30.1% to 95.4%)`."""
    count = f"{part['count']:,} of {part['of']:,}"
    return f"{count} ({_value(part)}, {_interval(part)})" if part["of"] else count


def _value(part: Summary) -> str:
    return _percent(part["value"])


def _interval(part: Summary) -> str:
    return f"{part['low']:.1%} to {part['high']:.1%}" if part["of"] else ""


def _percent(value: float | None) -> str:
    return "" if value is None else f"{value:.1%}"


def _count_pictures(part: Summary) -> str:
    return f"{part['pictures']:,} picture{'' if part['pictures'] == 1 else 's'}"


def _escape(text: str) -> str:
    """Keep a file name in its cell and line, with no sign that Markdown reads."""
    return f"`{printable(text).replace('|', '/').replace('`', chr(39))}`"
