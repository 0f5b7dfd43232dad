"""The command `emotion predict`: images in, lines, JSON, csv or annotated copies out."""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Annotated, Final

import typer

from emotion.cli.options import Cropped, Detector, DeviceOption, Largest, Model, Smallest, detection_of
from emotion.errors import EmotionError, printable

MOST_KINDS: Final = 6
"""Kinds of files that the line about what was left out names; the others are counted together."""


def predict(
    paths: Annotated[
        list[str],
        typer.Argument(metavar="PATH", help="Images, folders, patterns such as 'a/**/*.jpg', or - for standard input."),
    ],
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON array.")] = False,
    jsonl: Annotated[bool, typer.Option("--jsonl", help="Print a line of JSON for each image.")] = False,
    csv: Annotated[Path | None, typer.Option(help="Write a row for each face.", dir_okay=False)] = None,
    annotate: Annotated[
        Path | None, typer.Option(help="Write copies with marked faces to this folder.", file_okay=False)
    ] = None,
    top: Annotated[int, typer.Option(min=1, help="Number of classes to print for each face.")] = 1,
    face: Cropped = False,
    detector: Detector = "yunet",
    smallest: Smallest = None,
    largest: Largest = False,
    device: DeviceOption = "cpu",
    model: Model = None,
) -> None:
    """Find the faces in images and classify their expressions; exit with 1 if an image cannot be read.

    Prints a line for each face unless --json, --jsonl or --csv is given.
    """
    if as_json and jsonl:
        raise typer.BadParameter("--json and --jsonl cannot be combined")
    try:
        from emotion.cli import output
        from emotion.cli.output import count
        from emotion.inference.predictor import Predictor

        for target in filter(None, (csv, annotate)):
            output.check_target(target)
        sources = _image_sources(paths)
        named = [source for source in sources if isinstance(source, str)]
        if csv:
            output.check_overwriting(csv, [*named, *filter(None, [model])])
        predictor = Predictor(
            model, detection=detection_of(detector), smallest=smallest, largest=largest, device=device
        )
        with ExitStack() as stack:
            writers = [
                *output.result_writers(stack, predictor.classes, csv, top, as_json=as_json, jsonl=jsonl),
                *output.copy_writers(annotate, [*named, *filter(None, [csv])]),
                output.image_bar(stack, len(sources), prints=as_json or jsonl or csv is None),
            ]
            pictures = predictor.stream(sources, cropped=face or None)
            faces, unread = output.write_all(zip(sources, pictures, strict=True), writers)
    except KeyboardInterrupt:
        print("emotion: interrupted; the results written so far are kept", file=sys.stderr)
        raise typer.Exit(130) from None
    if csv and not (as_json or jsonl):
        print(f"{count(len(sources), 'image')}, {count(faces, 'face')}: {csv}", file=sys.stderr)
    if unread:
        sys.exit(f"emotion: {unread} of {count(len(sources), 'image')} could not be read")


def _image_sources(paths: Sequence[str]) -> list[str | bytes]:
    """List the image files, and read standard input for `-`."""
    from emotion.inference.pictures import find_pictures
    from emotion.picture_formats import SUFFIXES

    left_out: Counter[str] = Counter()
    found: dict[str, list[str | bytes]] = {}
    for path in dict.fromkeys(paths):
        found[path] = [_read_input()] if path == "-" else [*find_pictures(path, left_out)]
    if left_out:
        print(f"emotion: {printable(describe_left_out(left_out))}", file=sys.stderr)
    empty = [path for path in found if not found[path]]
    if empty:
        text = f"no images ({' '.join(SUFFIXES)}) in {' '.join(empty)}; choose another path"
        if len(empty) == len(found):
            raise EmotionError(text)
        print(f"emotion: {printable(text)}", file=sys.stderr)
    return [source for path in paths for source in found[path]]


def describe_left_out(left_out: Counter[str]) -> str:
    """Say how many files of which kinds a folder has beside its pictures: `4 files left out: 3 .txt, 1 .mp4`."""
    from emotion.cli.output import count

    kinds = [f"{number:,} {suffix or 'without suffix'}" for suffix, number in left_out.most_common(MOST_KINDS)]
    rest = left_out.total() - sum(number for _, number in left_out.most_common(MOST_KINDS))
    return f"{count(left_out.total(), 'file')} left out: {', '.join([*kinds, *([f'{rest:,} others'] if rest else [])])}"


def _read_input() -> bytes:
    if sys.stdin is None:
        raise EmotionError("standard input is closed; give a file or a pipe")
    return sys.stdin.buffer.read()
