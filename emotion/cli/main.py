"""The `emotion` command: options, messages and exit codes. The work is done by the modules below.

Every command imports what it needs when it runs, so that `emotion --help` is fast.
"""

from __future__ import annotations

import errno
import io
import os
import signal
import sys
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Annotated

import typer

from emotion.cli.evaluate import evaluate
from emotion.cli.extras import refuse, requiring
from emotion.errors import EmotionError, one_line, printable

# Options of several commands.
Model = Annotated[Path | None, typer.Option(help="An .onnx file to use instead of the shipped one.", dir_okay=False)]
Align = Annotated[bool, typer.Option("--align", help="Rotate each found face so that its eyes are level.")]

app = typer.Typer(no_args_is_help=True, add_completion=False, pretty_exceptions_enable=False)


def main() -> None:
    """Run the command line; exit with 2 on wrong usage, and with 1 and one line on a known error."""
    if isinstance(sys.stdout, io.TextIOWrapper):
        # Some terminals and pipes cannot encode every file name.
        sys.stdout.reconfigure(errors="backslashreplace")
    try:
        app(prog_name="emotion")
    except (EmotionError, OSError, MemoryError) as error:
        advice = "; free some disk space" if isinstance(error, OSError) and error.errno == errno.ENOSPC else ""
        sys.exit(f"emotion: {one_line(error) or 'out of memory; close other programs'}{advice}")


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
    """Recognise facial expressions in images and videos, and manage the trained network."""


@app.command()
def promote() -> None:
    """Copy the pipeline's network, its model card and its headline metrics to emotion/shipped/."""
    from emotion import release

    with requiring("pipeline"):
        for path in release.promote():
            print(f"{path}  {path.stat().st_size:,} bytes")


@app.command()
def restore() -> None:
    """Copy the shipped network to models/ and DVC's cache, so that dvc repro need not train."""
    from emotion import release

    with requiring("pipeline"):
        for path in release.restore():
            print(path)


@app.command()
def compare(
    revision: Annotated[str, typer.Argument(metavar="BEFORE", help="Branch, tag or commit, such as main.")],
    other: Annotated[
        str | None, typer.Argument(metavar="AFTER", help="Branch, tag or commit; the workspace if omitted.")
    ] = None,
    fail_if_worse: Annotated[
        bool,
        typer.Option("--fail-if-worse", help="Exit with 1 if validation accuracy_unseen is significantly lower."),
    ] = False,
) -> None:
    """Print a Markdown report of what changed between two revisions and whether the network became better."""
    # Errors exit with 2, because 1 means worse.
    with requiring("pipeline", 2):
        from emotion.comparison import report, significance
        from emotion.comparison.revision import read_revision

        try:
            before, after = read_revision(revision), read_revision(other)
            comparison = significance.compare(before, after)
        except (EmotionError, OSError) as error:
            refuse(one_line(error), 2)
    print(report.describe(before, after, comparison), end="")
    if fail_if_worse and comparison.verdict is significance.Verdict.WORSE:
        raise typer.Exit(1)


app.command()(evaluate)


@app.command()
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
    face: Annotated[
        bool, typer.Option("--face", help="Treat each image as one cropped face; the default for 48x48 pixels.")
    ] = False,
    align: Align = False,
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
        predictor = Predictor(model, align=align)
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
    from emotion.inference.pictures import SUFFIXES, find_pictures

    found: dict[str, list[str | bytes]] = {}
    for path in dict.fromkeys(paths):
        found[path] = [_read_input()] if path == "-" else [*find_pictures(path)]
    empty = [path for path in found if not found[path]]
    if empty:
        text = f"no images ({' '.join(SUFFIXES)}) in {' '.join(empty)}; choose another path"
        if len(empty) == len(found):
            raise EmotionError(text)
        print(f"emotion: {printable(text)}", file=sys.stderr)
    return [source for path in paths for source in found[path]]


def _read_input() -> bytes:
    if sys.stdin is None:
        raise EmotionError("standard input is closed; give a file or a pipe")
    return sys.stdin.buffer.read()


