"""The `emotion` command. Knows how to speak to people; leaves the work to the rooms below.

Every command imports what it needs when it runs, so that `emotion --help` answers at once.
"""

from __future__ import annotations

import errno
import io
import os
import signal
import sys
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Annotated, Final, NoReturn

import typer

from emotion.errors import EmotionError, one_line, printable

SMALLEST: Final = 48
"""Edge in pixels of the smallest face that is followed in a video: the network sees 48 of them."""

app = typer.Typer(no_args_is_help=True, add_completion=False, pretty_exceptions_enable=False)


def main() -> None:
    """Run the command line: exit 2 on usage, 1 with one line on a known error."""
    if isinstance(sys.stdout, io.TextIOWrapper):
        # Not every terminal or pipe takes the letters of every file name.
        sys.stdout.reconfigure(errors="backslashreplace")
    try:
        app(prog_name="emotion")
    except (EmotionError, OSError, MemoryError) as error:
        advice = "; make room on the disk" if isinstance(error, OSError) and error.errno == errno.ENOSPC else ""
        sys.exit(f"emotion: {one_line(error) or 'expected enough memory, received too little'}{advice}")


def _print_version(wanted: bool) -> None:
    if wanted:
        from importlib.metadata import version

        print(version("emotion"))
        raise typer.Exit


@app.callback()
def _options(
    version: Annotated[
        bool, typer.Option("--version", callback=_print_version, is_eager=True, help="Print the version and exit.")
    ] = False,
) -> None:
    """Recognise facial expressions, and ship the network that does."""


@contextmanager
def _needing(extra: str, status: int = 1) -> Iterator[None]:
    """Say in one line which extra is missing, where one of its packages is."""
    try:
        yield
    except ModuleNotFoundError as error:
        advice = f"run in the project's clone: pip install '.[{extra}]'"
        _refuse(f"expected the packages of the extra {extra}, received none ({error}); {advice}", status)


def _refuse(text: str, status: int) -> NoReturn:
    print(f"emotion: {text}", file=sys.stderr)
    raise typer.Exit(status)


@app.command()
def promote() -> None:
    """Copy the network that the pipeline made, its card and headline metrics to emotion/shipped/."""
    from emotion import release

    with _needing("pipeline"):
        for path in release.promote():
            print(f"{path}  {path.stat().st_size:,} bytes")


@app.command()
def restore() -> None:
    """Put the shipped network into models/ and DVC's cache, so that dvc repro need not train."""
    from emotion import release

    with _needing("pipeline"):
        for path in release.restore():
            print(path)


@app.command()
def compare(
    revision: Annotated[str, typer.Argument(metavar="BEFORE", help="Branch, tag or commit, such as main.")],
    other: Annotated[
        str | None, typer.Argument(metavar="AFTER", help="The one to judge; or else the workspace.")
    ] = None,
    fail_if_worse: Annotated[
        bool, typer.Option("--fail-if-worse", help="End with 1 when validation accuracy_unseen is significantly lower.")
    ] = False,
) -> None:
    """Print, as Markdown, what changed between two revisions and whether the network became better."""
    # Always 2 on errors: 1 is a verdict.
    with _needing("pipeline", 2):
        from emotion.comparison import report, significance
        from emotion.comparison.revision import read_revision

        try:
            before, after = read_revision(revision), read_revision(other)
            found = significance.compare(before, after)
        except (EmotionError, OSError) as error:
            _refuse(one_line(error), 2)
    print(report.describe(before, after, found), end="")
    if fail_if_worse and found.verdict is significance.Verdict.WORSE:
        raise typer.Exit(1)


