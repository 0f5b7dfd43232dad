"""The measured results of a network, in the words and tables of its model card.

From the files of `evaluate`, `robustness` and `saliency` to Markdown.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import isnan
from pathlib import Path
from typing import Any, Final

import pandas as pd

from emotion.labels import REPORTED_SPLITS
from emotion.markdown import interval, points, share, table
from emotion.report.run_files import read_confusions, read_headlines, read_json, read_table, read_votes

INTERVALS_NOTE: Final = """\
In parentheses: 95% bootstrap confidence intervals. They treat the faces as independent and cover the sampling of \
faces, not the variation between training runs with different seeds."""


CALIBRATION: Final = {
    "calibration_error": "expected calibration error",
    "brier_score": "Brier score",
    "log_loss": "log loss",
    "calibration_error_votes": "expected calibration error, raters",
    "log_loss_votes": "log loss, raters",
}
"""Titles of the columns of `metrics/details/calibration.csv`; the last two are empty where nobody voted."""


@dataclass(frozen=True)
class MeasuredResults:
    """The files with what was measured, each as it was read.

    Attributes:
        headlines: `metrics/<split>.json` of validation and test.
        classes: `metrics/details/test_classes.csv`.
        intervals: `metrics/details/intervals.csv`.
        calibration: `metrics/details/calibration.csv`.
        selective: `metrics/details/selective.csv`.
        flipped: `metrics/details/flipped.csv`.
        label_issues: `metrics/details/doubts.json`.
        robustness: `metrics/robustness.csv`.
        robustness_means: `metrics/robustness.json`.
        regions: `metrics/saliency/regions.csv`.
        votes: `metrics/details/votes.json`; empty where nobody voted.
        majorities: `metrics/details/test_confusion_votes.csv`; None where nobody voted.
    """

    headlines: dict[str, dict[str, Any]]
    classes: pd.DataFrame
    intervals: pd.DataFrame
    calibration: pd.DataFrame
    selective: pd.DataFrame
    flipped: pd.DataFrame
    label_issues: dict[str, Any]
    robustness: pd.DataFrame
    robustness_means: dict[str, float]
    regions: pd.DataFrame
    votes: dict[str, dict[str, Any]]
    majorities: pd.DataFrame | None


def read_results(root: Path) -> MeasuredResults:
    """Read the files of a run below `root`."""
    details = ("intervals", "calibration", "selective", "flipped")
    return MeasuredResults(
        headlines=read_headlines(root),
        classes=read_table(root, "metrics/details/test_classes.csv"),
        label_issues=read_json(root, "metrics/details/doubts.json"),
        robustness=read_table(root, "metrics/robustness.csv"),
        robustness_means=read_json(root, "metrics/robustness.json"),
        regions=read_table(root, "metrics/saliency/regions.csv"),
        votes=read_votes(root),
        majorities=read_confusions(root, "test").get("confusion_test_votes"),
        **{name: read_table(root, f"metrics/details/{name}.csv") for name in details},
    )


def summarize(results: MeasuredResults) -> str:
    """Say in three list items how often the network is right, when to trust it and where it is weak."""
    certain = _find(results.selective, split="test", rule="uncertain")
    recalls = results.classes[results.classes["support"] > 0].set_index("class")["recall"]
    means = results.robustness_means
    kinds = ", ".join(name for name in means if name not in {"clean", "mean"})
    return "\n".join(
        [
            f"- **How often it is right**: it predicts the label of {_describe_headline(results, 'accuracy')} of the "
            f"test faces, and of {_describe_headline(results, 'accuracy_unseen')} of those without an exact copy in "
            f"train.{_summarize_votes(results)}",
            f"- **When to trust it**: it calls {1 - certain['coverage']:.0%} of the test faces uncertain; of its other "
            f"predictions, {share(certain['accuracy'])}{interval(certain['low'], certain['high'])} agree with the "
            "label.",
            f"- **Where it is weak**: it is right on {_compare_classes(recalls, 'labelled')}"
            f"{_summarize_recalls(results)}. Corruption of the picture ({kinds}) lowers its accuracy on the labels of "
            f"validation from {means['clean']:.1%} to {means['mean']:.1%} on average.",
        ]
    )


def tabulate_figures(results: MeasuredResults, titles: dict[str, str]) -> str:
    """Tabulate the headline figures with their intervals, and the scores of each class.

    Args:
        results: of a run.
        titles: title of each headline figure that is a share, by its name.
    """
    figures = [
        (title, *(_describe_headline(results, name, split) for split in REPORTED_SPLITS))
        for name, title in titles.items()
    ]
    loss = ("log loss (nats)", *(f"{results.headlines[split]['log_loss']:.4f}" for split in REPORTED_SPLITS))
    classes = [
        (row["class"], share(row["precision"]), share(row["recall"]), share(row["f1"]), str(row["support"]))
        for row in results.classes.to_dict("records")
    ]
    return "\n\n".join(
        [
            table(("figure", *REPORTED_SPLITS), [*figures, loss]),
            INTERVALS_NOTE,
            *_describe_votes(results),
            _describe_flipping(results),
            "Classes on the test split:",
            table(("class", "precision", "recall", "F1", "faces"), classes),
        ]
    )


def tabulate_confidence(results: MeasuredResults) -> str:
    """Tabulate the accuracy when uncertain predictions are withheld, and the effect of the temperature."""
    names = {"100%": "all", "uncertain": "all but the uncertain"}
    kept = [
        (
            names.get(row["rule"], f"the most confident {row['rule']}"),
            f"{row['threshold']:.3f}",
            *(cell for split in REPORTED_SPLITS for cell in _describe_rule(results, split, row["rule"])),
        )
        for row in results.selective.to_dict("records")
        if row["split"] == "test"
    ]
    heading = [f"{split}: {column}" for split in REPORTED_SPLITS for column in ("share", "accuracy")]
    measured = [name for name in CALIBRATION if results.votes or not name.endswith("_votes")]
    calibration = [
        (
            row["split"],
            row["probabilities"],
            *(share(row[name]) if "error" in name else _decimals(row[name]) for name in measured),
        )
        for row in results.calibration.to_dict("records")
    ]
    return "\n\n".join(
        [
            "Accuracy when the least confident predictions are withheld; the thresholds were chosen on validation:",
            table(("predictions kept", "smallest probability", *heading), kept),
            *_describe_confidence(results),
            "Effect of the temperature, which was fitted to the log loss on validation, against labels, votes or both "
            "as in training (`train.votes`):",
            table(("split", "probabilities", *(CALIBRATION[name] for name in measured)), calibration),
        ]
    )


def tabulate_robustness(results: MeasuredResults) -> str:
    """Tabulate the accuracy on corrupted faces, and describe where the network looks."""
    rows = [
        (row["meaning"], f"{share(row['accuracy'])}{interval(row['low'], row['high'])}")
        for row in results.robustness.to_dict("records")
    ]
    heading = f"Accuracy on {results.robustness['faces'][0]:,} validation faces:"
    return "\n\n".join([heading, table(("faces", "accuracy"), rows), *_describe_regions(results)])


def describe_label_issues(results: MeasuredResults) -> str:
    """Say how many labels look wrong, and how reliable this list is."""
    issues = results.label_issues
    text = (
        f"Confident learning (cleanlab, on the predicted probabilities) considers {issues['doubtful']:,} of the "
        f"{issues['faces']:,} labels of validation and test wrong ({issues['doubtful'] / issues['faces']:.1%}). They "
        "are listed in `metrics/details/doubtful.csv` for review. No label was corrected: all figures count the labels "
        "as they are."
    )
    known, untaught = issues["contradictory"], issues["contradictory_untaught"]
    if not known["faces"]:
        return text
    return (
        f"{text}\n\nA check of the list: {known['faces']:,} faces have an exact copy with another label, so at least "
        f"one of the two labels is wrong. {known['doubtful']:,} of these faces are on the list. Their mean rank is "
        f"{known['mean_rank']:.0%}, where 0% is the most doubtful label and 50% is chance. The check is optimistic "
        "where the copy is in train and the network learned its label (`train.votes` below 1). Of the "
        f"{untaught['faces']:,} faces without a copy in train, {untaught['doubtful']:,} are on the list."
    )


def _compare_classes(recalls: pd.Series[Any], named: str) -> str:
    """Compare the class with the lowest recall with that of the highest."""
    ordered = recalls.sort_values(kind="stable")
    worst, best = ordered.index[0], ordered.index[-1]
    return f"{ordered[worst]:.0%} of the test faces {named} {worst} ({ordered[best]:.0%} for {best})"


def _summarize_recalls(results: MeasuredResults) -> str:
    """Return the part of a sentence on the majorities of the network's own classes; nothing without any."""
    if results.majorities is None:
        return ""
    counts = results.majorities.set_index("majority")
    own = counts.loc[list(counts.columns)]
    recalls = pd.Series({name: own.at[name, name] / faces for name, faces in own.sum(axis=1).items() if faces})
    return f", and on {_compare_classes(recalls, 'that most raters call')}" if len(recalls) else ""


