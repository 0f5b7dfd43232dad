from __future__ import annotations

import os
import signal
from collections.abc import Iterator

import pytest

from emotion.cli.stopping import SIGNALS, stoppable


@pytest.fixture(autouse=True)
def handlers(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Start with no signal ignored, as some are under `nohup`; keep pytest's own handlers, and its process."""
    earlier = {each: signal.signal(each, signal.default_int_handler) for each in SIGNALS}
    monkeypatch.setattr(os, "_exit", exit_code)
    yield
    for each, handler in earlier.items():
        signal.signal(each, handler)


def exit_code(code: int) -> None:
    raise SystemExit(code)


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143), (signal.SIGHUP, 129)])
def test_first_signal_interrupts_and_the_second_ends_the_process(
    number: signal.Signals, code: int, capsys: pytest.CaptureFixture[str]
) -> None:
    with stoppable("last words") as stop:
        with pytest.raises(KeyboardInterrupt):
            signal.raise_signal(number)
        assert (stop.code, capsys.readouterr().err) == (code, "")
        with pytest.raises(SystemExit, match=str(code)):
            signal.raise_signal(signal.SIGINT)
        assert capsys.readouterr().err == "last words\n"


def test_signal_after_the_block_ends_the_process_in_silence(capsys: pytest.CaptureFixture[str]) -> None:
    with stoppable("last words"), pytest.raises(KeyboardInterrupt):
        signal.raise_signal(signal.SIGTERM)
    with pytest.raises(SystemExit, match="143"):
        signal.raise_signal(signal.SIGINT)
    assert capsys.readouterr().err == ""


def test_block_that_no_signal_stopped_leaves_the_handlers_as_they_were() -> None:
    earlier = [signal.getsignal(each) for each in SIGNALS]
    with stoppable("last words"):
        assert [signal.getsignal(each) for each in SIGNALS] != earlier
    assert [signal.getsignal(each) for each in SIGNALS] == earlier


def test_ignored_signal_stays_ignored() -> None:
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    with stoppable("last words"):
        signal.raise_signal(signal.SIGHUP)
