"""What was measured of a network, in the words and tables of its model card.

A function from the csv and json files that `evaluate`, `robustness` and `saliency` left, to Markdown.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from emotion.files import read_csv, read_json
from emotion.labels import REPORTED_SPLITS
from emotion.markdown import interval, points, share, table

INTERVALS_NOTE: Final = """\
In parentheses: 95% intervals by the bootstrap over the faces, taken as independent of one another. They tell the luck \
of the faces; what another training run, with another seed, would give is not in them."""

Row = dict[str, str]


@dataclass(frozen=True)
class Findings:
    """The files that hold what was measured, each as it was read.

    Attributes:
        headlines: `metrics/<split>.json` of validation and test.
        classes: rows of `metrics/details/test_classes.csv`.
        intervals: rows of `metrics/details/intervals.csv`.
        calibration: rows of `metrics/details/calibration.csv`.
        selective: rows of `metrics/details/selective.csv`.
        flipped: rows of `metrics/details/flipped.csv`.
        doubts: `metrics/details/doubts.json`.
        robustness: rows of `metrics/robustness.csv`.
        corrupted: `metrics/robustness.json`.
        regions: rows of `metrics/saliency/regions.csv`.
    """

    headlines: dict[str, dict[str, float | None]]
    classes: list[Row]
    intervals: list[Row]
    calibration: list[Row]
    selective: list[Row]
    flipped: list[Row]
    doubts: dict[str, Any]
    robustness: list[Row]
    corrupted: dict[str, float]
    regions: list[Row]


def read_findings(root: Path) -> Findings:
    """Read the files of a run below `root`."""
    metrics, details = root / "metrics", root / "metrics/details"
    tables = {name: read_csv(details / f"{name}.csv") for name in ("intervals", "calibration", "selective", "flipped")}
    return Findings(
        headlines={split: read_json(metrics / f"{split}.json") for split in REPORTED_SPLITS},
        classes=read_csv(details / "test_classes.csv"),
        doubts=read_json(details / "doubts.json"),
        robustness=read_csv(metrics / "robustness.csv"),
        corrupted=read_json(metrics / "robustness.json"),
        regions=read_csv(metrics / "saliency/regions.csv"),
        **tables,
    )


def summarize(findings: Findings) -> str:
    """Say in three items how often the network is right, when to believe it and where it is weak."""
    own = _row(findings.selective, split="test", rule="uncertain")
    scores = sorted((row for row in findings.classes if int(row["support"])), key=lambda row: float(row["recall"]))
    worst, best = scores[0], scores[-1]
    declined = 1 - float(own["coverage"])
    corrupted = findings.corrupted
    kinds = ", ".join(name for name in corrupted if name not in {"clean", "mean"})
    return "\n".join(
        [
            f"- **How often it is right**: its answer is the label of {_measured(findings, 'accuracy')} of the test "
            f"faces, and of {_measured(findings, 'accuracy_unseen')} of those without an exact copy in train.",
            f"- **When to believe it**: it calls {declined:.0%} of the test faces uncertain; of its other answers "
            f"{share(own['accuracy'])}{interval(own['low'], own['high'])} are right.",
            f"- **Where it is weak**: it finds {float(worst['recall']):.0%} of the test faces labelled "
            f"{worst['class']} ({float(best['recall']):.0%} of {best['class']}). Bad pictures ({kinds}) bring its "
            f"accuracy on validation from {corrupted['clean']:.1%} to {corrupted['mean']:.1%} on average.",
        ]
    )


def figures(findings: Findings, titles: dict[str, str]) -> str:
    """Tabulate the headline figures with their intervals, and the classes.

    Args:
        findings: of a run.
        titles: what each headline figure that is a share is called.
    """
    rows = [(title, *(_measured(findings, name, split) for split in REPORTED_SPLITS)) for name, title in titles.items()]
    loss = ("log loss (nats)", *(f"{findings.headlines[split]['log_loss']:.4f}" for split in REPORTED_SPLITS))
    scores = [
        (row["class"], *(share(row[name]) for name in ("precision", "recall", "f1")), row["support"])
        for row in findings.classes
    ]
    return "\n\n".join(
        [
            table(("figure", *REPORTED_SPLITS), [*rows, loss]),
            INTERVALS_NOTE,
            _describe_mirror(findings),
            "Classes on the test split:",
            table(("class", "precision", "recall", "F1", "faces"), scores),
        ]
    )


def confidence(findings: Findings) -> str:
    """Tabulate what declining the unsure faces gains, and what the temperature did."""
    rules = [row["rule"] for row in findings.selective if row["split"] == "test"]
    kept = [
        (
            {"100%": "every answer", "uncertain": "those not called uncertain"}.get(rule, f"the surest {rule}"),
            f"{float(_row(findings.selective, split='test', rule=rule)['threshold']):.3f}",
            *(cell for split in REPORTED_SPLITS for cell in _kept(_row(findings.selective, split=split, rule=rule))),
        )
        for rule in rules
    ]
    heading = [f"{split}: {what}" for split in REPORTED_SPLITS for what in ("share", "accuracy")]
    calibration = [
        (
            row["split"],
            row["probabilities"],
            share(row["calibration_error"]),
            *(f"{float(row[name]):.4f}" for name in ("brier_score", "log_loss")),
        )
        for row in findings.calibration
    ]
    return "\n\n".join(
        [
            "Accuracy when the least probable answers are declined; the thresholds were chosen on validation:",
            table(("answers kept", "smallest probability", *heading), kept),
            "What the temperature did, fitted to the log loss of validation alone:",
            table(("split", "probabilities", "expected calibration error", "Brier score", "log loss"), calibration),
        ]
    )


def robustness(findings: Findings) -> str:
    """Tabulate the accuracy on corrupted faces, and say where the network looks."""
    trials = findings.robustness
    rows = [(row["meaning"], f"{share(row['accuracy'])}{interval(row['low'], row['high'])}") for row in trials]
    heading = f"Accuracy on {int(trials[0]['faces']):,} validation faces:"
    return "\n\n".join([heading, table(("faces", "accuracy"), rows), *_describe_regions(findings)])


def doubtful(findings: Findings) -> str:
    """Say how many labels look wrong, and how far that can be believed."""
    doubts = findings.doubts
    part = doubts["doubtful"] / doubts["faces"]
    text = (
        f"Confident learning (cleanlab, on the probabilities) takes {doubts['doubtful']:,} of the {doubts['faces']:,} "
        f"labels of validation and test for wrong ({part:.1%}). The list, `metrics/details/doubtful.csv`, is a hint of "
        "where to look and no correction: every figure here counts the labels as they are."
    )
    known, untaught = doubts["contradictory"], doubts["contradictory_untaught"]
    if not known["faces"]:
        return text
    return (
        f"{text} Its check: of {known['faces']:,} faces an exact copy somewhere in the data carries another label, so "
        f"that at least one of the two is wrong. {known['doubtful']:,} of them are on the list; their mean place in "
        f"the ranking is at {known['mean_rank']:.0%} (0%: most doubtful, 50%: by chance). Where the copy stands in "
        f"train that is no feat, since the network learned its label there; of the {untaught['faces']:,} without such "
        f"a copy {untaught['doubtful']:,} are on the list."
    )


def _describe_mirror(findings: Findings) -> str:
    gains = [
        f"{points(row['gain'])} points on {row['split']} (95% interval {points(row['low'])} to {points(row['high'])})"
        for row in findings.flipped
    ]
    return (
        f"Averaged over each face and its mirror image, at twice the time, accuracy changes by {' and '.join(gains)}. "
        "All other figures are of a single pass."
    )


def _describe_regions(findings: Findings) -> list[str]:
    """Return a paragraph on the regions of the face; none where no face was right."""
    every, even = (_row(findings.regions, **{"class": name}) for name in ("all", "even"))
    names = [name for name in every if name not in {"class", "faces"} and every[name]]
    parts = [f"{float(every[name]):.0%} at {name.replace('_', ' ')} ({float(even[name]):.0%})" for name in names]
    text = (
        "Where it looks, by what covering a patch takes from the probability of the label (in parentheses what an even "
        f"spread would give): {', '.join(parts)}."
    )
    return [text] if parts else []


def _measured(findings: Findings, name: str, split: str = "test") -> str:
    """Return a headline figure with its interval, if it has one."""
    ends = [row for row in findings.intervals if (row["split"], row["metric"]) == (split, name)]
    return share(findings.headlines[split][name]) + "".join(interval(row["low"], row["high"]) for row in ends)


def _kept(row: Row) -> tuple[str, str]:
    """Return which share of the faces is kept, and the accuracy on them."""
    # Of all faces the interval stands with the headline already, from other draws.
    ends = "" if row["rule"] == "100%" else interval(row["low"], row["high"])
    return f"{float(row['coverage']):.1%}", f"{share(row['accuracy'])}{ends}"


def _row(rows: list[Row], **wanted: str) -> Row:
    return next(row for row in rows if all(row[column] == value for column, value in wanted.items()))
