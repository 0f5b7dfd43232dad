"""The class that a folder or a value in a table names, as people and public datasets write it.

A number means something only together with the other numbers of an archive.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Final

from emotion.labels import ALL_NAMES, CSV_CODES

SPELLINGS: Final = {
    "afraid": "fear",
    "anger": "angry",
    "contemptuous": "contempt",
    "disgusted": "disgust",
    "fearful": "fear",
    "happiness": "happy",
    "sadness": "sad",
    "scared": "fear",
    "suprise": "surprise",
    "suprised": "surprise",
    "surprised": "surprise",
} | {name: name for name in ALL_NAMES}
"""The class by the names that public datasets use, in lower case and without the plural's s."""

AFFECTNET: Final = ("neutral", "happy", "sad", "surprise", "fear", "disgust", "angry", "contempt")
"""Class names by AffectNet's numbers from 0 on. FER+ has the same numbers and another order."""

_RAF_DB: Final = ("surprise", "fear", "disgust", "happy", "sad", "angry", "neutral")

ORDERS: Final[Mapping[str, dict[str, str]]] = {
    "FER-2013": {str(number): name for number, name in enumerate(CSV_CODES)},
    "RAF-DB": {str(number): name for number, name in enumerate(_RAF_DB, start=1)},
}
"""The class by number (0 to 6, and 1 to 7) by the dataset that counts so; the set of numbers tells the two apart."""

_NUMBERED: Final = re.compile(r"^\d+[ ._-]+(?=\D)")


def plain(name: object) -> str:
    """Return a name as names are compared: in lower case, without blanks around it, and `01` as 1."""
    text = str(name).strip().lower()
    return str(int(text)) if text.isdecimal() else text


def find_class(name: str, chosen: Mapping[str, str]) -> str:
    """Return the class that a folder or a value in a table names, such as fear for `Fearful `, `2_fear` or `fears`.

    Args:
        name: of the folder, or the value.
        chosen: the class by `plain` name, where a person or the numbers of the archive say so.

    Returns:
        One of `labels.ALL_NAMES`, or the `plain` name where it is no known one.
    """
    text = plain(name)
    if text in chosen:
        return chosen[text]
    word = _NUMBERED.sub("", text)
    return SPELLINGS.get(word) or SPELLINGS.get(word.removesuffix("s")) or text


def find_order(folders: Iterable[str]) -> dict[str, str]:
    """Return the class by number if folders have exactly the numbers of FER-2013 or of RAF-DB, else nothing."""
    numbers = {name for name in map(plain, folders) if name.isdecimal()}
    return next((order for order in ORDERS.values() if order.keys() == numbers), {})


def find_counting(numbers: Mapping[str, str]) -> str:
    """Return the dataset of `ORDERS` that gives these classes these numbers."""
    return next(dataset for dataset, order in ORDERS.items() if numbers.items() <= order.items())
