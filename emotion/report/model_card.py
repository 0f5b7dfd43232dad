"""The model card: what the network is, what it was measured to do, and what it must not be used for.

A function from the facts of a run, as the stages left them in json and csv files, to Markdown. Never edited by hand.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from emotion.files import read_json
from emotion.labels import FIGURES
from emotion.markdown import share, table
from emotion.report import findings
from emotion.report.findings import Findings

FORMATS: Final = {"onnx": "ONNX", "h5": "Keras HDF5", "tflite": "TensorFlow Lite"}

MEANING: Final = """\
The network names the expression that a face in a picture *appears* to show, as people labelled such pictures. It \
does not measure what a person feels: the same feeling shows in different faces, and the same face goes with \
different feelings (Barrett et al. 2019, doi 10.1177/1529100619832930). A probability says how often such an answer \
agrees with the label."""

FER2013: Final = """\
The pictures were collected by web image search for emotion words (Carrier and Courville, in Goodfellow et al. 2013, \
arXiv:1307.0414); no authoritative licence was found, and none of them is in this repository. Many labels are \
doubtful: ten people who labelled each picture again disagree with about a third of them (FER+, Barsoum et al. 2016, \
arXiv:1608.01041)."""

SAMPLE: Final = """\
> **Sample faces.** This network learned from faces drawn by a program, to show that the pipeline works. Its figures \
say nothing about photographs of people: do not use it on them."""

USES: Final = """\
- Intended: teaching, research on expression recognition, and applications that show an apparent expression to the \
person concerned, who knows of it and agreed.
- Excluded: any decision about a person (hiring, grading, credit, insurance, policing, border control, health), and \
any claim about inner feeling, truthfulness or intention.
- EU AI Act, Article 5(1)(f): inferring emotions at work and in education is prohibited, save for medical or safety \
reasons, since 2025-02-02.
- EU AI Act, Article 50(3): who deploys emotion recognition informs the people exposed to it, from 2026-08-02."""

UNMEASURED: Final = """\
- Fairness: whether it works equally well for all groups of people. The data name no age, gender or origin.
- Other pictures: test and training faces come from one collection and one cropping. What a detector crops from a \
photo or a video differs.
- The luck of training: one network, from one seed.
- Inner feeling, and whether an expression is played or not: no label says so."""

NAMED: Final = (
    "**What it says**: the expression that a face *appears* to show, as people labelled it; not what a person feels."
)

EXCLUDED: Final = """\
**What it is not for**: decisions about people. Inferring emotions at work and in education is prohibited in the \
European Union, save for medical or safety reasons. Fairness across groups of people was not measured."""


@dataclass(frozen=True)
class Facts:
    """The files that the card is made from, each as it was read.

    Attributes:
        source: `data/raw/source.json`.
        data: `metrics/data.json`.
        model: `metrics/details/model.json`.
        export: `metrics/export.json`.
        findings: what was measured.
        split: `preprocess.split` of the settings.
    """

    source: dict[str, Any]
    data: dict[str, Any]
    model: dict[str, Any]
    export: dict[str, Any]
    findings: Findings
    split: str


def read_facts(root: Path, split: str) -> Facts:
    """Read the files of a run below `root`, whose faces were split by the setting `split`."""
    return Facts(
        source=read_json(root / "data/raw/source.json"),
        data=read_json(root / "metrics/data.json"),
        model=read_json(root / "metrics/details/model.json"),
        export=read_json(root / "metrics/export.json"),
        findings=findings.read_findings(root),
        split=split,
    )


def write(facts: Facts) -> str:
    """Write the card in Markdown; equal facts give equal text."""
    measured = facts.findings
    sections = {
        "What a label means": MEANING,
        "Use": USES,
        "Data": _data(facts),
        "Protocol": _protocol(facts),
        "Figures": findings.figures(measured, FIGURES),
        "When to believe a probability": findings.confidence(measured),
        "Bad pictures": findings.robustness(measured),
        "Doubtful labels": findings.doubtful(measured),
        "Not measured": UNMEASURED,
        "Files": _files(facts),
        "Reproduce": _reproduce(facts),
    }
    brief = f"- {NAMED}\n{findings.summarize(measured)}\n- {EXCLUDED}"
    warning = [SAMPLE] if _drawn(facts) else []
    opening = ["# Model card: apparent facial expression", *warning, brief, _network(facts)]
    return "\n\n".join([*opening, *(f"## {title}\n\n{text}" for title, text in sections.items())]) + "\n"


def _drawn(facts: Facts) -> bool:
    return bool(facts.source["source"] == "sample")


def _network(facts: Facts) -> str:
    model, size = facts.model, facts.model["face_size"]
    return (
        f"`{model['parameters']['train']['architecture']}` of {facts.export['parameters']:,} parameters, trained on "
        f"{facts.source['dataset']} with Keras ({model['backend']}, {model['device']}).\n"
        f"Input: grey faces of {size}x{size} pixels, `uint8`, 0-255. "
        f"Output: the probabilities of {', '.join(model['classes'])}, calibrated on validation (temperature "
        f"{model['temperature']:.3f})."
    )


def _data(facts: Facts) -> str:
    data, splits = facts.data, ("train", "validation", "test")
    rows = [(split, f"{data['faces'][split]:,}", f"{data['twins'][split]:,}") for split in splits]
    counts = (
        f"Dropped: {_counted(data['dropped'])}. Converted from another size or from colour: {data['converted']:,}. "
        f"Groups of equal pictures with contradictory labels: {data['label_conflicts']:,}."
    )
    provenance = [FER2013] if _is_fer2013(facts) else []
    faces = table(("split", "faces", "of them with an exact copy in train (train: in the others)"), rows)
    return "\n\n".join([*provenance, faces, counts])


def _protocol(facts: Facts) -> str:
    official = _is_fer2013(facts) and facts.split == "official"
    validation, test = (" (the competition's PublicTest)", " (PrivateTest)") if official else ("", "")
    return (
        f"Everything that was chosen, epoch and temperature included, was chosen on the validation split{validation}. "
        f"The test split{test} is reported and decides nothing."
    )


def _files(facts: Facts) -> str:
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
    heading = ("file", "format", "size", "largest difference from Keras in a probability", "equal decisions")
    return f"{table(heading, rows)}\n\nThe figures above are those of `emotion.onnx`."


def _reproduce(facts: Facts) -> str:
    commands = {
        "kaggle": "dvc repro",
        "sample": "dvc exp run -S download.source=sample",
        "incoming": "dvc exp run -S download.source=incoming",
    }
    return (
        f"`{commands[facts.source['source']]}` runs every step from the pictures to this card, which no one edits; "
        "`params.yaml` and `dvc.lock` of this revision hold the settings and the hashes, `metrics/` the figures, and "
        "`data/predictions.csv` a row for each face.\n"
        f"Training data: SHA-256 `{facts.model['data_sha256']}`; archive members: `{facts.source['sha256']}`."
    )


def _is_fer2013(facts: Facts) -> bool:
    # A title with a slash is that of content whose hash was checked: no file or folder can be called so.
    return re.fullmatch(r"FER-2013 \(.+/.+, version \d+\)", facts.source["dataset"]) is not None


def _counted(counts: dict[str, int]) -> str:
    return ", ".join(f"{count:,} {cause.replace('_', ' ')}" for cause, count in counts.items()) or "none"