@app.command()
def predict(
    paths: Annotated[
        list[str],
        typer.Argument(
            metavar="PATH", help="Pictures, folders, patterns such as 'a/**/*.jpg', or - for standard input."
        ),
    ],
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON array.")] = False,
    jsonl: Annotated[bool, typer.Option("--jsonl", help="Print a line of JSON for each picture.")] = False,
    csv: Annotated[Path | None, typer.Option(help="Write a row for each face.", dir_okay=False)] = None,
    annotate: Annotated[
        Path | None, typer.Option(help="Write copies with the faces drawn in to this folder.", file_okay=False)
    ] = None,
    top: Annotated[int, typer.Option(min=1, help="How many classes the line of a face shows.")] = 1,
    face: Annotated[
        bool, typer.Option("--face", help="The pictures are cropped faces, as those of 48x48 are.")
    ] = False,
    align: Annotated[bool, typer.Option("--align", help="Level the crop of each found face by its eyes.")] = False,
    model: Annotated[Path | None, typer.Option(help="Another .onnx file than the shipped one.", dir_okay=False)] = None,
) -> None:
    """Find the faces in pictures and judge their expressions; ends with 1 if a picture could not be read.

    Prints a line for each face, unless --json, --jsonl or --csv is given.
    """
    if as_json and jsonl:
        raise typer.BadParameter("expected --json or --jsonl, received both")
    try:
        from emotion.cli import output
        from emotion.cli.output import count
        from emotion.inference.predictor import Predictor

        for target in filter(None, (csv, annotate)):
            output.refuse_place(target)
        sources = _picture_sources(paths)
        named = [source for source in sources if isinstance(source, str)]
        if csv:
            output.refuse_overwriting(csv, [*named, *filter(None, [model])])
        predictor = Predictor(model, align=align)
        with ExitStack() as stack:
            outlets = [
                *output.row_outlets(stack, predictor.classes, csv, top, as_json=as_json, jsonl=jsonl),
                *output.copy_outlets(annotate, [*named, *filter(None, [csv])]),
                output.picture_bar(stack, len(sources), prints=as_json or jsonl or csv is None),
            ]
            pictures = predictor.stream(sources, cropped=face or None)
            faces, unread = output.distribute(zip(sources, pictures, strict=True), outlets)
    except KeyboardInterrupt:
        print("emotion: interrupted; what was written is kept", file=sys.stderr)
        raise typer.Exit(130) from None
    if csv and not (as_json or jsonl):
        print(f"{count(len(sources), 'picture')}, {count(faces, 'face')}: {csv}", file=sys.stderr)
    if unread:
        sys.exit(f"emotion: {unread} of {count(len(sources), 'picture')} could not be read")


def _picture_sources(paths: Sequence[str]) -> list[str | bytes]:
    """Find the files, and read standard input where it is meant."""
    from emotion.inference.pictures import SUFFIXES, find_pictures

    found: dict[str, list[str | bytes]] = {}
    for path in dict.fromkeys(paths):
        found[path] = [_read_input()] if path == "-" else [*find_pictures(path)]
    empty = [path for path in found if not found[path]]
    if empty:
        text = f"expected pictures ({' '.join(SUFFIXES)}), received none in {' '.join(empty)}"
        if len(empty) == len(found):
            raise EmotionError(text)
        print(f"emotion: {printable(text)}", file=sys.stderr)
    return [source for path in paths for source in found[path]]


def _read_input() -> bytes:
    if sys.stdin is None:
        raise EmotionError("expected a picture in -, received none: standard input is closed; give a file or a pipe")
    return sys.stdin.buffer.read()


