"""Ends a command in one line: where a package of an extra is missing, or with an exit code of its own."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import NoReturn

import typer


@contextmanager
def requiring(extra: str, status: int = 1) -> Iterator[None]:
    """Name the extra in one line if one of its packages is not installed."""
    try:
        yield
    except ModuleNotFoundError as error:
        advice = f"run in the project's clone: pip install '.[{extra}]'"
        refuse(f"the packages of the extra {extra} are not installed ({error}); {advice}", status)


def refuse(text: str, status: int) -> NoReturn:
    """Print one line and exit with this status."""
    print(f"emotion: {text}", file=sys.stderr)
    raise typer.Exit(status)
