from __future__ import annotations

import csv
import io
import json
import os
import re
import signal
import subprocess
import sys
from pathlib import Path
from typing import Protocol

import numpy as np
import pytest
from PIL import Image
from running_command import answer
from small_archives import noise
from small_models import write_model
from small_photos import astronaut, holds_face, scene

from emotion.inference.onnx_runtime import onnxruntime
from emotion.inference.results import Box
from emotion.labels import NAMES


class Predict(Protocol):
    def __call__(self, *arguments: object) -> list[str]: ...


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_model(tmp_path_factory.mktemp("model") / "emotion.onnx")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A photo with a face, one without, and a file that is not an image."""
    astronaut().save(tmp_path / "face.png")
    noise(1, (200, 150), "RGB").save(tmp_path / "none.png")
    (tmp_path / "text.jpg").write_text("hello")
    return tmp_path


@pytest.fixture
def predict(folder: Path, model: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Predict:
    """Run `emotion predict` with a small network in the folder; return the printed lines."""
    monkeypatch.chdir(folder)

    def run(*arguments: object) -> list[str]:
        assert answer(monkeypatch, "predict", *map(str, arguments), "--model", str(model)) == 0
        printed = capsys.readouterr()
        assert printed.err == ""
        return printed.out.splitlines()

    return run


def box_of(face: dict[str, dict[str, int]]) -> Box:
    return Box(**face["box"])


def test_shipped_network_finds_the_astronaut_happy(
    folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert answer(monkeypatch, "predict", str(folder / "face.png")) == 0
    assert re.match(rf"{re.escape(str(folder))}/face\.png  happy (9\d|100)%  ", capsys.readouterr().out)


def test_each_image_has_a_line(predict: Predict) -> None:
    face, none = predict("face.png", "none.png")
    assert face.startswith("face.png  ")
    assert "  (box 1" in face
    assert none == "none.png  no face found"


def test_top_shows_more_classes(predict: Predict) -> None:
    (line,) = predict("face.png", "--top", 3)
    assert line.count("%") == 3


def test_unreadable_files_have_a_line_and_are_counted(
    folder: Path, model: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(folder)
    ended = answer(monkeypatch, "predict", "text.jpg", "none.png", "absent.jpg", "--model", str(model))
    assert ended == "emotion: 2 of 3 images could not be read"
    text, none, absent = capsys.readouterr().out.splitlines()
    assert text.startswith("text.jpg  cannot be read: not a picture in a supported format (JPEG,")
    assert none == "none.png  no face found"
    assert absent == "absent.jpg  cannot be read: no readable file (No such file or directory)"


def test_one_unreadable_image_is_counted_in_the_singular(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert answer(monkeypatch, "predict", str(folder / "text.jpg")) == "emotion: 1 of 1 image could not be read"


def test_json_is_one_array(predict: Predict) -> None:
    face, none = json.loads("\n".join(predict("face.png", "none.png", "--json")))
    assert holds_face(box_of(face["faces"][0]))
    assert set(face["faces"][0]["probabilities"]) == set(NAMES)
    assert (none["source"], none["faces"], none["error"]) == ("none.png", [], None)


def test_jsonl_is_a_line_for_each_image(predict: Predict) -> None:
    lines = [json.loads(line) for line in predict("face.png", "none.png", "--jsonl")]
    assert [len(line["faces"]) for line in lines] == [1, 0]


def test_csv_replaces_the_lines_by_a_summary(
    folder: Path, model: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(folder)
    assert answer(monkeypatch, "predict", "face.png", "none.png", "--csv", "rows.csv", "--model", str(model)) == 0
    assert capsys.readouterr() == ("", "2 images, 1 face: rows.csv\n")
    rows = list(csv.DictReader((folder / "rows.csv").read_text().splitlines()))
    assert [(row["source"], row["status"]) for row in rows] == [("face.png", "face"), ("none.png", "no face")]


def test_csv_and_jsonl_can_be_combined(predict: Predict, folder: Path) -> None:
    assert len(predict("face.png", "--csv", "rows.csv", "--jsonl")) == 1
    assert len((folder / "rows.csv").read_text().splitlines()) == 2


def test_annotated_copies_are_written(predict: Predict, folder: Path) -> None:
    predict("face.png", "none.png", "--annotate", "out")
    assert sorted(path.name for path in (folder / "out").iterdir()) == ["face_faces.jpg", "none_faces.jpg"]
    drawn, original = (np.asarray(Image.open(path)).astype(int) for path in ("out/face_faces.jpg", "face.png"))
    assert np.abs(drawn - original)[64:164, 270:280].max() > 100, "expected the right edge of a box"


def test_annotated_copies_do_not_change_the_originals(predict: Predict, folder: Path) -> None:
    before = {path: path.read_bytes() for path in (folder / "face.png", folder / "none.png")}
    predict("face.png", "none.png", "--annotate", ".")
    assert {path: path.read_bytes() for path in before} == before


@pytest.mark.parametrize(("inputs", "table"), [("face.png", "face.png"), (".", "none.png"), ("face.png", "link.csv")])
def test_csv_never_replaces_an_image(folder: Path, monkeypatch: pytest.MonkeyPatch, inputs: str, table: str) -> None:
    monkeypatch.chdir(folder)
    Path("link.csv").symlink_to("face.png")
    before = [Path(name).read_bytes() for name in ("face.png", "none.png")]
    ended = answer(monkeypatch, "predict", inputs, "--csv", table)
    assert str(ended).startswith(f"emotion: writing {table} would overwrite ")
    assert [Path(name).read_bytes() for name in ("face.png", "none.png")] == before


def test_folder_and_pattern_are_expanded(predict: Predict, folder: Path) -> None:
    (folder / "text.jpg").unlink()
    assert [line.split("  ")[0] for line in predict(".")] == ["face.png", "none.png"]
    assert [line.split("  ")[0] for line in predict("n*.png", "face.png")] == ["none.png", "face.png"]


def test_folder_without_images_among_others_gets_a_line(
    folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (folder / "empty").mkdir()
    assert answer(monkeypatch, "predict", str(folder / "empty"), str(folder / "none.png")) == 0
    printed = capsys.readouterr()
    assert printed.out == f"{folder}/none.png  no face found\n"
    assert printed.err.startswith("emotion: no images (.jpg")
    assert printed.err.endswith(f") in {folder}/empty; choose another path\n")


def test_files_of_other_kinds_in_folders_are_named_in_one_line(
    folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (folder / "deep").mkdir()
    for name in ("a.txt", "deep/b.TXT", "clip.mp4", "LICENSE", *(f"x.{letter}" for letter in "cdefg")):
        (folder / name).touch()
    assert answer(monkeypatch, "predict", str(folder / "none.png"), str(folder / "deep"), str(folder / "deep")) == 0
    assert capsys.readouterr().err.splitlines()[0] == "emotion: 1 file left out: 1 .txt"
    answer(monkeypatch, "predict", str(folder))
    left_out = "9 files left out: 2 .txt, 1 without suffix, 1 .mp4, 1 .c, 1 .d, 1 .e, 2 others"
    assert f"emotion: {left_out}" in capsys.readouterr().err.splitlines()


@pytest.mark.parametrize(
    ("options", "text"),
    [
        (("--csv", "new/rows.csv"), "new/rows.csv cannot be written: there is no folder new;"),
        (("--annotate", "new/deep"), "new/deep cannot be written: there is no folder new;"),
        (("--csv", "-"), "- is not a file name; for standard output use --jsonl"),
    ],
)
def test_target_that_cannot_be_written_is_refused_before_any_work(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    options: tuple[str, str],
    text: str,
) -> None:
    monkeypatch.chdir(tmp_path)
    ended = answer(monkeypatch, "predict", "absent.png", "--json", *options)
    assert str(ended).startswith(f"emotion: {text}")
    assert capsys.readouterr() == ("", "")
    assert list(tmp_path.iterdir()) == []


def test_standard_input_is_an_image(predict: Predict, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO((folder / "face.png").read_bytes())))
    (line,) = predict("-", "--annotate", "out")
    assert line.startswith("standard input  ")
    assert (folder / "out/standard input_faces.jpg").is_file()


def test_cropped_face_is_taken_whole(predict: Predict) -> None:
    (line,) = predict("none.png", "--face")
    assert line.endswith("  (whole image)")


def test_image_of_48_pixels_is_taken_as_a_face(predict: Predict) -> None:
    noise(2).save("small.png")
    assert predict("small.png")[0].endswith("(whole image)")


@pytest.mark.parametrize("chosen", ["haar", "yunet", "file"])
def test_detector_is_chosen_by_name_or_file(predict: Predict, detector_weights: Path, chosen: str) -> None:
    astronaut().save("photo.png")
    (line,) = predict("photo.png", "--jsonl", "--detector", str(detector_weights) if chosen == "file" else chosen)
    answer = json.loads(line)
    assert answer["detector"] == ("haar" if chosen == "haar" else "yunet")
    assert len(answer["faces"]) == 1


def test_without_weights_and_network_haar_serves_and_one_line_says_so(
    folder: Path, model: Path, tmp_path: Path
) -> None:
    command = [sys.executable, "-m", "emotion.cli.main", "predict", "face.png", "--jsonl", "--model", str(model)]
    nowhere = {"HTTPS_PROXY": "http://127.0.0.1:9", "XDG_CACHE_HOME": str(tmp_path / "cache"), "EMOTION_DETECTOR": ""}
    result = subprocess.run(
        command, cwd=folder, env={**os.environ, **nowhere}, capture_output=True, text=True, check=False
    )
    assert result.returncode == 0
    assert json.loads(result.stdout)["detector"] == "haar"
    assert result.stderr.count("\n") == 1
    assert result.stderr.startswith("emotion: the face detector YuNet could not be fetched (")


def test_only_the_largest_face_can_be_taken(predict: Predict) -> None:
    scene((0, 0, 300), (300, 50, 500)).save("two.png")
    assert len(predict("two.png")) == 2
    assert len(predict("two.png", "--largest")) == 1


def test_gpu_that_is_not_there_is_one_line(folder: Path, model: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(onnxruntime, "get_available_providers", lambda: ["CPUExecutionProvider"])
    arguments = (str(folder / "face.png"), "--model", str(model), "--device")
    assert str(answer(monkeypatch, "predict", *arguments, "gpu")).startswith("emotion: this ONNX Runtime computes on")
    assert answer(monkeypatch, "predict", *arguments, "auto") == 0
    assert answer(monkeypatch, "predict", *arguments, "tpu") == 2


def test_smallest_face_can_be_set(predict: Predict) -> None:
    astronaut().save("photo.png")
    assert predict("photo.png", "--smallest", "200") == ["photo.png  no face found"]


def test_folder_without_images_is_one_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    ended = answer(monkeypatch, "predict", str(tmp_path))
    assert isinstance(ended, str)
    assert ended.startswith("emotion: no images (.jpg")
    assert ended.endswith(f") in {tmp_path}; choose another path")
    assert capsys.readouterr().out == ""


@pytest.mark.parametrize("arguments", [(), ("a.png", "--json", "--jsonl"), ("a.png", "--top", "0")])
def test_wrong_usage_exits_with_2(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], arguments: tuple[str, ...]
) -> None:
    assert answer(monkeypatch, "predict", *arguments) == 2
    assert "Usage: emotion predict" in capsys.readouterr().err


def test_missing_model_is_one_line(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    ended = answer(monkeypatch, "predict", str(folder / "face.png"), "--model", "absent.onnx")
    assert str(ended).startswith("emotion: there is no model file absent.onnx")
    assert "dvc" not in str(ended)


def test_model_of_another_kind_is_one_line(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    ended = answer(monkeypatch, "predict", str(folder / "face.png"), "--model", str(folder / "text.jpg"))
    problem = "is not an ONNX file, or it is damaged; choose an .onnx file of this project"
    assert ended == f"emotion: {folder}/text.jpg {problem}"


def test_file_name_that_is_not_utf8_is_written_everywhere(predict: Predict, folder: Path) -> None:
    name = os.fsdecode(b"caf\xe9.png")
    noise(3, (90, 50)).save(name)
    assert predict(name) == [r"caf\udce9.png  no face found"]
    assert json.loads(*predict(name, "--jsonl", "--csv", "rows.csv"))["source"] == name
    assert b"caf\xe9.png,,no face" in (folder / "rows.csv").read_bytes()


@pytest.mark.parametrize("encoding", ["ascii", "cp1252", "utf-8:strict"])
def test_file_name_that_the_terminal_cannot_encode_is_escaped(folder: Path, model: Path, encoding: str) -> None:
    name = os.fsdecode(b"\xff") + "Ω.png"
    noise(3, (60, 50)).save(folder / name)
    command = [sys.executable, "-m", "emotion.cli.main", "predict", name, "no-such-Ω.png", "--model", str(model)]
    environment = {**os.environ, "PYTHONIOENCODING": encoding}
    result = subprocess.run(command, cwd=folder, env=environment, capture_output=True, check=False)
    assert (result.returncode, result.stdout.count(b"\n")) == (1, 2)
    assert result.stderr == b"emotion: 1 of 2 images could not be read\n"
    assert result.stdout.startswith(rb"\udcff")


def test_closed_standard_input_is_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdin", None)
    assert "standard input is closed" in str(answer(monkeypatch, "predict", "-"))


def test_interruption_is_one_line_and_keeps_the_results(folder: Path, model: Path) -> None:
    # More lines than the pipe holds, so that the command cannot finish before the signal arrives.
    arguments = [*["none.png"] * 5000, "--jsonl", "--csv", "rows.csv", "--model", str(model)]
    command = [sys.executable, "-m", "emotion.cli.main", "predict", *arguments]
    with subprocess.Popen(command, cwd=folder, text=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        assert process.stdout
        assert json.loads(process.stdout.readline())["source"] == "none.png"
        process.send_signal(signal.SIGINT)
        _, error = process.communicate(timeout=60)
    assert (process.returncode, error) == (130, "emotion: interrupted; the results written so far are kept\n")
    rows = list(csv.DictReader((folder / "rows.csv").read_text().splitlines()))
    assert 1 <= len(rows) < 5000
    assert rows[-1]["status"] == "no face"
