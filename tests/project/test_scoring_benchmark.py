"""The benchmark of `emotion score`: its figures and its arithmetic. No test depends on a measured time."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from documents import ROOT

from benchmarks import scoring
from emotion.errors import EmotionError
from emotion.files import read_json


def test_speeds_are_compared_and_ten_million_pictures_are_computed() -> None:
    results = scoring.compare(predict=[20.0], one=[10.0], two=[18.0], core=[9.0])
    speedup, by_cores, cost, core_hours, hours = (result.median for result in results)
    assert (speedup, by_cores, cost) == pytest.approx((1.8, 2.0, 11.1), abs=0.1)
    assert (core_hours, hours) == pytest.approx((308.6, 4.8), abs=0.1)


def test_command_without_a_worker_is_no_measurement(tmp_path: Path) -> None:
    with pytest.raises(EmotionError, match="or without a worker"):
        scoring.peaks([sys.executable, "-c", "pass"], tmp_path)


@pytest.mark.slow
@pytest.mark.usefixtures("detector_weights")
def test_quick_run_measures_every_command(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "benchmarks", "scoring", "--quick", "--folder", str(tmp_path)]
    subprocess.run(command, cwd=ROOT, check=True, timeout=1200)
    results = read_json(tmp_path / "scoring.json")["results"]
    speeds = [result["what"] for result in results if result["unit"] == "pictures/s"]
    assert speeds == [f"{command}, 640x480, two faces" for command in scoring.COMMANDS]
    assert all(value > 0 for result in results for value in result["values"])
    assert {result["unit"] for result in results} == {"pictures/s", "times as fast", "%", "core-hours", "hours", "MB"}