def _summarize_votes(results: MeasuredResults) -> str:
    if not results.votes:
        return ""
    return (
        f" It predicts the expression that most raters saw for {_describe_headline(results, 'accuracy_votes')} of the "
        f"{results.votes['test']['majorities']:,} test faces on which they agree."
    )


def _describe_votes(results: MeasuredResults) -> list[str]:
    """Return a paragraph on labels and votes; none where nobody voted."""
    if not results.votes:
        return []
    test = results.votes["test"]
    losses = " and ".join(f"{_decimals(results.votes[split]['log_loss'])} on {split}" for split in REPORTED_SPLITS)
    text = (
        "The raters' majority is the expression that more than half of the raters saw, without choices of a single "
        "rater. An expression that the network does not have counts as wrong in the accuracy, and not at all in the "
        f"balanced accuracy. All other figures count the labels. On test, {test['majorities']:,} of {test['faces']:,} "
        f"faces have a majority; it is the label of {share(test['labels_agree'])} of them. The network predicts it for "
        f"{share(test['accuracy_agreed'])} of these faces, and for {share(test['accuracy_disputed'])} of the others. "
        f"Log loss against the distribution of the votes: {losses} (nats)."
    )
    return [text]


def _describe_confidence(results: MeasuredResults) -> list[str]:
    """Return a sentence on the confidence and the raters; none where nobody voted."""
    if not results.votes:
        return []
    errors = " and ".join(f"{share(results.votes[split]['calibration_error'])} on {split}" for split in REPORTED_SPLITS)
    text = (
        "From the share of the raters who chose the predicted expression, without choices of a single rater, the "
        f"confidence differs by {errors} (expected calibration error)."
    )
    return [text]