@app.command()
def serve(
    host: Annotated[str, typer.Option(help="Address to listen on; another than this machine's own asks for more.")] = (
        "127.0.0.1"
    ),
    port: Annotated[int, typer.Option(help="Port to listen on; 0 takes a free one.", min=0, max=65535)] = 8000,
    password: Annotated[
        str | None,
        typer.Option(envvar="EMOTION_PASSWORD", help="For others than this machine. On a command line others see it."),
    ] = None,
    ssl_certfile: Annotated[Path | None, typer.Option(help="Certificate, PEM.", dir_okay=False)] = None,
    ssl_keyfile: Annotated[Path | None, typer.Option(help="Key of the certificate, PEM.", dir_okay=False)] = None,
    model: Annotated[Path | None, typer.Option(help="Another .onnx file than the shipped one.", dir_okay=False)] = None,
) -> None:
    """Open a web page for photos and the webcam, and an API, on this machine."""
    with _needing("app"):
        from emotion.inference import network
        from emotion.server import app as server
        from emotion.server import auth
    from emotion.inference.predictor import Predictor

    if password is None and not auth.is_local_address(host) and sys.stdin and sys.stdin.isatty():
        password = typer.prompt("Password for those who use the page", hide_input=True)
    auth.check_exposure(host, password, ssl_certfile, ssl_keyfile)
    shipped = None if model else network.SHIPPED.parent
    ready = server.prepare(
        Predictor(model), password=password, certificate=ssl_certfile, key=ssl_keyfile, shipped=shipped
    )
    with server.listen(host, port) as listener:
        address = server.address_of(listener, host, secure=ssl_certfile is not None)
        print(f"Open {address}  (Ctrl-C here, or Exit on the page, ends it)", flush=True)
        ready.run([listener])


@app.command()
def video(
    source: Annotated[
        str, typer.Argument(metavar="SOURCE", help="Video file, number of a camera (the first is 0) or address.")
    ],
    out: Annotated[
        Path | None, typer.Option(help="Write it with boxes and labels: .mp4 or .avi, no sound.", dir_okay=False)
    ] = None,
    csv: Annotated[Path | None, typer.Option(help="Write a row for each face in each frame.", dir_okay=False)] = None,
    jsonl: Annotated[bool, typer.Option("--jsonl", help="Print a line of JSON for each frame.")] = False,
    smoothing: Annotated[
        float, typer.Option(min=0, help="Seconds over which probabilities are smoothed; 0 takes each frame alone.")
    ] = 0.5,
    align: Annotated[bool, typer.Option("--align", help="Level the crop of each found face by its eyes.")] = False,
    model: Annotated[Path | None, typer.Option(help="Another .onnx file than the shipped one.", dir_okay=False)] = None,
) -> None:
    """Follow the faces of a video or camera; Ctrl-C ends it and keeps what was written.

    Without --out, --csv and --jsonl it prints a line a second.
    """
    # Read when OpenCV loads: of a broken video it and FFmpeg say in many lines what one says better.
    os.environ.update({"OPENCV_LOG_LEVEL": "SILENT", "OPENCV_FFMPEG_LOGLEVEL": "-8"})
    from emotion.cli import output
    from emotion.cli.output import count
    from emotion.inference import detection, tracking
    from emotion.inference import video as footage
    from emotion.inference.predictor import Predictor

    targets, looked_at = [path for path in (out, csv) if path], 0
    _interrupt_when_told_to_end()
    try:
        # One thread: the detector, which takes the most time, wants the other cores.
        predictor = Predictor(model, threads=1, align=align)
        tracker = tracking.Tracker(predictor.classes, predictor.threshold, smoothing)
        for number, target in enumerate(targets):
            output.refuse_place(target)
            output.refuse_overwriting(target, [source, *filter(None, [model]), *targets[:number]])
        with footage.open_source(source) as frames, ExitStack() as stack:
            outlets = list(output.frame_outlets(stack, frames, predictor.classes, out, csv, jsonl=jsonl))
            find = detection.detector("haar", SMALLEST).find
            for seen in tracking.track_faces(frames, find, predictor.classify, tracker):
                looked_at += 1
                for take in outlets:
                    take(seen)
    except KeyboardInterrupt:
        print("emotion: interrupted; what was written is kept", file=sys.stderr)
        raise typer.Exit(130) from None
    if targets and not jsonl:
        print(f"{count(looked_at, 'frame')}: {', '.join(map(str, targets))}", file=sys.stderr)


def _interrupt_when_told_to_end() -> None:
    """Take the end of a session or of the machine as Ctrl-C, unless it is to be ignored, as `nohup` wants."""
    for name in ("SIGTERM", "SIGHUP"):
        # Windows has no SIGHUP.
        if (number := getattr(signal, name, None)) and signal.getsignal(number) is signal.SIG_DFL:
            signal.signal(number, signal.default_int_handler)


if __name__ == "__main__":
    main()
