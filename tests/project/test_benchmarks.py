"""The benchmarks with --quick, and their tables. No test depends on a measured time."""

from __future__ import annotations

import os
import subprocess
import sys
from functools import partial
from pathlib import Path

import keras
import pytest
from small_networks import OFF, TINY

from benchmarks import __main__ as command
from benchmarks import (
    accuracy,
    calls,
    clock,
    comparison,
    files,
    inference,
    machine,
    processes,
    repro,
    results,
    scenes,
    startup,
    tutorial,
)
from benchmarks.processes import ROOT, Run
from benchmarks.results import Result, Work
from emotion.errors import EmotionError
from emotion.files import read_json, write_csv
from emotion.inference.detection import detector
from emotion.networks import architectures
from emotion.params import Train

TRAINED = Result("train resnet", "images/s", (100.0, 120.0, 110.0), Work(50_000_000, 130.0))
STARTED = Result("start of the stage plot", "s", (0.25,))
TIMES = {"Network": 0.002, "keras": 0.06}  # seconds of a call


def run_command(monkeypatch: pytest.MonkeyPatch, *arguments: str) -> None:
    monkeypatch.setattr(sys, "argv", ["benchmarks", *arguments])
    command.main()


def cells_of(line: str) -> list[str]:
    return [cell.strip() for cell in line.strip("|\n").split("|")]


def small(architecture: str, edge: int) -> keras.Model:
    return architectures.build(architecture, edge, 7, architectures.Transfer("none", 32))


