"""The model card: what the network is, how well it does, and what it must not be used for.

From the files of a run to Markdown. Never edited by hand.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from emotion.inference.precision import LARGEST_CHANGE, LEAST_AGREEMENT, Comparison
from emotion.labels import FIGURES, SPLITS, VOTE_FIGURES
from emotion.markdown import share, table
from emotion.report import card_results
from emotion.report.card_results import MeasuredResults
from emotion.report.run_files import FORMATS, MODEL, read_json

MEANING: Final = """\
The network predicts the expression that a face in a picture *appears* to show, as people labelled such pictures. It \
does not measure what a person feels: the same feeling shows in different ways on different faces, and the same \
expression goes with different feelings (Barrett et al. 2019, doi 10.1177/1529100619832930)."""

PROBABILITY: Final = {
    "labels": "A probability states how often such a prediction agrees with the label.",
    "votes": "A probability states which share of the raters would choose the expression.",
    "both": "A probability lies between how often such a prediction agrees with the label and the share of the raters "
    "who would choose the expression, because the network learned from both.",
}
"""What a probability means, by what the network learned from."""

FER2013: Final = """\
The pictures were collected by web image search for emotion words (Carrier and Courville, in Goodfellow et al. 2013, \
arXiv:1307.0414). No authoritative licence was found, and this repository contains none of the pictures. Many labels \
are doubtful: ten people who labelled each picture again disagree with about a third of them (FER+, Barsoum et al. \
2016, arXiv:1608.01041)."""

SAMPLE: Final = """\
> **Sample faces.** This network was trained on faces drawn by a program, to show that the pipeline works. Its figures \
say nothing about photographs of people: do not use it on them."""

OWN_START: Final = """

It was trained further from the network in `{}`, whose own model card says what that one started from."""

FACE_START: Final = """

It started from the weights of dlib's network for face recognition (`face_recognition_models` 0.3.0), which learned to \
tell people apart from photos of about 7,500 people, collected on the web. Its author released the weights to the \
public; that says nothing about the rights of the people in those photos. The network described here has no output \
for identity. How well its inner features still tell people apart is in `benchmarks/identity.md`."""

LOGIT_ADJUSTMENT: Final = """ From the logit of each class, {0} times the logarithm of its mean probability on \
validation is subtracted, so that rare expressions are predicted more often."""

USES: Final = """\
- Intended: teaching, research on expression recognition, and applications that show an apparent expression to the \
person concerned, with that person's knowledge and consent.
- Excluded: any decision about a person (hiring, grading, credit, insurance, policing, border control, health), and \
any claim about inner feeling, truthfulness or intention.
- EU AI Act, Article 5(1)(f): since 2025-02-02, inferring emotions at work and in education is prohibited, except for \
medical or safety reasons.
- EU AI Act, Article 50(3): from 2026-08-02, whoever deploys emotion recognition must inform the \
people exposed to it."""

UNMEASURED: Final = """\
- Fairness: whether the network works equally well for all groups of people. The data do not record age, gender or \
origin.
- Other pictures: training and test faces come from one collection and were cropped in one way. Faces in photos and \
videos differ, and the face detector misses some: `emotion evaluate` measures both on pictures of your own.
- Variation between training runs: this is one network, trained with one seed.
- Inner feeling, and whether an expression is acted: no label records either."""

PREDICTED: Final = """\
**What it predicts**: the expression that a face *appears* to show, as people labelled it; not what a person feels."""

EXCLUDED: Final = """\
**What it is not for**: decisions about people. Inferring emotions at work and in education is prohibited in the \
European Union, except for medical or safety reasons. Fairness across groups of people was not measured."""


@dataclass(frozen=True)
class Facts:
    """The files that the card is made from, each as it was read.

    Attributes:
        source: `data/raw/source.json`.
        data: `metrics/data.json`.
        model: `metrics/details/model.json`.
        export: `metrics/export.json`.
        results: what was measured.
        split: the setting `preprocess.split`.
    """

    source: dict[str, Any]
    data: dict[str, Any]
    model: dict[str, Any]
    export: dict[str, Any]
    results: MeasuredResults
    split: str


