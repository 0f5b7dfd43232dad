"""The errors of this project and the one place that turns them into a line for a person.

Libraries raise; surfaces and stages translate. Every text says what was expected, what was received and what to do
next, on one line.
"""

from __future__ import annotations

import sys
from collections.abc import Callable


class EmotionError(ValueError):
    """The root of every error that a person can do something about."""


class ParameterError(EmotionError):
    """A value in `params.yaml` is unknown, misspelt, mistyped or out of range."""


class DownloadError(EmotionError):
    """The archive could not be fetched or is not the one that was asked for."""


class DataError(EmotionError):
    """An archive, a csv or an npz does not hold what the pipeline expects."""


class ImageError(EmotionError):
    """One picture cannot become a face.

    Attributes:
        reason: short code for counting, such as `not_an_image`, `truncated` or `too_large`.
    """

    def __init__(self, reason: str, message: str) -> None:
        super().__init__(message)
        self.reason = reason


class ModelError(EmotionError):
    """A model file or its metadata cannot be used, or training went wrong."""


class VideoError(EmotionError):
    """A video or a camera cannot be opened, broke off, or cannot be written."""


def run_as_command(command: Callable[[], None]) -> None:
    """Run a stage as a command: exit 2 on arguments, 1 with one line on a known error, never a traceback for those.

    `OSError` and `MemoryError` count as known: a full disk, a missing permission or too small a machine is the reader's
    to mend, not a defect of the code.
    """
    name = command.__name__
    if len(sys.argv) > 1:
        print(
            f"{name}: expected no arguments, received {' '.join(sys.argv[1:])}; settings live in params.yaml",
            file=sys.stderr,
        )
        sys.exit(2)
    try:
        command()
    except EmotionError as error:
        sys.exit(f"{name}: {one_line(error)}")
    except OSError as error:
        sys.exit(
            f"{name}: {one_line(error)}; check the path, its permissions and the free disk space, then run it again"
        )
    except MemoryError as error:
        details = f" ({one_line(error)})" if str(error) else ""
        sys.exit(
            f"{name}: expected enough memory, received too little{details}; close other programs, "
            "lower batch_size in params.yaml or give it fewer faces"
        )
    except KeyboardInterrupt:
        sys.exit(f"{name}: interrupted; run it again to go on")


def one_line(error: BaseException) -> str:
    """Fold an error's text into a single line."""
    return printable(" ".join(str(error).split()))


def printable(text: str) -> str:
    """Spell out what a terminal would take as a command or a line end: names of files may hold both."""
    return "".join(sign if sign.isprintable() else ascii(sign)[1:-1] for sign in text)
