from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from csv_files import read_csv
from numpy.typing import NDArray
from PIL import Image
from running_command import answer
from small_models import write_model
from small_photos import scene

from emotion.inference.predictor import Predictor
from emotion.labels import NAMES

Run = Callable[..., int | str | None]
Drawn = tuple[NDArray[np.uint8], NDArray[np.int8]]


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_model(tmp_path_factory.mktemp("model") / "emotion.onnx")


@pytest.fixture
def folder(tmp_path: Path, faces: Drawn) -> Path:
    """A csv of 28 drawn faces of 48x48 pixels, in which no face need be searched."""
    lines = ["file;faces;expected;drawn by"]
    for number, (pixels, label) in enumerate(zip(*faces, strict=True)):
        Image.fromarray(pixels).save(tmp_path / f"{number}.png")
        lines.append(f"{number}.png;1;{NAMES[label]};Jane")
    (tmp_path / "labels.csv").write_text("\r\n".join(lines), encoding="utf-8-sig")
    return tmp_path


@pytest.fixture
def run(folder: Path, model: Path, monkeypatch: pytest.MonkeyPatch) -> Run:
    """Run `emotion evaluate` with a small network and Haar in the folder; return the exit code or message."""
    monkeypatch.chdir(folder)

    def evaluate(*arguments: str) -> int | str | None:
        return answer(monkeypatch, "evaluate", *arguments, "--model", str(model), "--detector", "haar")

    return evaluate


def test_report_counts_the_labels_that_the_network_gets_right(
    run: Run, folder: Path, model: Path, faces: Drawn, capsys: pytest.CaptureFixture[str]
) -> None:
    predicted = Predictor(model, detection="haar").network.probabilities(faces[0], 28).argmax(axis=1)
    right = int(np.sum(predicted == faces[1]))
    assert run("labels.csv") == 0
    printed = capsys.readouterr()
    assert printed.err == ""
    lines = printed.out.splitlines()
    assert lines[0] == "Faces found: 28 of 28 (100.0%, 87.9% to 100.0%); 0 missed, 0 false, in 28 pictures."
    assert lines[1].startswith(f"Right labels in pictures of one person: {right} of 28 (")
    assert lines[-1] == f"Report: {Path('evaluation/report.md')}"
    summary = json.loads((folder / "evaluation/summary.json").read_text())
    assert np.trace(summary["labels"]["confusion"]) == right
    rows = read_csv(folder / "evaluation/pictures.csv")
    assert [row["label"] for row in rows] == [NAMES[place] for place in predicted]
    assert {row["drawn by"] for row in rows} == {"Jane"}


def test_second_run_writes_the_same_bytes_to_the_folder_that_is_named(run: Run, folder: Path) -> None:
    for name in ("first", "second"):
        assert run("labels.csv", "--out", name) == 0
    first, second = (
        {path.name: path.read_bytes() for path in (folder / name).iterdir()} for name in ("first", "second")
    )
    assert first == second
    assert "report.md" in first


def test_faces_of_photos_are_searched_and_counted(run: Run, folder: Path) -> None:
    scene((0, 0, 400), (400, 100, 400)).save(folder / "two.png")
    scene().save(folder / "none.png")
    (folder / "photos.csv").write_text("file,faces,expected\ntwo.png,1,happy\nnone.png,2,\n")
    assert run("photos.csv") == 0
    two, none = read_csv(folder / "evaluation/pictures.csv")
    assert [two[name] for name in ("found", "missed", "false")] == ["1", "0", "1"]
    assert [none[name] for name in ("found", "missed", "false")] == ["0", "2", "0"]
    assert "Detector: haar." in (folder / "evaluation/report.md").read_text()


def test_face_option_takes_larger_pictures_for_cropped_faces(run: Run, folder: Path, faces: Drawn) -> None:
    Image.fromarray(faces[0][0]).resize((96, 96)).save(folder / "large.png")
    (folder / "large.csv").write_text("file,expected\nlarge.png,angry\n")
    assert run("large.csv", "--face") == 0
    assert read_csv(folder / "evaluation/pictures.csv")[0]["found"] == "1"
    assert "Detector: none, because every picture is one cropped face." in (folder / "evaluation/report.md").read_text()


def test_pictures_are_found_in_the_folder_that_is_named(run: Run, folder: Path) -> None:
    (folder / "elsewhere").mkdir()
    (folder / "labels.csv").rename(folder / "elsewhere/labels.csv")
    assert run("elsewhere/labels.csv", "--folder", ".") == 0


def test_faults_of_the_csv_are_told_in_one_line_and_nothing_is_written(run: Run, folder: Path) -> None:
    (folder / "bad.csv").write_text("file,expected\n0.png,joy\ngone.png,sad\n")
    ended = str(run("bad.csv"))
    assert ended.startswith(
        "emotion: bad.csv has 2 faults (unknown class 1, no file 1): line 2: expected one of angry,"
    )
    assert not (folder / "evaluation").exists()


def test_unreadable_pictures_are_told_in_one_line_and_nothing_is_written(run: Run, folder: Path) -> None:
    for name in ("text.png", "other.png"):
        (folder / name).write_text("hello")
    (folder / "bad.csv").write_text("file,expected\n0.png,sad\ntext.png,sad\nother.png,sad\n")
    ended = str(run("bad.csv"))
    assert ended.startswith("emotion: bad.csv has 2 faults (unreadable picture 2): line 3: text.png: not a picture in")
    assert not (folder / "evaluation").exists()


def test_csv_is_not_overwritten(run: Run, folder: Path) -> None:
    (folder / "labels.csv").rename(folder / "pictures.csv")
    assert "would overwrite pictures.csv" in str(run("pictures.csv", "--out", "."))


def test_labelled_picture_with_the_name_of_a_figure_is_not_overwritten(run: Run, folder: Path) -> None:
    before = (folder / "0.png").rename(folder / "drift.png").read_bytes()
    (folder / "few.csv").write_text("file,expected\ndrift.png,sad\n1.png,sad\n")
    assert "would overwrite drift.png" in str(run("few.csv", "--out", "."))
    assert (folder / "drift.png").read_bytes() == before


def test_folder_that_cannot_be_made_is_refused_before_any_work(run: Run) -> None:
    assert str(run("absent.csv", "--out", "no/where")).startswith("emotion: no/where cannot be written")


def test_interruption_is_told_in_one_line(
    run: Run, folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def interrupt(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(Predictor, "stream_crops", interrupt)
    assert run("labels.csv") == 130
    assert capsys.readouterr().err == "emotion: interrupted; nothing was written\n"
    assert not (folder / "evaluation").exists()


@pytest.mark.parametrize("package", ["sklearn", "matplotlib"])
def test_missing_extra_is_told_in_one_line_before_any_work(
    run: Run, package: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for name in [name for name in sys.modules if name.startswith("emotion.report")]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, package, None)
    assert run("labels.csv") == 1
    assert capsys.readouterr().err.startswith("emotion: the packages of the extra evaluate are not installed (")


def test_help_of_the_command_line_imports_neither_matplotlib_nor_scikit_learn() -> None:
    heavy = "matplotlib sklearn cv2 onnxruntime numpy"
    script = f"import sys, emotion.cli.main; print(*set({heavy.split()}) & set(sys.modules))"
    result = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert result.stdout.split() == []
