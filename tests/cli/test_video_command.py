from __future__ import annotations

import json
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from csv_files import read_csv
from small_models import write_model
from small_videos import RED, cut_off, frames_in, moving_head, portrait, wall_with, write_clip

from emotion.cli.options import seconds_of


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_model(tmp_path_factory.mktemp("model") / "small.onnx")


def run(*arguments: str | Path) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "emotion.cli.main", "video", *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def test_command_writes_a_row_for_each_face_and_the_annotated_video(tmp_path: Path, model: Path) -> None:
    clip = write_clip(tmp_path / "clip.avi", moving_head(40))
    out, table = tmp_path / "out.mp4", tmp_path / "rows.csv"
    result = run(clip, "--out", out, "--csv", table, "--jsonl", "--model", model)
    assert (result.returncode, result.stderr) == (0, "")
    rows = read_csv(table)
    assert [row["frame"] for row in rows] == [str(index) for index in range(40)]
    assert {(row["status"], row["track"]) for row in rows} <= {("face", "1"), ("no face", "")}
    assert [float(row["time"]) for row in rows] == pytest.approx([i / 30 for i in range(40)], abs=0.001)
    printed = [json.loads(line) for line in result.stdout.splitlines()]
    assert [(str(line["frame"]), [face["label"] for face in line["faces"]]) for line in printed] == [
        (row["frame"], [row["label"]] if row["label"] else []) for row in rows
    ]
    assert {face["track"] for line in printed for face in line["faces"]} == {1}
    drawn, original = frames_in(out), frames_in(clip)
    assert [picture.shape for picture in drawn] == [picture.shape for picture in original]
    assert np.abs(drawn[20].astype(float) - original[20]).max() > 100


def test_command_that_only_writes_files_prints_their_names_at_the_end(tmp_path: Path, model: Path) -> None:
    clip = write_clip(tmp_path / "clip.avi", [RED] * 7)
    result = run(clip, "--out", tmp_path / "out.avi", "--csv", tmp_path / "rows.csv", "--model", model)
    assert (result.returncode, result.stdout) == (0, "")
    assert result.stderr == f"7 frames: {tmp_path}/out.avi, {tmp_path}/rows.csv\n"


@pytest.mark.parametrize("options", [("--out", "new/out.avi"), ("--csv", "new/rows.csv")])
def test_command_makes_no_folders(tmp_path: Path, model: Path, options: tuple[str, str]) -> None:
    clip = write_clip(tmp_path / "clip.avi", [RED])
    result = run(clip, options[0], tmp_path / options[1], "--model", model)
    assert (result.returncode, result.stderr.count("\n")) == (1, 1)
    assert f"there is no folder {tmp_path}/new" in result.stderr


def test_command_without_files_prints_a_line_for_each_second(tmp_path: Path, model: Path) -> None:
    clip = write_clip(tmp_path / "clip.avi", moving_head(25) + [wall_with()] * 25, rate=10)
    result = run(clip, "--model", model)
    assert (result.returncode, result.stderr) == (0, "")
    lines = result.stdout.splitlines()
    assert [line[:5] for line in lines] == ["00:00", "00:01", "00:02", "00:03", "00:04"]
    assert re.fullmatch(r"00:01  face 1 (uncertain: )?\w+ \d+%", lines[1])
    assert lines[4] == "00:04  no face"


def test_command_on_a_file_that_is_cut_off_keeps_its_results_and_ends_with_1(tmp_path: Path, model: Path) -> None:
    clip = cut_off(write_clip(tmp_path / "clip.avi", moving_head(40)), 0.5)
    out, table = tmp_path / "out.mp4", tmp_path / "rows.csv"
    result = run(clip, "--out", out, "--csv", table, "--model", model)
    assert (result.returncode, result.stdout) == (1, "")
    assert re.fullmatch(
        r"emotion: \S+ is cut off or damaged after 0\.\d of 1\.3 s; what was written is kept\n", result.stderr
    )
    assert len(frames_in(out)) == len(read_csv(table)) > 10


def test_only_chosen_frames_are_analysed(tmp_path: Path, model: Path) -> None:
    clip = write_clip(tmp_path / "clip.avi", [RED] * 60, rate=10)
    out, table = tmp_path / "out.avi", tmp_path / "rows.csv"
    chosen = ("--every", "5", "--start", "0:02", "--end", "4.5")
    result = run(clip, *chosen, "--out", out, "--csv", table, "--model", model)
    assert (result.returncode, result.stdout) == (0, "")
    assert [(row["frame"], row["time"]) for row in read_csv(table)] == [
        (str(frame), str(frame / 10)) for frame in (20, 25, 30, 35, 40)
    ]
    copy = cv2.VideoCapture(str(out))
    assert (copy.get(cv2.CAP_PROP_FPS), copy.get(cv2.CAP_PROP_FRAME_COUNT)) == (2, 5)