@app.command()
def serve(
    host: Annotated[
        str, typer.Option(help="Address to listen on; other machines need a password and a certificate.")
    ] = "127.0.0.1",
    port: Annotated[int, typer.Option(help="Port to listen on; 0 takes a free one.", min=0, max=65535)] = 8000,
    password: Annotated[
        str | None,
        typer.Option(envvar="EMOTION_PASSWORD", help="Password of the page; safer in the environment variable."),
    ] = None,
    ssl_certfile: Annotated[Path | None, typer.Option(help="Certificate, a PEM file.", dir_okay=False)] = None,
    ssl_keyfile: Annotated[Path | None, typer.Option(help="Its private key, a PEM file.", dir_okay=False)] = None,
    model: Model = None,
) -> None:
    """Serve a web page for photos and the webcam, and an API, on this machine."""
    with requiring("app"):
        from emotion.inference import network
        from emotion.server import app as server
        from emotion.server import auth
    from emotion.inference.predictor import Predictor

    if password is None and not auth.is_local_address(host) and sys.stdin and sys.stdin.isatty():
        password = typer.prompt("Password for the page", hide_input=True)
    auth.check_exposure(host, password, ssl_certfile, ssl_keyfile)
    shipped = None if model else network.SHIPPED.parent
    ready = server.prepare(
        Predictor(model), password=password, certificate=ssl_certfile, key=ssl_keyfile, shipped=shipped
    )
    with server.listen(host, port) as listener:
        address = server.address_of(listener, host, secure=ssl_certfile is not None)
        print(f"Open {address}  (Ctrl-C here or Exit on the page stops the server)", flush=True)
        ready.run([listener])


@app.command()
def video(
    source: Annotated[
        str, typer.Argument(metavar="SOURCE", help="Video file, camera number (0 is the first) or stream address.")
    ],
    out: Annotated[
        Path | None, typer.Option(help="Write a copy with boxes and labels: .mp4 or .avi, no sound.", dir_okay=False)
    ] = None,
    csv: Annotated[Path | None, typer.Option(help="Write a row for each face and frame.", dir_okay=False)] = None,
    jsonl: Annotated[bool, typer.Option("--jsonl", help="Print a line of JSON for each frame.")] = False,
    smoothing: Annotated[
        float, typer.Option(min=0, help="Seconds over which probabilities are smoothed; 0 turns smoothing off.")
    ] = 0.5,
    align: Align = False,
    model: Model = None,
) -> None:
    """Track the faces in a video or camera; Ctrl-C stops it and keeps the results written so far.

    Prints a line per second unless --out, --csv or --jsonl is given.
    """
    # OpenCV reads these when it loads; it and FFmpeg would print many lines about a broken video.
    os.environ.update({"OPENCV_LOG_LEVEL": "SILENT", "OPENCV_FFMPEG_LOGLEVEL": "-8"})
    from emotion.cli import output
    from emotion.cli.output import count
    from emotion.inference import detection, tracking
    from emotion.inference import video as footage
    from emotion.inference.predictor import Predictor

    targets, frame_count = [path for path in (out, csv) if path], 0
    _interrupt_on_termination()
    try:
        # One thread, which leaves the other cores to the detector: it takes the most time.
        predictor = Predictor(model, threads=1, align=align)
        tracker = tracking.Tracker(predictor.classes, predictor.threshold, smoothing)
        for number, target in enumerate(targets):
            output.check_target(target)
            output.check_overwriting(target, [source, *filter(None, [model]), *targets[:number]])
        with footage.open_source(source) as frames, ExitStack() as stack:
            writers = list(output.frame_writers(stack, frames, predictor.classes, out, csv, jsonl=jsonl))
            find = detection.detector("haar", detection.SMALLEST_IN_VIDEO).find
            for tracked in tracking.track_faces(frames, find, predictor.classify, tracker):
                frame_count += 1
                for write in writers:
                    write(tracked)
    except KeyboardInterrupt:
        print("emotion: interrupted; the results written so far are kept", file=sys.stderr)
        raise typer.Exit(130) from None
    if targets and not jsonl:
        print(f"{count(frame_count, 'frame')}: {', '.join(map(str, targets))}", file=sys.stderr)


def _interrupt_on_termination() -> None:
    """Treat SIGTERM and SIGHUP like Ctrl-C, unless they are ignored, as under `nohup`."""
    for name in ("SIGTERM", "SIGHUP"):
        # Windows has no SIGHUP.
        if (number := getattr(signal, name, None)) and signal.getsignal(number) is signal.SIG_DFL:
            signal.signal(number, signal.default_int_handler)


if __name__ == "__main__":
    main()
