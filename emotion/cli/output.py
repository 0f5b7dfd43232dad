"""Writes results as they arrive: lines, files, annotated copies, a progress bar; one writer for each.

A writer gets every result and keeps none. Knows terminals and files; detection and classification happen elsewhere.
"""

from __future__ import annotations

import io
import itertools
import json
import os
import sys
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Final

import typer
from PIL import Image

from emotion.errors import EmotionError, printable
from emotion.files import is_same_file, partial_of, write_bytes
from emotion.images import read_image
from emotion.inference import drawing, formats, tracking
from emotion.inference.formats import picture_as_json
from emotion.inference.pictures import to_rgb

if TYPE_CHECKING:
    from emotion.inference.results import Picture, TrackedFrame
    from emotion.inference.video import VideoSource

PictureWriter = Callable[["Picture", "str | bytes"], object]
"""Gets each image's result, and the image's file or content."""

FrameWriter = Callable[["TrackedFrame"], None]
"""Gets each frame of a video and the faces in it."""

LONGEST_EDGE: Final = 65_500
"""Pixels that the encoder of JPEG takes; longer copies are reduced to them."""

LONGEST_STEM: Final = 200
"""Bytes of a file name that an annotated copy keeps: file systems allow 255, and the copy adds some."""


def check_target(target: Path) -> None:
    """Refuse to write a file or folder where there is no folder to hold it.

    Raises:
        EmotionError: the folder that should hold it is missing, or the target is `-`.
    """
    if str(target) == "-":
        raise EmotionError("- is not a file name; for standard output use --jsonl")
    if not target.parent.is_dir():
        raise EmotionError(f"{target} cannot be written: there is no folder {target.parent}; make it or choose another")


def check_overwriting(target: Path, kept: Iterable[str | Path]) -> None:
    """Refuse to write to a file that must be kept.

    Raises:
        EmotionError: the target is one of these files, or a link to one.
    """
    for path in kept:
        if is_same_file(path, target):
            raise EmotionError(f"writing {target} would overwrite {path}; choose another name")


def result_writers(
    stack: ExitStack, classes: Sequence[str], csv: Path | None, top: int, *, as_json: bool, jsonl: bool
) -> Iterator[PictureWriter]:
    """Yield the writers that print each result and write its rows; the stack closes them."""
    if csv:
        # File names may hold bytes that are not UTF-8.
        stream = stack.enter_context(csv.open("w", newline="", encoding="utf-8", errors="surrogateescape"))
        write = formats.row_writer(stream)
        yield lambda picture, _: write(picture.rows(classes))
    if as_json:
        array = stack.enter_context(JsonArray())
        yield lambda picture, _: array.add(picture)
    elif jsonl:
        yield lambda picture, _: print_json_line(picture)
    elif not csv:
        yield lambda picture, _: print("\n".join(lines(picture, top)), flush=True)


def copy_writers(folder: Path | None, kept: Sequence[str | Path]) -> Iterator[PictureWriter]:
    """Yield the writer of annotated copies if a folder is given; it never replaces a file that must be kept."""
    if folder:
        copies = AnnotatedCopies(folder, kept)
        yield lambda picture, source: None if picture.error else copies.add(picture, source)


def image_bar(stack: ExitStack, total: int, *, prints: bool) -> PictureWriter:
    """Return the writer that moves a progress bar; the bar is hidden if results are printed to the same terminal."""
    hidden = total == 1 or not sys.stderr.isatty() or (prints and sys.stdout.isatty())
    bar = stack.enter_context(typer.progressbar(length=total, file=sys.stderr, show_pos=True, hidden=hidden))
    return lambda *_: bar.update(1)


def write_all(pictures: Iterable[tuple[str | bytes, Picture]], writers: Sequence[PictureWriter]) -> tuple[int, int]:
    """Pass each result to all writers; return the number of faces and the number of images that could not be read."""
    faces = unread = 0
    for source, found in pictures:
        picture = replace(found, source="standard input") if isinstance(source, bytes) else found
        for write in writers:
            write(picture, source)
        faces += len(picture.faces)
        unread += picture.error is not None
    return faces, unread


def frame_writers(
    stack: ExitStack, frames: VideoSource, classes: Sequence[str], out: Path | None, csv: Path | None, *, jsonl: bool
) -> Iterator[FrameWriter]:
    """Yield the writers that get each analysed frame; the stack closes them."""
    from emotion.inference.video_file import recording

    if out:
        annotated, held = stack.enter_context(recording(out, frames)), tracking.HeldFaces()
        yield lambda tracked: annotated.add(drawing.draw(tracked.frame.pixels, held.faces(tracked)), tracked.frame.time)
    if csv:
        write = formats.row_writer(stack.enter_context(csv.open("w", newline="", encoding="utf-8")))
        yield lambda tracked: write(tracked.rows(classes))
    if jsonl:
        yield _print_frame
    elif out or csv:
        yield _frame_bar(stack, frames)
    else:
        yield _second_printer()