@pytest.mark.parametrize(
    ("options", "text"),
    [
        (("--start", "soon"), "'soon' is not a time"),
        (("--end", "-1"), "'-1' is not a time"),
        (("--start", "1:30", "--end", "90"), "--end must come after --start"),
        (("--every", "0"), "greater than or equal to 1"),
    ],
)
def test_wrong_choice_of_frames_exits_with_2(tmp_path: Path, options: tuple[str, ...], text: str) -> None:
    result = run(tmp_path / "clip.avi", *options)
    assert result.returncode == 2
    assert text in " ".join(result.stderr.replace("│", " ").split())


@pytest.mark.parametrize(("text", "seconds"), [("90", 90), ("1:30", 90), ("1:02:03.5", 3723.5), ("0.25", 0.25)])
def test_times_are_seconds_or_have_minutes_and_hours(text: str, seconds: float) -> None:
    assert seconds_of(text) == seconds


def test_largest_tracks_one_face(tmp_path: Path, model: Path) -> None:
    heads = wall_with((portrait(), 20, 40, 150), (portrait(), 300, 20, 110))
    clip = write_clip(tmp_path / "clip.avi", [heads] * 12)
    for options, tracks in (((), {"1", "2"}), (("--largest",), {"1"})):
        assert run(clip, "--csv", tmp_path / "rows.csv", "--model", model, *options).returncode == 0
        rows = read_csv(tmp_path / "rows.csv")
        assert {row["track"] for row in rows} == tracks
    assert {int(row["width"]) > 60 for row in rows} == {True}


@pytest.mark.parametrize("name", ["nowhere.mp4", "words.mp4", "987", "rtsp://127.0.0.1:9/none"])
def test_source_that_cannot_be_opened_is_an_error_of_one_line(tmp_path: Path, name: str, model: Path) -> None:
    (tmp_path / "words.mp4").write_text("no video\n" * 100)
    source = str(tmp_path / name) if name.endswith("mp4") else name
    result = run(source, "--out", tmp_path / "out.mp4", "--model", model)
    assert (result.returncode, result.stdout) == (1, "")
    assert result.stderr.count("\n") == 1
    assert name in result.stderr
    assert not (tmp_path / "out.mp4").exists()


def test_command_refuses_to_overwrite_its_source(tmp_path: Path, model: Path) -> None:
    clip = write_clip(tmp_path / "clip.avi", [RED] * 3)
    before = clip.read_bytes()
    for option in ("--out", "--csv"):
        assert run(clip, option, clip, "--model", model).returncode == 1
    assert clip.read_bytes() == before


def test_command_refuses_a_folder_as_its_output_file(tmp_path: Path, model: Path) -> None:
    assert run(write_clip(tmp_path / "clip.avi", [RED]), "--out", tmp_path, "--model", model).returncode == 2


def test_command_refuses_one_file_for_both_outputs(tmp_path: Path, model: Path) -> None:
    clip = write_clip(tmp_path / "clip.avi", [RED] * 3)
    result = run(clip, "--out", tmp_path / "out.avi", "--csv", tmp_path / "out.avi", "--model", model)
    assert (result.returncode, result.stderr.count("\n")) == (1, 1)
    assert "would overwrite" in result.stderr
    assert not (tmp_path / "out.avi").exists()


@contextmanager
def running(tmp_path: Path, model: Path) -> Iterator[subprocess.Popen[str]]:
    """Run the command until it has printed 20 rows; it cannot end, because nobody reads on from the pipe."""
    clip = write_clip(tmp_path / "clip.avi", [RED] * 2000)
    files = ["--out", str(tmp_path / "out.mp4"), "--csv", str(tmp_path / "rows.csv")]
    command = [sys.executable, "-m", "emotion.cli.main", "video", str(clip), "--jsonl", "--model", str(model), *files]
    pipes: dict[str, Any] = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
    # Under nohup the command would inherit the ignored signal.
    with subprocess.Popen(command, **pipes, preexec_fn=lambda: signal.signal(signal.SIGHUP, signal.SIG_DFL)) as process:
        assert process.stdout is not None
        for _ in range(20):
            process.stdout.readline()
        yield process


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_interrupted_command_finishes_its_files_and_ends_with_130(
    tmp_path: Path, model: Path, number: signal.Signals
) -> None:
    with running(tmp_path, model) as process:
        process.send_signal(number)
        _, errors = process.communicate()
    assert process.returncode == 130
    assert errors == "emotion: interrupted; the results written so far are kept\n"
    rows = read_csv(tmp_path / "rows.csv")
    assert 20 <= len(rows) < 2000
    assert len(frames_in(tmp_path / "out.mp4")) - len(rows) in {0, 1}
    assert {path.name for path in tmp_path.iterdir()} == {"clip.avi", "out.mp4", "rows.csv"}


def test_killed_command_leaves_only_whole_rows(tmp_path: Path, model: Path) -> None:
    with running(tmp_path, model) as process:
        process.kill()
    assert len(read_csv(tmp_path / "rows.csv")) >= 20
