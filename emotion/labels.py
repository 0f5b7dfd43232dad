"""Names that are defined once: the expressions with their csv codes and colours, the splits, the headline figures."""

from __future__ import annotations

from typing import Final

NAMES: Final = ("angry", "disgust", "fear", "happy", "neutral", "sad", "surprise")
"""All classes, in the default order (alphabetical, as the folders of the archive sort)."""

CSV_CODES: Final = ("angry", "disgust", "fear", "happy", "sad", "surprise", "neutral")
"""Class names by the number in the `emotion` column of `fer2013.csv`."""

COLOURS: Final = {
    "angry": "#D55E00",
    "disgust": "#009E73",
    "fear": "#CC79A7",
    "happy": "#E69F00",
    "neutral": "#7F7F7F",
    "sad": "#0072B2",
    "surprise": "#56B4E9",
}
"""One colour a class: the palette of Okabe and Ito (2008), told apart by colour-blind people; its black as grey."""

OFFICIAL_SPLITS: Final = {"Training": "train", "PublicTest": "validation", "PrivateTest": "test"}
"""Our name of each split by the name the competition gave it, in file names and in the `Usage` column."""

SPLITS: Final = ("train", "validation", "test")

REPORTED_SPLITS: Final = ("validation", "test")
"""The splits on which `evaluate` reports figures."""

FIGURES: Final = {
    "accuracy": "accuracy",
    "accuracy_unseen": "accuracy on faces without an exact copy in train",
    "balanced_accuracy": "balanced accuracy (mean recall of the classes)",
    "macro_f1": "macro F1",
    "weighted_f1": "weighted F1",
    "top2_accuracy": "top-2 accuracy",
    "calibration_error": "expected calibration error",
}
"""Title of each headline figure that is a share, by its name in the metrics files."""
