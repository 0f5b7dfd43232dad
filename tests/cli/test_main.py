from __future__ import annotations

import re
import subprocess
import sys
from importlib.metadata import version
from pathlib import Path

import pytest
from running_command import answer

from emotion import release
from emotion.files import write_text


def plain(text: str) -> str:
    """Remove the colours that typer adds on GitHub's machines."""
    return re.sub(r"\x1b\[[0-9;]*m", "", text)


def test_help_lists_the_commands(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    assert answer(monkeypatch, "--help") == 0
    assert {"promote", "restore", "--version"} <= set(plain(capsys.readouterr().out).split())


def test_version_is_the_installed_one(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    assert answer(monkeypatch, "--version") == 0
    assert capsys.readouterr().out == version("emotion") + "\n"


@pytest.mark.parametrize("arguments", [(), ("dance",), ("promote", "--loudly"), ("restore", "now")])
def test_wrong_usage_exits_with_2(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], arguments: tuple[str, ...]
) -> None:
    assert answer(monkeypatch, *arguments) == 2
    assert "Usage: emotion" in plain("".join(capsys.readouterr()))


@pytest.mark.parametrize("command", ["promote", "restore"])
def test_known_error_is_one_line_on_stderr_and_exits_with_1(tmp_path: Path, command: str) -> None:
    run = [sys.executable, "-m", "emotion.cli.main", command]
    result = subprocess.run(run, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert (result.returncode, result.stdout) == (1, "")
    assert re.match(r"emotion: the file \S+ is missing; ", result.stderr)
    assert result.stderr.count("\n") == 1


@pytest.mark.parametrize("command", ["promote", "restore"])
def test_missing_packages_are_one_line(tmp_path: Path, command: str) -> None:
    for path in (Path("dvc.lock"), *map(release.shipped_as, release.CACHED)):
        write_text(tmp_path / path, "stages: {}")
    program = "import sys; sys.modules.update(yaml=None); from emotion.cli.main import main; main()"
    run = [sys.executable, "-c", program, command]
    result = subprocess.run(run, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert (result.returncode, result.stdout) == (1, "")
    assert result.stderr.startswith("emotion: the packages of the extra pipeline are not installed (")
    assert result.stderr.endswith("; run in the project's clone: pip install '.[pipeline]'\n")
    assert result.stderr.count("\n") == 1


def test_folder_that_cannot_be_written_is_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse() -> list[Path]:
        raise PermissionError(13, "Permission denied", "emotion/shipped/emotion.onnx")

    monkeypatch.setattr(release, "promote", refuse)
    ended = answer(monkeypatch, "promote")
    assert ended == "emotion: emotion/shipped/emotion.onnx: Permission denied"


def test_full_disk_is_one_line_with_advice(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse() -> list[Path]:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(release, "promote", refuse)
    assert answer(monkeypatch, "promote") == "emotion: No space left on device; free some disk space"


@pytest.mark.parametrize("command", ["promote", "restore"])
def test_command_prints_each_file_it_wrote(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path, command: str
) -> None:
    written = tmp_path / "emotion.onnx"
    written.write_bytes(bytes(1234))
    monkeypatch.setattr(release, command, lambda: [written])
    assert answer(monkeypatch, command) == 0
    assert capsys.readouterr().out.startswith(str(written))


def test_help_loads_no_heavy_package() -> None:
    program = "import sys, emotion.cli.main; print(*sys.modules)"
    loaded = set(subprocess.check_output([sys.executable, "-c", program], text=True).split())
    assert "typer" in loaded
    assert not loaded & {"cv2", "dvc", "keras", "numpy", "onnxruntime", "pandas", "pydantic", "tensorflow", "yaml"}