def test_quick_preprocess_prints_and_writes_one_table(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    run_command(monkeypatch, "--quick", "--only", "preprocess", "--folder", str(tmp_path))
    shown = capsys.readouterr()
    assert [cells_of(line)[0].split(",")[0] for line in shown.out.splitlines()[2:]] == [
        "preprocess 56 faces (goal for FER-2013: 10 s)",
        "preprocess 56 faces",
    ]
    assert "preprocess: run 1" in shown.err
    assert shown.out in (tmp_path / "results.md").read_text()
    written = read_json(tmp_path / "results.json")["results"]
    assert [(line["unit"], len(line["values"])) for line in written] == [("s", 1), ("GB", 1)]


def test_quick_startup_has_one_line_per_stage(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    light = {stage: imports for stage, imports in startup.STAGES.items() if not imports}
    monkeypatch.setattr(startup, "STAGES", light)
    run_command(monkeypatch, "--quick", "--only", "startup", "--folder", str(tmp_path))
    lines = capsys.readouterr().out.splitlines()[2:]
    assert [cells_of(line)[0] for line in lines] == [f"start of the stage {stage}" for stage in light]


def test_startup_measures_every_stage() -> None:
    assert set(startup.STAGES) == {path.stem for path in (ROOT / "stages").glob("[!_]*.py")}


def test_results_contain_no_path_of_this_machine(tmp_path: Path) -> None:
    results.write([TRAINED, STARTED], machine.describe(), "From here.", "- Read it.\n", tmp_path / "results")
    written = (tmp_path / "results.md").read_text() + (tmp_path / "results.json").read_text()
    assert not [path for path in (ROOT, tmp_path, Path.home(), Path(sys.prefix)) if f"{path}/" in written]


def test_every_line_of_a_table_has_the_same_number_of_cells() -> None:
    lines = results.table([TRAINED, STARTED]).splitlines()
    assert {len(cells_of(line)) for line in lines} == {8}
    assert cells_of(lines[2]) == ["train resnet", "110 images/s", "100", "120", "3", "50.0", "33.0", "130"]
    assert cells_of(lines[3]) == ["start of the stage plot", "0.250 s", "0.250", "0.250", "1", "", "", ""]


def test_table_without_training_has_no_arithmetic_columns() -> None:
    assert {len(cells_of(line)) for line in results.table([STARTED]).splitlines()} == {5}


@pytest.mark.parametrize(
    ("value", "text"), [(0.05678, "0.0568"), (1.0, "1.00"), (371.4, "371"), (28709.0, "28,709"), (-2.31, "-2.31")]
)
def test_numbers_have_three_significant_digits_and_no_exponent(value: float, text: str) -> None:
    assert results.digits(value) == text


@pytest.mark.parametrize(("load", "words"), [(0.2, "otherwise idle"), (1.4, "the machine was shared")])
def test_a_shared_machine_is_reported(load: float, words: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "getloadavg", lambda: (load, 0.0, 0.0))
    assert words in " ".join(str(fact) for fact in machine.describe().values())


def test_multiply_adds_of_three_block_cnn_equal_a_count_by_hand() -> None:
    convolutions = 9 * (48 * 48 * 1 * 32 + 24 * 24 * 32 * 64 + 12 * 12 * 64 * 128)
    dense = 6 * 6 * 128 * 256 + 256 * 7
    assert clock.multiply_adds(small("three_block_cnn", 48)) == convolutions + dense


def test_multiply_adds_include_nested_networks_and_count_depthwise_convolutions_once_per_channel() -> None:
    grey = keras.Input((8, 8, 4))
    inner = keras.Sequential([keras.Input((8, 8, 4)), keras.layers.DepthwiseConv2D(3, strides=2, padding="same")])
    assert clock.multiply_adds(keras.Model(grey, inner(grey))) == 4 * 4 * 9 * 4


def test_steps_of_training_are_timed_after_the_warm_up(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    settings = Train.model_validate({**TINY, "batch_size": 4, "augmentation": {**OFF, "flip": 0.5, "crop": 24}})
    report = clock.measure(settings, 0)
    assert len(report["steps"]) == clock.MIN_STEPS
    assert (report["batch_size"], report["image_size"]) == (4, 24)
    assert report["multiply_adds"] == clock.multiply_adds(small("three_block_cnn", 24))
    assert min(*report["steps"], report["product_rate"]) > 0


def test_only_the_named_settings_change(tmp_path: Path) -> None:
    before, after = tmp_path / "before", tmp_path / "after"
    processes.write_settings(before, {})
    processes.write_settings(after, {"download.sample.seed": 12345})
    changed = set(after.joinpath("params.yaml").read_text().splitlines()) - set(
        before.joinpath("params.yaml").read_text().splitlines()
    )
    assert [line.strip() for line in changed] == ["seed: 12345"]


def test_missing_archive_ends_the_command_with_one_line(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    monkeypatch.setenv("FER2013_ARCHIVE", str(tmp_path / "none.zip"))
    with pytest.raises(
        SystemExit, match=r"^benchmarks: the archive of FER-2013 is missing: .* run: dvc repro download$"
    ):
        run_command(monkeypatch, "--only", "preprocess", "--folder", str(tmp_path))
    assert capsys.readouterr().out == ""
    assert list(tmp_path.iterdir()) == []


def test_failed_process_is_reported_with_its_last_line(tmp_path: Path) -> None:
    with pytest.raises(EmotionError, match=r"ended with exit code 3: the reason$"):
        processes.run(["python", "-c", "print('noise\\nthe reason'); exit(3)"], tmp_path)


def test_stage_that_dvc_runs_again_is_an_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(repro, "run", lambda *_: Run(1.0, 1, "Running stage 'plot'"))
    with pytest.raises(EmotionError, match="ran a stage again although nothing changed"):
        repro._repro(tmp_path, 0)


def test_unknown_topic_is_a_usage_error(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit, match="2"):
        run_command(monkeypatch, "--only", "everything")
    assert "preprocess" in capsys.readouterr().err


def test_topic_is_found_in_its_part(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    monkeypatch.setattr(files, "_peak", lambda _, what, __: Result(what, "MB", (1.0,)))
    monkeypatch.setattr(files, "_draw", lambda *_: None)
    run_command(monkeypatch, "--quick", "--only", "memory", "--folder", str(tmp_path))
    lines = capsys.readouterr().out.splitlines()[2:]
    expected = [
        "predict, 2 pictures of 640x480",
        "predict, 20 pictures of 640x480",
        "video, 3 frames of 320x240",
        "video, 30 frames of 320x240",
    ]
    assert [cells_of(line)[0] for line in lines] == expected
    assert {path.name for path in tmp_path.iterdir()} == {"use.md", "use.json"}


def test_calls_are_timed_in_turn_and_the_first_block_of_each_does_not_count() -> None:
    made: list[str] = []
    times = calls.take_turns({name: partial(made.append, name) for name in "ab"}, 0)
    turn = ["a"] * inference.BLOCK + ["b"] * inference.BLOCK
    assert made == turn * (1 + calls.MIN_BLOCKS)
    assert {name: len(runs) for name, runs in times.items()} == {"a": calls.MIN_BLOCKS, "b": calls.MIN_BLOCKS}


def test_lines_of_the_network_contain_the_ratio_to_keras(monkeypatch: pytest.MonkeyPatch) -> None:
    times = {f"{who} {size}": [seconds] * 3 for size in inference.BATCHES for who, seconds in TIMES.items()}
    monkeypatch.setattr(inference, "_time_calls", lambda *_: times)
    lines = {(line.what, line.unit): line.median for line in inference.measure_network(quick=True)}
    assert lines["Network, 8 faces, 2 threads", "faces/s"] == pytest.approx(4_000)
    assert lines["keras.Model.predict, 1 face, 2 threads", "ms"] == pytest.approx(60)
    assert lines["Network, 1 face, 2 threads, against Keras (goal: 30)", "times as fast"] == pytest.approx(30)


def test_lines_of_int8_contain_the_ratio_to_float32(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(inference, "_time_calls", lambda *_: {"float32": [0.08] * 3, "int8": [0.032] * 3})
    lines = {(line.what, line.unit): line.median for line in inference.measure_int8(quick=True)}
    assert lines["Network in int8, 64 faces, 2 threads", "faces/s"] == pytest.approx(2_000)
    assert lines["Network in float32, 64 faces, 2 threads", "ms"] == pytest.approx(80)
    ratio = lines["Network in int8, 64 faces, 2 threads, against float32 (goal with VNNI: 2)", "times as fast"]
    assert ratio == pytest.approx(2.5)


@pytest.mark.parametrize("index", [0, 30, 90])
def test_scenes_have_two_faces_that_the_detector_finds(index: int) -> None:
    assert len(detector("haar").find(scenes.scene(640, 480, index))) == 2


@pytest.mark.slow
def test_quick_run_measures_every_topic_of_use(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "benchmarks", "use", "--quick", "--folder", str(tmp_path)]
    subprocess.run(command, cwd=ROOT, check=True, timeout=1000)
    written = {line["what"].split(",")[0].split(" (")[0] for line in read_json(tmp_path / "use.json")["results"]}
    assert written >= {
        "Network",
        "keras.Model.predict",
        "Network in int8",
        "detection alone",
        "photo of 384x381 with one face",
        "emotion video against the plain loop",
        "emotion predict",
        "emotion --help",
        "emotion serve",
    }


@pytest.mark.slow
def test_quick_run_measures_every_topic_of_the_pipeline(tmp_path: Path) -> None:
    subprocess.run(
        [sys.executable, "-m", "benchmarks", "--quick", "--folder", str(tmp_path)], cwd=ROOT, check=True, timeout=1000
    )
    written = [line["what"] for line in read_json(tmp_path / "results.json")["results"]]
    assert sum(what.startswith("train three_block_cnn, float32, ") for what in written) == 1
    assert {"dvc repro with nothing to do", *(f"train {recipe}" for recipe in comparison.RECIPES)} <= set(written)
    assert sum(what.startswith("start of the stage ") for what in written) == len(startup.STAGES)


def test_minutes_to_a_goal_include_the_first_epoch_that_reaches_it(tmp_path: Path) -> None:
    write_csv(tmp_path / "plots/training/history.csv", ("val_accuracy",), [[0.5], [0.66], [0.65], [0.69]])
    (tmp_path / "build").mkdir()
    (tmp_path / "build/train.log").write_text("".join(f"epoch {epoch}: 60.0 s\n" for epoch in (1, 2, 3, 4)))
    first, second = accuracy.results_of("default recipe", tmp_path)
    assert (first.what, first.unit, first.values) == ("default recipe: to 65% validation accuracy", "minutes", (2.0,))
    assert second.what == "default recipe: 70% not reached in 4 epochs, 4 minutes; best"
    assert (second.unit, second.values) == ("% validation accuracy", (69.0,))


def test_tutorial_recipe_trains_on_pictures_from_folders(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(tutorial, "PER_CLASS", 6)
    tutorial.write_pictures()
    steps = tutorial.measure(Train.model_validate({**TINY, "batch_size": 4}), 0)
    assert len(steps) >= tutorial.MIN_STEPS
    assert min(steps) > 0
