"""The seven expressions of FER-2013: their order, their csv codes and their colours, written down once."""

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
