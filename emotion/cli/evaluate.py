"""`emotion evaluate`: how the network does on pictures that a person labelled."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from emotion.cli.options import Cropped, Detector, DeviceOption, Model, Smallest, detection_of, requiring

if TYPE_CHECKING:
    from emotion.evaluation.labelled_pictures import LabelledPicture
    from emotion.evaluation.picture_results import PictureResult
    from emotion.inference.predictor import Predictor


def evaluate(
    labels: Annotated[
        Path, typer.Argument(metavar="LABELS.csv", help="A csv with the columns file, expected and, optionally, faces.")
    ],
    folder: Annotated[
        Path | None,
        typer.Option(help="Folder of the pictures; that of the csv if omitted.", exists=True, file_okay=False),
    ] = None,
    out: Annotated[Path, typer.Option(help="Write the report to this folder.", file_okay=False)] = Path("evaluation"),
    face: Cropped = False,
    detector: Detector = "yunet",
    smallest: Smallest = None,
    device: DeviceOption = "cpu",
    model: Model = None,
) -> None:
    """Measure how well the network does on your own labelled pictures, and how far they are from its test split.

    Writes report.md with its figures, pictures.csv with a row for each picture, and summary.json.
    """
    with requiring("evaluate"):
        import sklearn  # noqa: F401  refuse before the pictures are searched, not after

        from emotion.evaluation import drift, labelled_pictures, picture_results
        from emotion.report import picture_figures, picture_report
    from emotion.cli import output
    from emotion.inference.network import SHIPPED
    from emotion.inference.predictor import Predictor

    output.check_target(out)
    output.check_overwriting(out / "pictures.csv", [labels])
    predictor = Predictor(model, detection=detection_of(detector), smallest=smallest, device=device)
    pictures = labelled_pictures.read(labels, folder, predictor.classes)
    for name in picture_figures.FILES:
        output.check_overwriting(out / name, [each.path for each in pictures if each.path.name == name])
    reference = drift.read_reference(SHIPPED.parent)
    try:
        results = _search(predictor, pictures, cropped=face or None)
    except KeyboardInterrupt:
        print("emotion: interrupted; nothing was written", file=sys.stderr)
        raise typer.Exit(130) from None
    labelled_pictures.check(labels, picture_results.find_unreadable(results))
    summary = picture_results.summarize(results, predictor.classes, predictor.threshold, reference)
    picture_report.write(out, labels.name, summary, [each.row() for each in results])
    print("\n".join([*picture_report.headlines(summary), f"Report: {out / 'report.md'}"]))


def _search(predictor: Predictor, pictures: Sequence[LabelledPicture], *, cropped: bool | None) -> list[PictureResult]:
    from emotion.cli.output import image_bar
    from emotion.evaluation.picture_results import PictureResult

    results = []
    with ExitStack() as stack:
        move = image_bar(stack, len(pictures), prints=False)
        found = predictor.stream_crops([each.path for each in pictures], cropped=cropped)
        for labelled, (picture, crops) in zip(pictures, found, strict=True):
            move(picture, "")
            results.append(PictureResult(labelled, picture, crops))
    return results