def read_facts(root: Path, split: str) -> Facts:
    """Read the files of a run below `root`, whose faces were split by the setting `split`."""
    return Facts(
        source=read_json(root, "data/raw/source.json"),
        data=read_json(root, "metrics/data.json"),
        model=read_json(root, MODEL),
        export=read_json(root, "metrics/export.json"),
        results=card_results.read_results(root),
        split=split,
    )


def write(facts: Facts) -> str:
    """Write the card in Markdown; equal facts give equal text."""
    results = facts.results
    sections = {
        "What a label means": f"{MEANING} {_explain_probability(facts)}",
        "Use": USES,
        "Data": _describe_data(facts),
        "Protocol": _describe_protocol(facts),
        "Figures": card_results.tabulate_figures(results, FIGURES | (VOTE_FIGURES if results.votes else {})),
        "When to trust a probability": card_results.tabulate_confidence(results),
        "Corrupted faces": card_results.tabulate_robustness(results),
        "Doubtful labels": card_results.describe_label_issues(results),
        "Not measured": UNMEASURED,
        "Files": _describe_exports(facts),
        "Reproduce": _describe_commands(facts),
    }
    summary = f"- {PREDICTED}\n{card_results.summarize(results)}\n- {EXCLUDED}"
    warning = [SAMPLE] if facts.source["source"] == "sample" else []
    opening = ["# Model card: apparent facial expression", *warning, summary, _describe_network(facts)]
    return "\n\n".join([*opening, *(f"## {title}\n\n{text}" for title, text in sections.items())]) + "\n"


def _describe_network(facts: Facts) -> str:
    model, size = facts.model, facts.model["face_size"]
    train = model["parameters"]["train"]
    # Networks without a pretrained base leave the setting unread.
    has_face_start = train["architecture"].startswith("face_resnet") and train["transfer"]["weights"] == "faces"
    start = OWN_START.format(own) if (own := train.get("start_from")) else FACE_START if has_face_start else ""
    exported = model["parameters"].get("export", {})
    views, strength = exported.get("views", 1), exported.get("logit_adjustment", 0)
    averaged = f", from the mean logits of {views} views of each face" if views > 1 else ""
    adjusted = LOGIT_ADJUSTMENT.format(strength) if strength else ""
    return (
        f"`{train['architecture']}` with {facts.export['parameters']:,} parameters, trained on "
        f"{_describe_targets(facts)} of {facts.source['dataset']} with Keras ({model['backend']}, {model['device']}).\n"
        f"Input: grey faces of {size}x{size} pixels, `uint8`, 0-255. "
        f"Output: the probabilities of {', '.join(model['classes'])}, calibrated on validation (temperature "
        f"{model['temperature']:.3f}){averaged}.{adjusted}{start}"
    )


def _explain_probability(facts: Facts) -> str:
    votes = _share_of_votes(facts)
    return PROBABILITY["labels" if votes == 0 else "votes" if votes == 1 else "both"]


def _describe_targets(facts: Facts) -> str:
    votes = _share_of_votes(facts)
    if 0 < votes < 1:
        return f"the labels ({1 - votes:.0%}) and the raters' votes ({votes:.0%})"
    return "the raters' votes" if votes else "the labels"


def _share_of_votes(facts: Facts) -> float:
    """Return the share of the votes in what the network learned; older networks have no such setting."""
    return facts.model["parameters"]["train"].get("votes", 0) if facts.results.votes else 0


