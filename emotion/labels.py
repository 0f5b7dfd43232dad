"""Names defined once for the whole project: expressions, their csv codes and colours, splits and headline figures."""

from __future__ import annotations

from typing import Final

NAMES: Final = ("angry", "disgust", "fear", "happy", "neutral", "sad", "surprise")
"""All classes of FER-2013 in the default order, which is alphabetical like the folders of the archive."""

ALL_NAMES: Final = (*NAMES, "contempt")
"""All classes that can be chosen; only raters' votes and folders of other archives have contempt."""

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
    "contempt": "#F0E442",
}
"""One colour per class: the colour-blind-safe palette of Okabe and Ito (2008), with grey in place of its black."""

OFFICIAL_SPLITS: Final = {"Training": "train", "PublicTest": "validation", "PrivateTest": "test"}
"""Our split names by those of the competition, which file names and the `Usage` column contain."""

SPLITS: Final = ("train", "validation", "test")

REPORTED_SPLITS: Final = ("validation", "test")
"""The splits on which `evaluate` reports figures."""

FIGURES: Final = {
    "accuracy": "accuracy on the labels",
    "accuracy_unseen": "accuracy on the labels of faces without an exact copy in train",
    "balanced_accuracy": "balanced accuracy (mean recall of the classes)",
    "macro_f1": "macro F1",
    "weighted_f1": "weighted F1",
    "top2_accuracy": "top-2 accuracy",
    "calibration_error": "expected calibration error on the labels",
}
"""Titles of the headline figures from 0 to 1, by their names in the metrics files. All count the labels."""

VOTE_FIGURES: Final = {
    "accuracy_votes": "accuracy on the raters' majority",
    "balanced_accuracy_votes": "balanced accuracy on the raters' majority",
}
"""Titles of the headline figures from 0 to 1 that a run has only where raters voted."""