def _print_frame(tracked: TrackedFrame) -> None:
    """Print a frame as one line of JSON."""
    frame = tracked.frame
    faces = [{"track": each.track, **formats.face_as_json(each.face)} for each in tracked.faces]
    print(json.dumps({"frame": frame.index, "time": round(frame.time, 3), "faces": faces}), flush=True)


def _second_printer() -> FrameWriter:
    """Return the writer that prints the faces of the first frame of each second."""
    last = -1

    def print_second(tracked: TrackedFrame) -> None:
        nonlocal last
        if int(tracked.frame.time) > last:
            last = int(tracked.frame.time)
            faces = [f"face {each.track} {each.face.describe()}" for each in tracked.faces]
            print(f"{last // 60:02}:{last % 60:02}  {'; '.join(faces) or 'no face'}", flush=True)

    return print_second


def _frame_bar(stack: ExitStack, frames: VideoSource) -> FrameWriter:
    """Return the writer that moves a progress bar; for a camera the bar has no end."""
    begun, done = time.monotonic(), itertools.count(1)
    bar = stack.enter_context(
        typer.progressbar(itertools.count(), frames.total, file=sys.stderr, hidden=not sys.stderr.isatty())
    )

    def move(_: TrackedFrame) -> None:
        bar.label = f"{next(done) / (time.monotonic() - begun):.0f} frames/s"
        bar.update(1)

    return move


def lines(picture: Picture, top: int = 1) -> list[str]:
    """Return a line for each face, or one line that says why there is none.

    Args:
        picture: the result for one image.
        top: number of classes to print for each face, the most probable first.
    """
    name = printable(picture.source)
    if picture.error is not None:
        return [f"{name}  cannot be read: {printable(picture.error)}"]
    found = [f"{name}  {face.describe(top)}  ({face.box or 'whole image'})" for face in picture.faces]
    advice = "; if it is cropped to one face, add --face" if picture.looks_cropped else ""
    return found or [f"{name}  no face found{advice}"]


def count(number: int, noun: str) -> str:
    """Return a number with its noun: `1 face` or `2 faces`."""
    return f"{number:,} {noun}{'' if number == 1 else 's'}"


def print_json_line(picture: Picture) -> None:
    """Print a result as one line of JSON."""
    print(json.dumps(picture_as_json(picture)), flush=True)


class JsonArray:
    """Prints results as one JSON array; use it in a `with` statement, which closes the array."""

    def __init__(self) -> None:
        self._before = ""

    def __enter__(self) -> JsonArray:
        print("[", end="")
        return self

    def __exit__(self, *_: object) -> None:
        print("\n]", flush=True)

    def add(self, picture: Picture) -> None:
        """Print one more result."""
        print(f"{self._before}\n{json.dumps(picture_as_json(picture))}", end="", flush=True)
        self._before = ","


class AnnotatedCopies:
    """A folder of annotated copies, each under its own name."""

    def __init__(self, folder: Path, originals: Iterable[str | Path]) -> None:
        """Set the folder; it is made when the first copy is written.

        Args:
            folder: where to write.
            originals: files that no copy may replace.
        """
        self._folder = folder
        self._taken = {_key(Path(original)) for original in originals}

    def add(self, picture: Picture, source: str | bytes) -> Path:
        """Write a JPEG copy of an image with its faces marked.

        Args:
            picture: the result for an image that could be read.
            source: the image's file or its content.

        Returns:
            The new file: the source's name with `_faces`, and a number if that name is taken.
        """
        pixels = to_rgb(read_image(source if isinstance(source, bytes) else Path(source)))
        path = self._free_path(Path(picture.source).stem)
        # Encoded in memory, because Pillow does not report a full disk.
        stream = io.BytesIO()
        copy = Image.fromarray(drawing.draw_with_legend(pixels, picture.faces))
        copy.thumbnail((LONGEST_EDGE, LONGEST_EDGE))
        copy.save(stream, "JPEG", quality=92)
        write_bytes(path, stream.getvalue())
        return path

    def _free_path(self, stem: str) -> Path:
        # The stem may already be as long as the file system allows.
        if len(os.fsencode(stem)) > LONGEST_STEM:
            stem = os.fsencode(stem)[:LONGEST_STEM].decode(errors="ignore")
        number = 1
        path = self._folder / f"{stem}_faces.jpg"
        while self._taken & {_key(path), _key(partial_of(path))}:
            number += 1
            path = self._folder / f"{stem}_faces-{number}.jpg"
        self._taken.add(_key(path))
        return path


def _key(path: Path) -> str:
    """Return a key that is equal for all names of one file; some file systems ignore upper and lower case."""
    return str(path.resolve()).casefold()
