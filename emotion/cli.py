"""The `emotion` command. Knows how to speak to people; leaves the work to the rooms below.

Every command imports what it needs when it runs, so that `emotion --help` answers at once.
"""

from __future__ import annotations

import sys
from typing import Annotated

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


if __name__ == "__main__":
    main()
