"""The command `emotion video`: a file, a camera or a stream in; lines, JSON, csv or an annotated copy out."""

from __future__ import annotations

import os
import signal
import sys
from contextlib import ExitStack
from pathlib import Path
from typing import Annotated

import typer

from emotion.cli.options import Detector, DeviceOption, Largest, Model, Smallest, detection_of, seconds_of


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
    every: Annotated[int, typer.Option(min=1, metavar="N", help="Analyse only every Nth frame.")] = 1,
    start: Annotated[
        float | None, typer.Option(parser=seconds_of, metavar="TIME", help="Begin here, such as 1:30.")
    ] = None,
    end: Annotated[
        float | None, typer.Option(parser=seconds_of, metavar="TIME", help="Stop here; a camera after this time.")
    ] = None,
    detector: Detector = "yunet",
    smallest: Smallest = None,
    largest: Largest = False,
    device: DeviceOption = "cpu",
    model: Model = None,
) -> None:
    """Track the faces in a video or camera; Ctrl-C stops it and keeps the results written so far.

    Prints a line per second unless --out, --csv or --jsonl is given.
    """
    if end is not None and end <= (start or 0):
        raise typer.BadParameter(f"--end must come after --start, but {end:g} s is not after {start or 0:g} s")
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
        predictor = Predictor(model, threads=1, detection=detection_of(detector), device=device)
        tracker = tracking.Tracker(predictor.classes, predictor.threshold, smoothing)
        for number, target in enumerate(targets):
            output.check_target(target)
            output.check_overwriting(target, [source, *filter(None, [model]), *targets[:number]])
        with footage.open_source(source, footage.Selection(every, start or 0.0, end)) as frames, ExitStack() as stack:
            writers = list(output.frame_writers(stack, frames, predictor.classes, out, csv, jsonl=jsonl))
            faces = predictor.detector.for_video(smallest or detection.SMALLEST_IN_VIDEO)
            find_faces = detection.largest_only(faces.find) if largest else faces.find
            for tracked in tracking.track_faces(frames, find_faces, predictor.classify, tracker):
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
