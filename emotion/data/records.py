"""A face as an archive describes it, and a face that cannot be used."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True)
class Record:
    """A face and what the archive says about it.

    Attributes:
        name: archive member, or table and line such as `fer2013.csv:2`.
        emotion: one of `labels.ALL_NAMES`, or the name of another folder in lower case.
        folder: one of `labels.SPLITS`, from the folder or, in a table, from `Usage`; None if neither tells.
        official: one of `labels.SPLITS`, from the names that the competition gave them; None if no such name is there.
        content: the bytes of the picture file, or uint8 of shape (48, 48), grey, 0-255.
        votes: uint8, shape (10,), how many raters made each choice of `votes.CHOICES`; None where nobody voted.
    """

    name: str
    emotion: str
    folder: str | None
    official: str | None
    content: bytes | NDArray[np.uint8]
    votes: NDArray[np.uint8] | None = None


@dataclass(frozen=True)
class Fault:
    """A face that cannot be used, and why.

    Attributes:
        name: as in `Record`.
        reason: short code by which faults are counted, such as `truncated` or `wrong_pixel`.
        message: what is wrong.
    """

    name: str
    reason: str
    message: str
