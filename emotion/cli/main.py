"""The `emotion` command: options, messages and exit codes. The work is done by the modules below.

Every command imports what it needs when it runs, so that `emotion --help` is fast.
"""

from __future__ import annotations

import io
import sys
from typing import Annotated

import typer

from emotion.cli import evaluate, predict, project, score, serve, video
from emotion.cli.options import describe
from emotion.errors import EmotionError

app = typer.Typer(no_args_is_help=True, add_completion=False, pretty_exceptions_enable=False)


def main() -> None:
    """Run the command line; exit with 2 on wrong usage, and with 1 and one line on a known error."""
    if isinstance(sys.stdout, io.TextIOWrapper):
        # Some terminals and pipes cannot encode every file name.
        sys.stdout.reconfigure(errors="backslashreplace")
    try:
        app(prog_name="emotion")
    except (EmotionError, OSError, MemoryError) as error:
        sys.exit(f"emotion: {describe(error)}")


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


for command in (
    predict.predict,
    video.video,
    serve.serve,
    evaluate.evaluate,
    score.score,
    project.fetch,
    project.compare,
    project.promote,
    project.restore,
):
    app.command()(command)


if __name__ == "__main__":
    main()
