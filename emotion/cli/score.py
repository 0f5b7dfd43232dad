"""The command `emotion score`: pictures by the million, on one machine or a cluster, into Parquet files."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from datetime import timedelta
from typing import TYPE_CHECKING, Annotated, Final

import typer

from emotion.cli.options import Cropped, Detector, DeviceOption, Largest, Model, Smallest, detection_of, requiring
from emotion.cli.stopping import stoppable
from emotion.errors import EmotionError, printable
from emotion.inference.precision import Precision

if TYPE_CHECKING:
    from emotion.scoring.run import Prepared, Request


SETTLED: Final = 1.0
"""Seconds after the first partition from which on a speed is shown."""

GO_ON: Final = "To go on, run the same command again"


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
    precision: Annotated[
        Precision, typer.Option(help="int8 is faster for the network, and gives a few other labels.")
    ] = "float32",
    model: Model = None,
) -> None:
    """Score up to millions of pictures into Parquet files, on this machine or on a Ray cluster.

    A run that was stopped goes on with the same command.
    """
    with requiring("ray"):
        from emotion.scoring.run import Request, measure

    if not out:
        raise EmotionError("--out is empty; give a new folder, or a prefix such as s3://bucket/results")
    found = detection_of(detector)
    request = Request(
        source, out, column, limit, resume, workers, address, face, found, smallest, largest, device, precision, model
    )
    if dry_run:
        print(_describe_size(measure(request)))
    else:
        _run(request)


def _run(request: Request) -> None:
    from emotion.scoring import manifest, run

    prepared = None
    with stoppable(f"emotion: interrupted. {GO_ON}") as stop:
        try:
            prepared = run.prepare(request)
            _say_what_is_to_do(prepared)
            with ExitStack() as stack:
                result = prepared.complete or run.score(prepared, _bar(stack, prepared.left))
        except KeyboardInterrupt:
            kept = f"{run.count_kept(prepared):,} of {prepared.pictures:,} pictures are" if prepared else "nothing is"
            print(f"emotion: interrupted; {kept} scored. {GO_ON}", file=sys.stderr)
            raise typer.Exit(stop.code) from None
    print("\n".join([*manifest.headlines(result), "", *manifest.terminal_table(result), ""]))
    print(printable(f"Rows: {request.out}/faces; summary: {request.out}/summary.md"))


def _bar(stack: ExitStack, left: int) -> Callable[[int], None]:
    """Return what moves a bar with pictures a second and the time left; hidden if standard error is no terminal."""
    hidden = not sys.stderr.isatty() or not left
    bar = stack.enter_context(
        typer.progressbar(length=left, file=sys.stderr, show_pos=True, show_eta=False, hidden=hidden)
    )
    first: tuple[float, int] | None = None

    def move(pictures: int) -> None:
        nonlocal first
        now, done = time.monotonic(), bar.pos + pictures
        first = first or (now, done)  # what came before is mostly the start of Ray
        if now > first[0] + SETTLED:
            rate = (done - first[1]) / (now - first[0])
            bar.label = f"{rate:.1f} pictures/s, {timedelta(seconds=round((left - done) / rate))} left"
        bar.update(pictures)

    return move


def _say_what_is_to_do(prepared: Prepared) -> None:
    from emotion.cli.predict import describe_left_out

    left_out = describe_left_out(prepared.left_out) if prepared.left_out else None
    for line in filter(None, (left_out, _describe_earlier(prepared), _describe_workers(prepared))):
        print(f"emotion: {printable(line)}", file=sys.stderr)


def _describe_earlier(prepared: Prepared) -> str | None:
    """Say what an earlier run has scored; None if there was none."""
    from emotion.cli.output import count

    if prepared.complete:
        return "this run is complete; nothing is left to do"
    if prepared.lost:
        lost = f"{prepared.lost:,} of {count(prepared.begun.totals.partitions, 'partition')}"
        which = f"{prepared.left:,} of {count(prepared.pictures, 'picture')}"
        return f"{prepared.request.out}/faces lacks {lost} of a complete run ({which}); scoring them again"
    if prepared.left < prepared.pictures:
        done = f"{prepared.pictures - prepared.left:,} of {prepared.pictures:,} pictures are scored already"
        return f"{done}; {'going on with the others' if prepared.left else 'checking them for the summary'}"
    return None


def _describe_workers(prepared: Prepared) -> str | None:
    """Say how many workers start if they are fewer than the user wants."""
    from emotion.cli.output import count

    wanted = prepared.request.workers or 0
    if prepared.complete or wanted <= prepared.most_workers:
        return None
    left = count(len(prepared.begun.missing), "partition")
    return f"{count(prepared.most_workers, 'worker')} instead of {wanted:,}; {left} left to score"


def _describe_size(found: Mapping[str, int]) -> str:
    """Say how many pictures there are and how large: `1,000 pictures, 12.3 MB (12 kB each)`."""
    from emotion.cli.output import count

    pictures, known = found["pictures"], found["pictures"] - found["unknown"]
    if not known:
        return f"{count(pictures, 'picture')}{', of unknown size' if pictures else ''}"
    size = f"{found['bytes'] / 1e6:,.1f} MB ({found['bytes'] / known / 1e3:,.0f} kB each)"
    unknown = f"; the size of {found['unknown']:,} is not known" if found["unknown"] else ""
    return f"{count(pictures, 'picture')}, {size}{unknown}"
