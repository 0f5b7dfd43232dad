"""The errors of this project.

The library raises errors; stages, command line and server show them. Every message is one line: what is wrong, the
value that is wrong, and what to do next. "expected ..., received ..." is for types, ranges and columns.
"""

from __future__ import annotations

from collections.abc import Iterable


class EmotionError(ValueError):
    """Base class of the errors that a user can fix."""


class ParameterError(EmotionError):
    """A value in `params.yaml` is unknown, misspelt, of the wrong type or out of range."""


class DownloadError(EmotionError):
    """The archive could not be downloaded, or it is not the one that was requested."""


class DataError(EmotionError):
    """The content of an archive, csv or npz file is not what the pipeline needs."""


class ImageError(EmotionError):
    """A picture cannot be turned into a face.

    Attributes:
        reason: short code by which errors are counted, such as `not_an_image`, `truncated` or `too_large`.
    """

    def __init__(self, reason: str, message: str) -> None:
        super().__init__(message)
        self.reason = reason


class ModelError(EmotionError):
    """A model file or its metadata cannot be used, or training failed."""


class VideoError(EmotionError):
    """A video or camera cannot be opened or stops early, or a video cannot be written."""


def one_line(error: BaseException) -> str:
    """Return an error's message as a single line."""
    return printable(" ".join(str(error).split()))


def printable(text: str) -> str:
    """Escape control characters and line ends, which a file name may contain and a terminal would obey."""
    return "".join(char if char.isprintable() else ascii(char)[1:-1] for char in text)


def some(names: Iterable[str], most: int = 10) -> str:
    """Return the first names of a list, and the number of the others, so that a message stays readable.

    Examples:
        >>> some(["a", "b", "c", "d"], most=2)
        'a, b and 2 more'
    """
    listed = list(names)
    more = f" and {len(listed) - most:,} more" if len(listed) > most else ""
    return ", ".join(listed[:most]) + more
