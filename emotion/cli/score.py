"""The command `emotion score`: pictures by the million, on one machine or a cluster, into Parquet files."""

from __future__ import annotations

import sys
import time
from collections.abc import Mapping
from contextlib import ExitStack
from datetime import timedelta
from typing import TYPE_CHECKING, Annotated

import typer

from emotion.cli.options import Cropped, Detector, DeviceOption, Largest, Model, Smallest, detection_of, requiring
from emotion.errors import printable

if TYPE_CHECKING:
    from emotion.scoring.run import Prepared, Request


def score(
    source: Annotated[
        str,
        typer.Argument(
            metavar="INPUT",
            help="A folder, a pattern, a .csv or .parquet file, or a prefix such as s3://bucket/photos.",
        ),
    ],
    out: Annotated[str, typer.Option(metavar="OUTPUT", help="Folder or prefix for the Parquet files.")],
    column: Annotated[
        str | None, typer.Option(help="Column of a .csv or .parquet file that holds paths or pictures.")
    ] = None,
    limit: Annotated[int | None, typer.Option(min=1, help="Score only the first pictures, so many.")] = None,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Only say how many pictures there are and how large.")
    ] = False,
    resume: Annotated[
        bool, typer.Option("--resume/--no-resume", help="Go on where an earlier run with this output stopped.")
    ] = True,
    workers: Annotated[
        int | None, typer.Option(min=1, help="Processes that score; one for each core, or each GPU, if omitted.")
    ] = None,
    address: Annotated[
        str | None, typer.Option(help="A Ray cluster, such as auto or host:6379; this machine if omitted.")
    ] = None,
    face: Cropped = False,
    detector: Detector = "yunet",
    smallest: Smallest = None,
    largest: Largest = False,
    device: DeviceOption = "cpu",
    model: Model = None,
) -> None:
    """Score up to millions of pictures into Parquet files, on this machine or on a Ray cluster.

    A run that was stopped goes on with the same command.
    """
    with requiring("ray"):
        from emotion.scoring.run import Request, measure

    found = detection_of(detector)
    request = Request(
        source, out, column, limit, resume, workers, address, face, found, smallest, largest, device, model
    )
    if dry_run:
        print(_describe_size(measure(request)))
    else:
        _run(request)


def _run(request: Request) -> None:
    from emotion.scoring import manifest, run

    progress = Progress()
    try:
        prepared = run.prepare(request)
        _say_what_is_to_do(prepared)
        with ExitStack() as stack:
            progress.begin(stack, prepared)
            result = prepared.complete or run.score(prepared, progress.move)
    except KeyboardInterrupt:
        print(f"emotion: interrupted; {progress}. To go on, run the same command again", file=sys.stderr)
        raise typer.Exit(130) from None
    print("\n".join([*manifest.headlines(result), "", *manifest.terminal_table(result), ""]))
    print(printable(f"Rows: {request.out}/faces; summary: {request.out}/summary.md"))


class Progress:
    """How far a run is: a bar with pictures a second and the time left, and a line for a run that is interrupted."""

    def __init__(self) -> None:
        self._total = self._done = 0

    def begin(self, stack: ExitStack, prepared: Prepared) -> None:
        """Show the bar, which the stack closes; it is hidden if standard error is no terminal."""
        self._total, self._done = prepared.pictures, prepared.pictures - prepared.left
        hidden = not sys.stderr.isatty() or not prepared.left
        bar = typer.progressbar(length=prepared.left, file=sys.stderr, show_pos=True, show_eta=False, hidden=hidden)
        self._bar = stack.enter_context(bar)
        self._first: tuple[float, int] | None = None

    def move(self, pictures: int) -> None:
        """Count the pictures of one more partition."""
        now = time.monotonic()
        self._done += pictures
        if self._first is None:  # what came before it is mostly the start of Ray
            self._first = now, self._done
        elif now > self._first[0]:
            rate = (self._done - self._first[1]) / (now - self._first[0])
            left = timedelta(seconds=round((self._total - self._done) / rate))
            self._bar.label = f"{rate:.1f} pictures/s, {left} left"
        self._bar.update(pictures)

    def __str__(self) -> str:
        if not self._total:
            return "nothing is scored yet"
        return f"{self._done:,} of {self._total:,} pictures are scored and kept"


def _say_what_is_to_do(prepared: Prepared) -> None:
    from emotion.cli.predict import describe_left_out

    if prepared.left_out:
        print(f"emotion: {printable(describe_left_out(prepared.left_out))}", file=sys.stderr)
    if prepared.complete:
        print("emotion: this run is complete; nothing is left to do", file=sys.stderr)
    elif prepared.left < prepared.pictures:
        done = f"{prepared.pictures - prepared.left:,} of {prepared.pictures:,} pictures are scored already"
        print(f"emotion: {done}; going on with the others", file=sys.stderr)


def _describe_size(found: Mapping[str, int]) -> str:
    """Say how many pictures there are and how large: `1,000 pictures, 12.3 MB (12 kB each)`."""
    from emotion.cli.output import count

    pictures, known = found["pictures"], found["pictures"] - found["unknown"]
    if not known:
        return f"{count(pictures, 'picture')}{', of unknown size' if pictures else ''}"
    size = f"{found['bytes'] / 1e6:,.1f} MB ({found['bytes'] / known / 1e3:,.0f} kB each)"
    unknown = f"; the size of {found['unknown']:,} is not known" if found["unknown"] else ""
    return f"{count(pictures, 'picture')}, {size}{unknown}"
