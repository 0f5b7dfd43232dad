from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from emotion import source_files
from emotion.errors import DataError
from emotion.stage_run import IN_EXPERIMENT, run_as_command

ROOT = Path(__file__).parents[1]


@pytest.fixture(autouse=True)
def _empty_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "argv", ["draw"])


def line_of(error: BaseException) -> str:
    """Run a command that fails; it must end with one line and exit code 1."""

    def draw() -> None:
        raise error

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
def test_known_error_ends_a_command_in_one_line(error: BaseException, expected: str) -> None:
    assert expected in line_of(error)


def test_unknown_error_keeps_its_traceback() -> None:
    with pytest.raises(ZeroDivisionError):
        line_of(ZeroDivisionError())


PIPELINE = """
stages:
  draw:
    params: [draw]
    deps: [code.py, emotion, data/faces.npz, data/weights]
"""
SETTINGS = "draw: {rate: 0.01, size: {width: 3}}\nplot: {dpi: 50}\n"


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A project with one stage `draw`, whose command may run; `data/weights` is not there yet."""
    files = {
        "dvc.yaml": PIPELINE,
        ".dvcignore": "__pycache__\n.*.partial*\n",
        "params.yaml": SETTINGS,
        "code.py": "",
        "emotion/face.py": "x = 1\n",
        "data/faces.npz": "faces",
    }
    for name, text in files.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text)
    return tmp_path


def run_while(change: Callable[[], object]) -> str | None:
    """Run a stage during which something changes; return its error, or None if it succeeded and was finished."""
    finished = []

    def draw() -> Callable[[], None]:
        change()
        return lambda: finished.append(True)

    try:
        run_as_command(draw)
    except SystemExit as ended:
        assert not finished
        return str(ended.code)
    assert finished
    return None


def writes(name: str, text: str) -> Callable[[], object]:
    def write() -> None:
        Path(name).parent.mkdir(exist_ok=True)
        Path(name).write_text(text)

    return write


@pytest.mark.parametrize(
    ("name", "text", "change"),
    [
        ("params.yaml", SETTINGS.replace("0.01", "0.02"), "draw.rate from 0.01 to 0.02"),
        ("params.yaml", SETTINGS.replace("width: 3", "width: 3, height: 4"), "draw.size.height from nothing to 4"),
        ("params.yaml", "plot: {dpi: 50}", "draw.rate from 0.01 to nothing"),
        ("code.py", "x = 2\n", "code.py"),
        ("emotion/face.py", "x = 2\n", "emotion/face.py"),
        ("emotion/new.py", "", "emotion/new.py"),
        ("data/faces.npz", "others", "data/faces.npz"),
        ("data/weights/mine.keras", "weights", "data/weights, data/weights/mine.keras"),
    ],
)
@pytest.mark.usefixtures("project")
def test_stage_whose_input_changes_while_it_runs_fails_with_one_line(name: str, text: str, change: str) -> None:
    line = run_while(writes(name, text))
    assert line is not None
    assert change in line
    assert line.startswith("draw: changed while the stage ran: ")
    assert line.endswith("; its result is not recorded; run it again, with the change or without it")


def test_deleted_input_is_a_change(project: Path) -> None:
    assert "stage ran: emotion/face.py; its" in str(run_while((project / "emotion/face.py").unlink))


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("params.yaml", SETTINGS.replace("50", "300")),
        ("params.yaml", f"# a comment\n{SETTINGS}"),
        ("code.py", ""),
        ("other.py", "x = 2\n"),
        ("emotion/__pycache__/face.pyc", "x"),
        ("emotion/.face.partial.py", "x"),
        ("data/out.npz", "x"),
    ],
)
@pytest.mark.usefixtures("project")
def test_change_of_what_the_stage_does_not_depend_on_is_no_fault(name: str, text: str) -> None:
    assert run_while(writes(name, text)) is None


def test_many_changes_are_counted(project: Path) -> None:
    for index in range(12):
        (project / f"emotion/{index:02}.py").touch()
    line = str(run_while(lambda: shutil.rmtree(project / "emotion")))
    assert "emotion/08.py, and 4 more; its result" in line


def test_settings_that_cannot_be_read_any_more_are_one_line(project: Path) -> None:
    line = str(run_while(lambda: (project / "params.yaml").write_text("draw: [")))
    assert line.startswith("draw: params.yaml, line 1: not valid YAML")


def test_without_a_pipeline_nothing_is_recorded_and_nothing_is_compared(project: Path) -> None:
    (project / "dvc.yaml").unlink()
    assert run_while(writes("code.py", "x = 2\n")) is None


DRAW = """
from pathlib import Path

from stages import pen

Path("stages/pen.py").write_text("COLOUR = 'blue'")
from emotion.stage_run import run_as_command


def draw():
    Path("picture").write_text(pen.COLOUR)


run_as_command(draw)
"""


def test_source_that_changes_while_the_stage_imports_is_a_change_and_the_stage_does_not_work_in_vain(
    project: Path,
) -> None:
    (project / "dvc.yaml").write_text("stages: {draw: {params: [draw], deps: [stages/draw.py, stages/pen.py]}}")
    (project / "emotion/face.py").unlink()  # the real package is loaded
    (project / "emotion").rmdir()
    (project / "stages").mkdir()
    shutil.copy(ROOT / "stages/__init__.py", project / "stages")
    (project / "stages/pen.py").write_text("COLOUR = 'red'")
    (project / "stages/draw.py").write_text(DRAW)
    command = [sys.executable, "-m", "stages.draw"]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    runs = [subprocess.run(command, env=environment, capture_output=True, text=True, check=False) for _ in range(2)]
    assert [run.returncode for run in runs] == [1, 0]
    assert runs[0].stderr.startswith("draw: changed while the stage ran: stages/pen.py; its result is not recorded; ")
    assert (project / "picture").read_text() == "blue"


def test_lock_file_of_an_editor_is_no_source(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (project / "emotion/.#face.py").symlink_to("ada@machine.123")
    monkeypatch.setattr(source_files, "CONTENTS", {})
    source_files.remember()
    assert list(source_files.CONTENTS) == [project / "emotion/face.py"]


@pytest.mark.usefixtures("project")
def test_sources_of_another_folder_are_not_those_of_this_stage(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(source_files, "CONTENTS", {ROOT / "emotion/face.py": b"x = 2"})
    assert run_while(lambda: None) is None


@pytest.mark.usefixtures("project")
def test_an_experiment_records_all_settings_so_none_may_change(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(IN_EXPERIMENT, "0" * 40)
    line = str(run_while(writes("params.yaml", SETTINGS.replace("50", "300"))))
    assert "draw: changed while the stage ran: plot.dpi from 50 to 300; its result" in line
    assert run_while(writes("params.yaml", f"# a comment\n{SETTINGS.replace('50', '300')}")) is None
