"""The commands about the network itself: promote, restore, compare, and fetch for the face detector."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from emotion.cli.options import describe, refuse, requiring
from emotion.errors import EmotionError
from emotion.files import write_text


def promote() -> None:
    """Copy the pipeline's network, its model card and its headline metrics to emotion/shipped/."""
    from emotion import release

    with requiring("pipeline"):
        for path in release.promote():
            print(f"{path}  {path.stat().st_size:,} bytes")


def restore() -> None:
    """Copy the shipped network to models/ and DVC's cache, so that dvc repro need not train."""
    from emotion import release

    with requiring("pipeline"):
        for path in release.restore():
            print(path)


def compare(
    revision: Annotated[str, typer.Argument(metavar="BEFORE", help="Branch, tag or commit, such as main.")],
    other: Annotated[
        str | None, typer.Argument(metavar="AFTER", help="Branch, tag or commit; the workspace if omitted.")
    ] = None,
    html: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE", help="Also write a page for offline use, with both revisions' pictures.", dir_okay=False
        ),
    ] = None,
    fail_if_worse: Annotated[
        bool,
        typer.Option("--fail-if-worse", help="Exit with 1 if validation accuracy_unseen is significantly lower."),
    ] = False,
) -> None:
    """Print a Markdown report of what changed between two revisions and whether the network became better."""
    # Errors exit with 2, because 1 means worse.
    with requiring("pipeline", 2):
        from emotion.comparison import page, report, significance
        from emotion.comparison.revision import read_pictures, read_revision

        try:
            before, after = read_revision(revision), read_revision(other)
            comparison = significance.compare(before, after)
            text = report.describe(before, after, comparison)
            if html:
                pictures = read_pictures(revision), read_pictures(other)
                write_text(html, page.describe(text, (before.name, after.name), pictures))
        except (EmotionError, OSError) as error:
            refuse(describe(error), 2)
    print(text, end="")
    if fail_if_worse and comparison.verdict is significance.Verdict.WITHHELD:
        refuse(f"there is no verdict on {' and '.join(comparison.stale)}; run dvc repro and commit the result", 2)
    if fail_if_worse and comparison.verdict is significance.Verdict.WORSE:
        raise typer.Exit(1)


def fetch() -> None:
    """Download the face detector YuNet into your cache, if it is not there yet, and print its path."""
    from emotion.inference import detector_weights

    print(detector_weights.find())
