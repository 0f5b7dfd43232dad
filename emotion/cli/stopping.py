"""How a command ends that Ctrl+C, SIGTERM or SIGHUP stops: in order at the first signal, at once at the second."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Final

SIGNALS: Final = tuple(getattr(signal, name) for name in ("SIGINT", "SIGTERM", "SIGHUP") if hasattr(signal, name))
"""What stops a command; Windows has no SIGHUP."""


class Stop:
    """Makes the first signal a KeyboardInterrupt. The second ends the process, whatever hangs in it.

    Attributes:
        number: of the first signal; None before it.
    """

    def __init__(self, last_words: str) -> None:
        """Set the line on standard error with which the process ends at once; empty for none."""
        self.number: int | None = None
        self.last_words = last_words

    @property
    def code(self) -> int:
        """The exit code of a process that a signal ended."""
        return 128 + (self.number or signal.SIGINT)

    def __call__(self, number: int, _: FrameType | None) -> None:
        """Handle a signal."""
        if self.number is None:
            self.number = number
            raise KeyboardInterrupt
        if self.last_words:
            print(self.last_words, file=sys.stderr, flush=True)
        os._exit(self.code)


@contextmanager
def stoppable(last_words: str) -> Iterator[Stop]:
    """Handle the signals; once one has come, also beyond the block, because the end of the process may hang too.

    Args:
        last_words: line for standard error, if a second signal comes inside the block.
    """
    stop = Stop(last_words)
    # Some are ignored: SIGINT in the background of a script, SIGHUP under `nohup`.
    earlier = {each: signal.getsignal(each) for each in SIGNALS if signal.getsignal(each) is not signal.SIG_IGN}
    for each in earlier:
        signal.signal(each, stop)
    try:
        yield stop
    finally:
        stop.last_words = ""
        if stop.number is None:
            for each, handler in earlier.items():
                signal.signal(each, handler)
