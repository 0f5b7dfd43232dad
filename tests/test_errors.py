from __future__ import annotations

import sys

import pytest

from emotion.errors import DataError, one_line, run_as_command


def line_of(error: BaseException, monkeypatch: pytest.MonkeyPatch) -> str:
    """Run a command that fails; it must end with one line and exit code 1."""

    def draw() -> None:
        raise error

    monkeypatch.setattr(sys, "argv", ["draw"])
    with pytest.raises(SystemExit) as caught:
        run_as_command(draw)
    line = caught.value.code
    assert isinstance(line, str)  # Python prints it and exits with code 1
    assert "\n" not in line
    return line


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        (DataError("expected faces,\n  received none"), "draw: expected faces, received none"),
        (
            FileNotFoundError(2, "No such file or directory", "a.csv"),
            "draw: [Errno 2] No such file or directory: 'a.cs",
        ),
        (MemoryError(), "draw: out of memory; lower batch_size in params.yaml, use fewer faces or close other"),
        (MemoryError("Unable to allocate 8 GiB"), "draw: out of memory (Unable to allocate 8 GiB); lower batch_size"),
        (KeyboardInterrupt(), "draw: interrupted; run it again to continue"),
    ],
)
def test_known_error_ends_a_command_in_one_line(
    error: BaseException, expected: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert expected in line_of(error, monkeypatch)


def test_unknown_error_keeps_its_traceback(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(ZeroDivisionError):
        line_of(ZeroDivisionError(), monkeypatch)


def test_control_characters_in_a_file_name_do_not_reach_the_terminal() -> None:
    assert one_line(ValueError("no\nsuch file: \x1b[31mred ü")) == "no such file: \\x1b[31mred ü"