def _describe_data(facts: Facts) -> str:
    data = facts.data
    rows = [(split, f"{data['faces'][split]:,}", f"{data['duplicates'][split]:,}") for split in SPLITS]
    counts = (
        f"Dropped: {_describe_counts(data['dropped'])}. Converted from another size or from colour: "
        f"{data['converted']:,}. Groups of identical pictures with contradictory labels: {data['label_conflicts']:,}."
    )
    provenance = [FER2013] if _is_fer2013(facts) else []
    copies = "with an exact copy in train (for train: in validation or test)"
    return "\n\n".join([*provenance, table(("split", "faces", copies), rows), counts, *_describe_votes(facts)])


def _describe_votes(facts: Facts) -> list[str]:
    """Return a paragraph on the raters' votes; none where nobody voted."""
    if "votes" not in facts.data:
        return []
    votes = facts.data["votes"]
    text = (
        f"Raters voted on {votes['with']:,} of the faces, and not on {votes['without']:,}; most of them saw no face in "
        f"{votes['no_face']:,}."
    )
    labels = " The labels are their majorities." if "contempt" in facts.model["classes"] else ""
    return [text + labels]


def _describe_protocol(facts: Facts) -> str:
    official = _is_fer2013(facts) and facts.split == "official"
    chosen = "epoch and temperature" if facts.model["parameters"]["train"]["keep"] == "best" else "the temperature"
    validation, test = (" (the competition's PublicTest)", " (PrivateTest)") if official else ("", "")
    return (
        f"Every choice, including {chosen}, was made on the validation split{validation}. "
        f"The test split{test} is only reported."
    )


def _describe_exports(facts: Facts) -> str:
    export = facts.export
    rows = [
        (
            f"`emotion.{suffix}`",
            title,
            f"{export[f'{suffix}_bytes'] / 1e6:.2f} MB",
            f"{export[f'{suffix}_difference']:.1e}",
            share(export[f"{suffix}_agreement"]),
        )
        for suffix, title in FORMATS.items()
    ]
    heading = ("file", "format", "size", "largest difference in probability from Keras", "same prediction")
    return f"{table(heading, rows)}\n\nThe figures above are those of `emotion.onnx`.\n\n{_describe_int8(export)}"


def _describe_int8(export: dict[str, Any]) -> str:
    found = Comparison(*(export[name] for name in ("accuracy", "int8_accuracy", "int8_agreement")))
    allowed = (
        f"It may be used, because these two shares differ by at most {100 * LARGEST_CHANGE:.1f} points and at least "
        f"{LEAST_AGREEMENT:.0%} of the labels are equal."
    )
    fault = found.fault()
    return (
        f"`emotion.int8.onnx` ({export['int8_bytes'] / 1e6:.2f} MB) is the same network in int8, for many pictures. On "
        f"the validation split it gives the label of `emotion.onnx` to {share(found.agreement)} of the faces, and is "
        f"right on {share(found.int8_accuracy)} of them instead of {share(found.accuracy)}. "
        f"{f'It cannot be used: {fault}.' if fault else allowed}"
    )


def _describe_commands(facts: Facts) -> str:
    commands = {
        "kaggle": "dvc repro",
        "sample": "dvc exp run -S download.source=sample",
        "incoming": "dvc exp run -S download.source=incoming",
    }
    return (
        f"`{commands[facts.source['source']]}` runs every step from the pictures to this card, which is never edited "
        "by hand. At this revision, `params.yaml` and `dvc.lock` hold the settings and the hashes, `metrics/` the "
        "figures, and `data/predictions.csv` the prediction for each face.\n"
        f"Training data: SHA-256 `{facts.model['data_sha256']}`; archive members: `{facts.source['sha256']}`."
    )


def _is_fer2013(facts: Facts) -> bool:
    # Only content whose hash was checked has such a title: no file or folder name can contain a slash.
    return re.fullmatch(r"FER-2013 \(.+/.+, version \d+\)", facts.source["dataset"]) is not None


def _describe_counts(counts: dict[str, int]) -> str:
    return ", ".join(f"{count:,} {cause.replace('_', ' ')}" for cause, count in counts.items()) or "none"
