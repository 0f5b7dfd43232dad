"""What the page says about the network: classes, limits of uploads, metrics, confusion matrix and model card."""

from __future__ import annotations

import csv
from pathlib import Path
from typing import Any

from emotion.files import read_json
from emotion.inference.canvas import colour_of
from emotion.inference.predictor import Predictor
from emotion.labels import FIGURES, REPORTED_SPLITS, VOTE_FIGURES
from emotion.server import uploads


def describe(predictor: Predictor, shipped: Path | None) -> dict[str, Any]:
    """Return the description as what JSON can hold.

    Args:
        predictor: has the network.
        shipped: folder with its model card and metrics; None if there is none.
    """
    return {
        "classes": predictor.classes,
        "colours": {name: f"#{bytes(colour_of(name)).hex()}" for name in predictor.classes},
        "threshold": predictor.threshold,
        "limits": {"bytes": uploads.MAX_BYTES, "pixels": uploads.MAX_PIXELS},
        **(_read_shipped(shipped) if shipped else {}),
    }


def _read_shipped(folder: Path) -> dict[str, Any]:
    headlines = {split: read_json(folder / f"{split}.json") for split in REPORTED_SPLITS}
    figures = [
        {"name": name, "title": title, **{split: values[name] for split, values in headlines.items()}}
        for name, title in {**FIGURES, **VOTE_FIGURES}.items()
        if all(name in values for values in headlines.values())  # a figure may be newer than the shipped network
    ]
    return {
        "figures": figures,
        "confusion": _read_confusion(folder / "test_confusion.csv"),
        "card": (folder / "card.md").read_text(encoding="utf-8"),
    }


def _read_confusion(path: Path) -> dict[str, Any] | None:
    if not path.is_file():
        return None
    rows = list(csv.DictReader(path.read_text(encoding="utf-8").splitlines()))
    classes = [row["actual"] for row in rows]
    return {"classes": classes, "counts": [[int(row[name]) for name in classes] for row in rows]}
