"""The `emotion` command. Knows how to speak to people; leaves the work to the rooms below.

Every command imports what it needs when it runs, so that `emotion --help` answers at once.
"""

from __future__ import annotations

import sys
from typing import Annotated, NoReturn

import typer

from emotion.errors import EmotionError, one_line

app = typer.Typer(no_args_is_help=True, add_completion=False, pretty_exceptions_enable=False)


def main() -> None:
    """Run the command line: exit 2 on usage, 1 with one line on a known error."""
    try:
        app(prog_name="emotion")
    except (EmotionError, OSError) as error:
        sys.exit(f"emotion: {one_line(error)}")


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


@app.command()
def promote() -> None:
    """Copy the network that the pipeline made, its card and headline metrics to emotion/shipped/."""
    from emotion import shipping

    for path in shipping.promote():
        print(f"{path}  {path.stat().st_size:,} bytes")


@app.command()
def restore() -> None:
    """Put the shipped network into models/ and DVC's cache, so that dvc repro need not train."""
    from emotion import shipping

    for path in shipping.restore():
        print(path)


@app.command()
def compare(
    revision: Annotated[str, typer.Argument(metavar="REV", help="Branch, tag or commit to start from, such as main.")],
    other: Annotated[str | None, typer.Argument(metavar="[REV]", help="To be judged; or else the workspace.")] = None,
    fail_if_worse: Annotated[
        bool, typer.Option("--fail-if-worse", help="End with 1 when validation accuracy_unseen is significantly lower.")
    ] = False,
) -> None:
    """Print, as Markdown, what changed between two revisions and whether the network became better."""
    try:
        from emotion import comparison, review, revisions

        before, after = revisions.read_revision(revision), revisions.read_revision(other)
        found = comparison.compare(before, after)
    except ModuleNotFoundError as error:
        _refuse(f"expected the extra pipeline, received no such packages ({error}); pip install 'emotion[pipeline]'")
    except (EmotionError, OSError) as error:
        _refuse(one_line(error))
    print(review.describe(before, after, found), end="")
    if fail_if_worse and found.verdict is comparison.Verdict.WORSE:
        raise typer.Exit(1)


def _refuse(text: str) -> NoReturn:
    """End with 2: of `compare` 1 is a verdict."""
    print(f"emotion: {text}", file=sys.stderr)
    raise typer.Exit(2)


if __name__ == "__main__":
    main()
