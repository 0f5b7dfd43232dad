"""`emotion score` with Ray: whole runs, killed pictures, drivers and nodes, and large folders."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest
from PIL import Image
from ray_cluster import running_cluster
from small_photos import scene

from emotion.inference.pictures import find_pictures
from emotion.inference.predictor import Predictor
from emotion.scoring import listing, sources
from emotion.scoring.listing import Totals
from emotion.scoring.places import Place
from emotion.scoring.run import Request, measure
from emotion.scoring.worker import KILLED

pytestmark = pytest.mark.slow

ROOT = Path(__file__).parents[2]

AT_START = """
import os, sys
from importlib.abc import MetaPathFinder

def deadly(read):
    return lambda image: os.kill(os.getpid(), 9) if str(image).endswith("07.png") else read(image)

def full(path, content):
    raise OSError(28, "No space left on device")

def change():
    {change}

class Finder(MetaPathFinder):
    def find_spec(self, name, path, target=None):
        if name == "emotion.scoring" and any("default_worker" in word for word in sys.orig_argv):
            change()
        return None

sys.meta_path.insert(0, Finder())
"""
"""A module that Python loads at its start. It changes the workers of Ray, before they load what scores the pictures."""

KILL = "from emotion.inference import predictor; predictor.read_picture = deadly(predictor.read_picture)"
FULL = "from emotion import files; files.write_bytes = full"
DIFFER = "from emotion import files; files.sha256_of = lambda path: 64 * '0'"


def command(source: Path, out: Path, *options: str) -> list[str]:
    start = [sys.executable, "-m", "emotion.cli.main", "score", str(source), "--out", str(out), "--detector", "haar"]
    return [*start, *options]


def run(source: Path, out: Path, *options: str, change: str = "") -> subprocess.CompletedProcess[str]:
    """Run `emotion score` to its end, with a change of its workers."""
    folder = out.with_name("at start")
    folder.mkdir()
    if change:
        (folder / "sitecustomize.py").write_text(AT_START.format(change=change))
    paths = os.pathsep.join([str(folder), str(ROOT), os.environ.get("PYTHONPATH", "")])
    environment = {**os.environ, "PYTHONPATH": paths}
    return subprocess.run(command(source, out, *options), capture_output=True, text=True, check=False, env=environment)


def score(source: Path, out: Path, *options: str, change: str = "") -> str:
    """Return what a run prints that ends well."""
    ended = run(source, out, *options, change=change)
    assert ended.returncode == 0, ended.stderr
    assert all(line.startswith("emotion: ") for line in ended.stderr.splitlines())  # and none is Ray's
    return ended.stdout


def wait_for_partitions(out: Path, count: int, process: subprocess.Popen[str]) -> None:
    while len(list(out.glob("faces/part-*.parquet"))) < count:
        assert process.poll() is None, process.communicate()
        time.sleep(0.05)


def rows_in(out: Path) -> list[dict[str, Any]]:
    return [row for path in sorted(out.glob("faces/*.parquet")) for row in pq.read_table(path).to_pylist()]


def rows_of_predict(folder: Path) -> list[dict[str, Any]]:
    predictor = Predictor(detection="haar")
    return [row for found in predictor.stream(find_pictures(str(folder))) for row in found.rows(predictor.classes)]


def assert_equal_rows(found: list[dict[str, Any]], expected: list[dict[str, Any]]) -> None:
    """Compare rows; probabilities may differ in the last bits, because faces are classified in other batches."""
    assert [row["source"] for row in found] == [row["source"] for row in expected]
    for row, other in zip(found, expected, strict=True):
        exact = {key: value for key, value in other.items() if not isinstance(value, float)}
        assert {key: row[key] for key in exact} == exact
        for key in set(other) - set(exact):
            assert row[key] == pytest.approx(other[key], abs=1e-5)


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    """A folder with 2,000 drawn pictures, of which one in a hundred is broken."""
    folder = tmp_path / "photos"
    folder.mkdir()
    drawn = [scene((10, 0, 110), size=(160, 120)), scene((0, 0, 90), (70, 20, 90), size=(160, 120))]
    drawn.append(Image.new("RGB", (160, 120), "grey"))
    for kind, picture in enumerate(drawn):
        picture.save(tmp_path / f"{kind}.png")
    content = [(tmp_path / f"{kind}.png").read_bytes() for kind in range(len(drawn))]
    for number in range(2000):
        broken = content[0][:300] if number % 200 else b""
        (folder / f"{number:04}.png").write_bytes(broken if number % 100 == 0 else content[number % len(content)])
    return folder


def test_run_on_one_machine_has_the_rows_of_predict(pictures: Path, tmp_path: Path) -> None:
    printed = score(pictures, tmp_path / "out", "--workers", "2")
    assert printed.startswith("42 pictures: 40 faces, 0 without a face, 2 faults.")
    assert_equal_rows(rows_in(tmp_path / "out"), rows_of_predict(pictures))
    manifest = json.loads((tmp_path / "out/manifest.json").read_text())
    assert manifest["labels"] == Counter(row["label"] for row in rows_in(tmp_path / "out") if row["label"])
    assert list((tmp_path / "out/work/tries").iterdir()) == []


def test_picture_that_kills_its_workers_becomes_a_fault(pictures: Path, tmp_path: Path) -> None:
    printed = score(pictures, tmp_path / "out", "--workers", "1", change=KILL)
    assert KILLED in printed
    faults = {row["source"]: row["error"] for row in rows_in(tmp_path / "out") if row["error"] == KILLED}
    assert list(faults) == [str(pictures / "07.png")]
    assert len(rows_in(tmp_path / "out")) == 42


@pytest.mark.parametrize(
    ("change", "text"),
    [
        (DIFFER, "a worker differs from the machine that started (network 000000000000, not "),
        (FULL, "{out} cannot be used: No space left on device"),
    ],
)
def test_error_of_a_worker_ends_the_run_with_one_line(pictures: Path, tmp_path: Path, change: str, text: str) -> None:
    out = tmp_path / "out"
    ended = run(pictures, out, "--workers", "1", change=change)
    assert ended.returncode == 1
    assert ended.stderr.splitlines()[-1].startswith(f"emotion: {text.format(out=out)}")
    assert list(out.glob("faces/*")) == []


def test_killed_driver_is_gone_on_with_and_the_rows_are_those_of_predict(photos: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    with subprocess.Popen(command(photos, out), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        wait_for_partitions(out, 5, process)
        process.kill()
    before = {path: path.stat().st_mtime_ns for path in out.glob("faces/*.parquet")}
    ended = subprocess.run(command(photos, out), capture_output=True, text=True, check=False)
    assert ended.returncode == 0
    assert "pictures are scored already; going on with the others" in ended.stderr
    assert before == {path: path.stat().st_mtime_ns for path in before}
    assert_equal_rows(rows_in(out), rows_of_predict(photos))


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_interrupted_run_ends_in_one_line(photos: Path, tmp_path: Path, number: int, code: int) -> None:
    out = tmp_path / "out"
    with subprocess.Popen(command(photos, out), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        wait_for_partitions(out, 2, process)
        process.send_signal(number)
        printed, said = process.communicate()
    assert (process.returncode, printed) == (code, "")
    assert said.startswith("emotion: interrupted; ")
    assert said.endswith("To go on, run the same command again\n")
    assert said.count("\n") == 1


def test_run_that_is_interrupted_again_and_again_ends_in_one_line(photos: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    with subprocess.Popen(command(photos, out), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        wait_for_partitions(out, 2, process)
        while process.poll() is None:
            process.send_signal(signal.SIGINT)
            time.sleep(0.3)
        printed, said = process.communicate()
    assert (process.returncode, printed) == (130, "")
    assert said == "emotion: interrupted. To go on, run the same command again\n"


@pytest.fixture
def cluster_options() -> Iterator[tuple[list[str], Callable[[], None]]]:
    with running_cluster() as (address, kill_node):
        yield ["--address", address], kill_node


def test_node_that_is_killed_loses_nothing(
    photos: Path, tmp_path: Path, cluster_options: tuple[list[str], Any]
) -> None:
    options, kill_node = cluster_options
    out = tmp_path / "out"
    with subprocess.Popen(
        command(photos, out, *options), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        wait_for_partitions(out, 6, process)
        kill_node()
        printed, said = process.communicate()
    assert (process.returncode, said) == (0, "")
    assert "2,000 pictures: " in printed
    assert "by 3 workers" in printed
    assert_equal_rows(rows_in(out), rows_of_predict(photos))


def test_ten_thousand_empty_files_are_ten_thousand_faults(tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    for number in range(10_000):
        (tmp_path / f"empty/{number}.jpg").touch()
    assert "10,000 pictures: 0 faces, 0 without a face, 10,000 faults." in score(tmp_path / "empty", tmp_path / "out")


def test_folder_of_a_hundred_thousand_names_is_listed(tmp_path: Path) -> None:
    (tmp_path / "many").mkdir()
    for number in range(100_000):
        (tmp_path / f"many/{number}.jpg").touch()
    request = Request(str(tmp_path / "many"), str(tmp_path / "out"))
    assert measure(request) == {"pictures": 100_000, "bytes": 0, "unknown": 0}
    found = sources.find(request.source, sources.describe(request.source, None), Counter())
    totals = listing.write(Place(request.out), found)
    assert totals == Totals(100_000, 64 + -(-(100_000 - 5120) // 512))