def _decimals(value: float | None) -> str:
    return "n/a" if value is None or isnan(value) else f"{value:.4f}"


def _describe_flipping(results: MeasuredResults) -> str:
    gains = [
        f"{points(row['gain'])} points on {row['split']} (95% interval {points(row['low'])} to {points(row['high'])})"
        for row in results.flipped.to_dict("records")
    ]
    return (
        "Averaging the probabilities of each face and its mirror image takes twice the time and changes accuracy by "
        f"{' and '.join(gains)}. No other figure contains it."
    )


def _describe_regions(results: MeasuredResults) -> list[str]:
    """Return a paragraph on the regions of the face; none where no face was classified correctly."""
    shares = results.regions.set_index("class").drop(columns="faces").T[["all", "even"]].dropna()
    parts = [f"{name.replace('_', ' ')} {of_all:.0%} ({even:.0%})" for name, of_all, even in shares.itertuples()]
    text = (
        "Where it looks is measured by the drop in the label's probability when a patch of the face is covered. Share "
        f"of each region in this drop (in parentheses: in a uniform map): {', '.join(parts)}."
    )
    return [text] if parts else []


def _describe_headline(results: MeasuredResults, name: str, split: str = "test") -> str:
    """Return a headline figure with its interval, if it has one."""
    rows = results.intervals[(results.intervals["split"] == split) & (results.intervals["metric"] == name)]
    ends = [interval(low, high) for low, high in zip(rows["low"], rows["high"], strict=True)]
    return share(results.headlines[split][name]) + "".join(ends)


def _describe_rule(results: MeasuredResults, split: str, rule: str) -> tuple[str, str]:
    """Return the share of the predictions that are kept, and the accuracy of these."""
    row = _find(results.selective, split=split, rule=rule)
    # The headline already has the interval for all faces, from other resamples.
    ends = "" if rule == "100%" else interval(row["low"], row["high"])
    return f"{row['coverage']:.1%}", f"{share(row['accuracy'])}{ends}"


def _find(rows: pd.DataFrame, *, split: str, rule: str) -> pd.Series[Any]:
    return rows[(rows["split"] == split) & (rows["rule"] == rule)].iloc[0]
