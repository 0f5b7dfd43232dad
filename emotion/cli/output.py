"""Where results go while they come: lines, files, annotated copies, a progress bar; one outlet each.

An outlet takes every result and keeps none. Knows how to speak to a terminal; finding and judging is done below.
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import replace
from itertools import count
from pathlib import Path
from typing import TYPE_CHECKING

import typer

from emotion.errors import EmotionError
from emotion.files import is_same_file
from emotion.inference import drawing, formats, tracking

if TYPE_CHECKING:
    from emotion.inference.results import Picture
    from emotion.inference.tracking import Seen
    from emotion.inference.video import Source

PictureOutlet = Callable[["Picture", "str | bytes"], object]
"""Takes each picture and its file or content."""

SeenOutlet = Callable[["Seen"], None]
"""Takes each frame of a video and the faces in it."""


def refuse_place(target: Path) -> None:
    """Refuse a file or folder to write where no folder is that could hold it.

    Raises:
        EmotionError: the folder around it is missing, or it is `-`.
    """
    if str(target) == "-":
        raise EmotionError("expected the name of a file to write, received -; for standard output use --jsonl")
    if not target.parent.is_dir():
        expected = f"expected a folder {target.parent} to write {target.name} into"
        raise EmotionError(f"{expected}, received none; make it or choose another place")


def refuse_overwriting(target: Path, kept: Iterable[str | Path]) -> None:
    """Refuse a file to write that is one of those to keep.

    Raises:
        EmotionError: the target is one of them, be it by a link.
    """
    for path in kept:
        if is_same_file(path, target):
            raise EmotionError(f"expected another file to write than {path}, received {target}; choose another name")


def row_outlets(
    stack: ExitStack, classes: Sequence[str], csv: Path | None, top: int, *, as_json: bool, jsonl: bool
) -> Iterator[PictureOutlet]:
    """Yield what prints each picture and what writes its rows; the stack closes it all."""
    if csv:
        # Names of files may hold bytes that are no UTF-8.
        stream = stack.enter_context(csv.open("w", newline="", encoding="utf-8", errors="surrogateescape"))
        write = formats.row_writer(stream)
        yield lambda picture, _: write(picture.rows(classes))
    if as_json:
        array = stack.enter_context(formats.JsonArray())
        yield lambda picture, _: array.add(picture)
    elif jsonl:
        yield lambda picture, _: formats.print_json_line(picture)
    elif not csv:
        yield lambda picture, _: print("\n".join(formats.lines(picture, top)), flush=True)


def album_outlets(folder: Path | None, kept: Sequence[str | Path]) -> Iterator[PictureOutlet]:
    """Yield what writes an annotated copy of each picture, if that is wanted; none replaces a file to keep."""
    if folder:
        album = formats.Album(folder, kept)
        yield lambda picture, source: None if picture.error else album.add(picture, source)


def picture_bar(stack: ExitStack, total: int, *, prints: bool) -> PictureOutlet:
    """Return what moves a progress bar, on a terminal that shows no lines in between."""
    hidden = total == 1 or not sys.stderr.isatty() or (prints and sys.stdout.isatty())
    bar = stack.enter_context(typer.progressbar(length=total, file=sys.stderr, show_pos=True, hidden=hidden))
    return lambda *_: bar.update(1)


def hand_out(pictures: Iterable[tuple[str | bytes, Picture]], outlets: Sequence[PictureOutlet]) -> tuple[int, int]:
    """Hand each picture to all outlets; return how many faces there were and how many pictures could not be read."""
    faces = unread = 0
    for source, found in pictures:
        picture = replace(found, source="standard input") if isinstance(source, bytes) else found
        for outlet in outlets:
            outlet(picture, source)
        faces += len(picture.faces)
        unread += picture.error is not None
    return faces, unread


def seen_outlets(
    stack: ExitStack, frames: Source, classes: Sequence[str], out: Path | None, csv: Path | None, *, jsonl: bool
) -> Iterator[SeenOutlet]:
    """Yield what takes each frame that was looked at; the stack closes it all."""
    from emotion.inference import video as footage

    if out:
        film, lingering = stack.enter_context(footage.recording(out, frames)), tracking.Lingering()
        yield lambda seen: film.add(drawing.draw(seen.frame.pixels, lingering.faces(seen)), seen.frame.time)
    if csv:
        write = formats.row_writer(stack.enter_context(csv.open("w", newline="", encoding="utf-8")))
        yield lambda seen: write(seen.rows(classes))
    if jsonl:
        yield _print_frame
    elif out or csv:
        yield _frame_bar(stack, frames)
    else:
        yield _second_printer()


def _print_frame(seen: Seen) -> None:
    """Print a frame as one line of JSON."""
    faces = [{"track": tracked.track, **formats.face_as_json(tracked.face)} for tracked in seen.faces]
    print(json.dumps({"frame": seen.frame.index, "time": round(seen.frame.time, 3), "faces": faces}), flush=True)


def _second_printer() -> SeenOutlet:
    """Return what prints the faces of the first frame of each second."""
    last = -1

    def print_second(seen: Seen) -> None:
        nonlocal last
        if int(seen.frame.time) > last:
            last = int(seen.frame.time)
            faces = [f"face {tracked.track} {tracked.face.describe()}" for tracked in seen.faces]
            print(f"{last // 60:02}:{last % 60:02}  {'; '.join(faces) or 'no face'}", flush=True)

    return print_second


def _frame_bar(stack: ExitStack, frames: Source) -> SeenOutlet:
    """Return what moves a progress bar on a terminal; its end is unknown for a camera."""
    begun, done = time.monotonic(), count(1)
    bar = stack.enter_context(typer.progressbar(count(), frames.total, file=sys.stderr, hidden=not sys.stderr.isatty()))

    def move(_: Seen) -> None:
        bar.label = f"{next(done) / (time.monotonic() - begun):.0f} frames/s"
        bar.update(1)

    return move
