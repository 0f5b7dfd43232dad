"""Options of several commands, and how a command ends that cannot do its work."""

from __future__ import annotations

import errno
import re
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, NoReturn

import typer

from emotion.errors import one_line, printable
from emotion.inference.devices import Device

if TYPE_CHECKING:
    from emotion.inference.detection import Detection

Model = Annotated[Path | None, typer.Option(help="An .onnx file to use instead of the shipped one.", dir_okay=False)]
Detector = Annotated[
    str, typer.Option(metavar="NAME|FILE", help="Face detector: yunet, haar, or a file with YuNet's weights.")
]
Cropped = Annotated[
    bool, typer.Option("--face", help="Treat each image as one cropped face; the default for 48x48 pixels.")
]
Smallest = Annotated[
    int | None,
    typer.Option(min=1, help="Height in pixels of the smallest face to find; larger is faster. 24, in videos 48."),
]
DeviceOption = Annotated[
    Device, typer.Option("--device", help="Where the network computes; auto takes a GPU where there is one.")
]
Largest = Annotated[bool, typer.Option("--largest", help="Take only the largest face of each image or frame.")]


def detection_of(text: str) -> Detection | Path:
    """Return what `--detector` means: the name of a detector, or else a file."""
    names: dict[str, Detection] = {"yunet": "yunet", "haar": "haar"}
    return names.get(text) or Path(text)


def seconds_of(text: str) -> float:
    """Return the seconds of a time such as `90`, `1:30` or `1:02:03.5`."""
    if not re.fullmatch(r"(\d+:){0,2}\d+(\.\d*)?", text):
        raise typer.BadParameter(f"{text!r} is not a time; write seconds or minutes:seconds, such as 90 or 1:30")
    seconds = 0.0
    for part in text.split(":"):
        seconds = 60 * seconds + float(part)
    return seconds


@contextmanager
def requiring(extra: str, status: int = 1) -> Iterator[None]:
    """Name the extra in one line if one of its packages is not installed."""
    try:
        yield
    except ModuleNotFoundError as error:
        advice = f"run in the project's clone: pip install '.[{extra}]'"
        refuse(f"the packages of the extra {extra} are not installed ({error}); {advice}", status)


def describe(error: Exception) -> str:
    """Return an error as one line; one of the operating system without its number."""
    if isinstance(error, OSError) and error.strerror:
        place = f"{error.filename}: " if error.filename else ""
        advice = "; free some disk space" if error.errno == errno.ENOSPC else ""
        return printable(f"{place}{error.strerror}{advice}")
    return one_line(error) or "out of memory; close other programs"


def refuse(text: str, status: int) -> NoReturn:
    """End with a line on standard error and an exit code."""
    print(f"emotion: {text}", file=sys.stderr)
    raise typer.Exit(status)
