"""Where results go while they come: lines, files, annotated copies, a progress bar; one outlet each.

An outlet takes every result and keeps none. Knows how to speak to a terminal; finding and judging is done below.
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

if TYPE_CHECKING:
    from emotion.inference.results import Picture, TrackedFrame
    from emotion.inference.video import VideoSource

PictureOutlet = Callable[["Picture", "str | bytes"], object]
"""Takes each picture and its file or content."""

FrameOutlet = Callable[["TrackedFrame"], None]
"""Takes each frame of a video and the faces in it."""


LONGEST_STEM: Final = 200
"""Bytes of a name that an annotated copy keeps: disks allow 255, of which its own additions take some."""


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
        array = stack.enter_context(JsonArray())
        yield lambda picture, _: array.add(picture)
    elif jsonl:
        yield lambda picture, _: print_json_line(picture)
    elif not csv:
        yield lambda picture, _: print("\n".join(lines(picture, top)), flush=True)


def copy_outlets(folder: Path | None, kept: Sequence[str | Path]) -> Iterator[PictureOutlet]:
    """Yield what writes an annotated copy of each picture, if that is wanted; none replaces a file to keep."""
    if folder:
        album = AnnotatedCopies(folder, kept)
        yield lambda picture, source: None if picture.error else album.add(picture, source)


def picture_bar(stack: ExitStack, total: int, *, prints: bool) -> PictureOutlet:
    """Return what moves a progress bar, on a terminal that shows no lines in between."""
    hidden = total == 1 or not sys.stderr.isatty() or (prints and sys.stdout.isatty())
    bar = stack.enter_context(typer.progressbar(length=total, file=sys.stderr, show_pos=True, hidden=hidden))
    return lambda *_: bar.update(1)


def distribute(pictures: Iterable[tuple[str | bytes, Picture]], outlets: Sequence[PictureOutlet]) -> tuple[int, int]:
    """Hand each picture to all outlets; return how many faces there were and how many pictures could not be read."""
    faces = unread = 0
    for source, found in pictures:
        picture = replace(found, source="standard input") if isinstance(source, bytes) else found
        for outlet in outlets:
            outlet(picture, source)
        faces += len(picture.faces)
        unread += picture.error is not None
    return faces, unread


def frame_outlets(
    stack: ExitStack, frames: VideoSource, classes: Sequence[str], out: Path | None, csv: Path | None, *, jsonl: bool
) -> Iterator[FrameOutlet]:
    """Yield what takes each frame that was looked at; the stack closes it all."""
    from emotion.inference.video_file import recording

    if out:
        film, held = stack.enter_context(recording(out, frames)), tracking.HeldFaces()
        yield lambda seen: film.add(drawing.draw(seen.frame.pixels, held.faces(seen)), seen.frame.time)
    if csv:
        write = formats.row_writer(stack.enter_context(csv.open("w", newline="", encoding="utf-8")))
        yield lambda seen: write(seen.rows(classes))
    if jsonl:
        yield _print_frame
    elif out or csv:
        yield _frame_bar(stack, frames)
    else:
        yield _second_printer()


def _print_frame(seen: TrackedFrame) -> None:
    """Print a frame as one line of JSON."""
    faces = [{"track": tracked.track, **formats.face_as_json(tracked.face)} for tracked in seen.faces]
    print(json.dumps({"frame": seen.frame.index, "time": round(seen.frame.time, 3), "faces": faces}), flush=True)


def _second_printer() -> FrameOutlet:
    """Return what prints the faces of the first frame of each second."""
    last = -1

    def print_second(seen: TrackedFrame) -> None:
        nonlocal last
        if int(seen.frame.time) > last:
            last = int(seen.frame.time)
            faces = [f"face {tracked.track} {tracked.face.describe()}" for tracked in seen.faces]
            print(f"{last // 60:02}:{last % 60:02}  {'; '.join(faces) or 'no face'}", flush=True)

    return print_second


def _frame_bar(stack: ExitStack, frames: VideoSource) -> FrameOutlet:
    """Return what moves a progress bar on a terminal; its end is unknown for a camera."""
    begun, done = time.monotonic(), itertools.count(1)
    bar = stack.enter_context(
        typer.progressbar(itertools.count(), frames.total, file=sys.stderr, hidden=not sys.stderr.isatty())
    )

    def move(_: TrackedFrame) -> None:
        bar.label = f"{next(done) / (time.monotonic() - begun):.0f} frames/s"
        bar.update(1)

    return move


def lines(picture: Picture, top: int = 1) -> list[str]:
    """Return a line for each face, or one that says why there is none.

    Args:
        picture: what was found.
        top: how many of its most probable classes a face shows.
    """
    name = printable(picture.source)
    if picture.error is not None:
        return [f"{name}  cannot be read: {printable(picture.error)}"]
    found = [f"{name}  {face.describe(top)}  ({face.box or 'whole picture'})" for face in picture.faces]
    return found or [f"{name}  no face found"]


def count(number: int, noun: str) -> str:
    """Return a number with its noun, `1 face` or `2 faces`."""
    return f"{number:,} {noun}{'' if number == 1 else 's'}"


def print_json_line(picture: Picture) -> None:
    """Print a picture as one line of JSON."""
    print(json.dumps(picture_as_json(picture)), flush=True)


class JsonArray:
    """Prints pictures as one JSON array; to be entered with `with`, which closes the brackets."""

    def __init__(self) -> None:
        self._before = ""

    def __enter__(self) -> JsonArray:
        print("[", end="")
        return self

    def __exit__(self, *_: object) -> None:
        print("\n]", flush=True)

    def add(self, picture: Picture) -> None:
        """Print one more picture."""
        print(f"{self._before}\n{json.dumps(picture_as_json(picture))}", end="", flush=True)
        self._before = ","


class AnnotatedCopies:
    """A folder of annotated copies, each under a name of its own."""

    def __init__(self, folder: Path, originals: Iterable[str | Path]) -> None:
        """Choose the folder, made when the first copy is written.

        Args:
            folder: where to write.
            originals: files that no copy may replace.
        """
        self._folder = folder
        self._taken = {_key(Path(original)) for original in originals}

    def add(self, picture: Picture, source: str | bytes) -> Path:
        """Write a picture with its faces drawn in, as JPEG.

        Args:
            picture: what was found; one that could be read.
            source: its file, or the file's content.

        Returns:
            The new file: the source's name with `_faces`, and a number where that name is taken.
        """
        pixels = drawing.to_rgb(read_image(source if isinstance(source, bytes) else Path(source)))
        path = self._free_path(Path(picture.source).stem)
        # In memory first: of a full disk Pillow says nothing.
        stream = io.BytesIO()
        Image.fromarray(drawing.draw(pixels, picture.faces)).save(stream, "JPEG", quality=92)
        write_bytes(path, stream.getvalue())
        return path

    def _free_path(self, stem: str) -> Path:
        # A stem may be as long as disks allow before anything is added.
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
    """Return what is equal for two names of one file; some disks do not tell capitals apart."""
    return str(path.resolve()).casefold()
