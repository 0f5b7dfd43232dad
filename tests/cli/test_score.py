"""What `emotion score` says, without Ray: `tests/scoring/test_ray.py` starts it."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image
from running_command import answer
from small_models import write_model

from emotion.scoring import partition, run
from emotion.scoring.run import Prepared

Run = Callable[..., int | str | None]
Drawn = tuple[NDArray[np.uint8], NDArray[np.int8]]


@pytest.fixture
def score(tmp_path: Path, faces: Drawn, monkeypatch: pytest.MonkeyPatch) -> Run:
    """Run `emotion score` in a folder with 40 drawn faces below `photos`; return the exit code or message."""
    (tmp_path / "photos").mkdir()
    for number in range(40):
        Image.fromarray(faces[0][number % len(faces[0])]).save(tmp_path / f"photos/{number:02}.png")
    model = write_model(tmp_path / "emotion.onnx")
    monkeypatch.chdir(tmp_path)

    def scored(*arguments: str) -> int | str | None:
        return answer(monkeypatch, "score", *arguments, "--model", str(model), "--detector", "haar")

    return scored


def stopping(prepared: Prepared, watch: Callable[[int], object]) -> dict[str, object]:  # noqa: ARG001
    """Score a partition, then behave as if Ctrl+C were pressed."""
    from emotion.scoring import listing
    from emotion.scoring.worker import Scorer

    Scorer(prepared.job)(listing.read(prepared.job.out, 0))
    raise KeyboardInterrupt


def test_dry_run_says_how_many_and_how_large_and_writes_nothing(
    score: Run, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert score("photos", "--out", "out", "--dry-run") == 0
    size = sum(path.stat().st_size for path in (tmp_path / "photos").iterdir())
    assert capsys.readouterr().out == f"40 pictures, {size / 1e6:,.1f} MB ({size / 40 / 1e3:,.0f} kB each)\n"
    assert not (tmp_path / "out").exists()


def test_interrupted_run_says_what_is_kept_and_how_to_go_on(
    score: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(run, "score", stopping)
    assert score("photos", "--out", "out") == 130
    ended = "emotion: interrupted; 32 of 40 pictures are scored. To go on, run the same command again\n"
    assert capsys.readouterr().err == ended
    assert score("photos", "--out", "out") == 130
    assert capsys.readouterr().err.startswith(
        "emotion: 32 of 40 pictures are scored already; going on with the others\n"
    )
    assert not (tmp_path / "out/manifest.json").exists()


def test_workers_that_would_have_nothing_to_do_are_not_started(
    score: Run, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(run, "score", stopping)
    score("photos", "--out", "out", "--workers", "2")
    assert "instead of" not in capsys.readouterr().err
    score("photos", "--out", "more", "--workers", "99")
    assert capsys.readouterr().err.startswith("emotion: 2 workers instead of 99; 2 partitions left to score\n")


def write_manifest(out: Path) -> None:
    facts = {"pictures": 40, "faces": 40, "without_face": 0, "faults": 0, "uncertain": 10, "labels": {"sad": 40}}
    rest = {"faults_by_reason": {}, "scored_in_the_last_run": 0, "drift": None}
    (out / "manifest.json").write_text(json.dumps({**facts, **rest}))


def test_complete_run_is_told_again_without_work(
    score: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(run, "score", stopping)
    score("photos", "--out", "out")
    (tmp_path / "out/faces/part-000001.parquet").touch()
    write_manifest(tmp_path / "out")
    capsys.readouterr()
    assert score("photos", "--out", "out") == 0
    printed = capsys.readouterr()
    assert printed.err == "emotion: this run is complete; nothing is left to do\n"
    assert printed.out.startswith(
        "40 pictures: 40 faces, 0 without a face, 0 faults.\nUncertain: 10 of 40 faces (25.0%)."
    )
    assert printed.out.endswith("Rows: out/faces; summary: out/summary.md\n")


def test_partition_that_a_complete_run_lost_is_told(
    score: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(run, "score", stopping)
    score("photos", "--out", "out")
    write_manifest(tmp_path / "out")
    capsys.readouterr()
    assert score("photos", "--out", "out") == 130
    assert capsys.readouterr().err.splitlines()[0] == (
        "emotion: out/faces lacks 1 of 2 partitions of a complete run (8 of 40 pictures); scoring them again"
    )


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        (["absent"], "there is no file or folder absent, and nothing matches it; check the name"),
        (["photos", "--out", "photos"], "photos holds other files (00.png, 01.png, 02.png and 37 more); choose a new"),
        (["photos", "--column", "path"], "--column path is for a table, and photos is neither .csv nor .parquet"),
        (["photos", "--address", "127.0.0.1:1"], "Ray cannot be reached at 127.0.0.1:1: Connection refused; is the"),
        (["photos", "--out", ""], "--out is empty; give a new folder, or a prefix such as s3://bucket/results"),
        (["photos", "--out", "", "--dry-run"], "--out is empty; give a new folder"),
        (["nowhere://photos"], "nowhere://photos cannot be used: Protocol not known: nowhere"),
    ],
)
def test_mistakes_are_one_line_and_leave_nothing(score: Run, tmp_path: Path, arguments: list[str], text: str) -> None:
    before = sorted(tmp_path.rglob("*"))
    ended = str(score(*arguments, *([] if "--out" in arguments else ["--out", "out"])))
    assert ended.startswith(f"emotion: {text}")
    assert "\n" not in ended
    assert sorted(tmp_path.rglob("*")) == before


def test_without_the_extra_one_line_says_what_to_install(
    score: Run, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for name in [name for name in sys.modules if name.startswith("emotion.scoring")]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    assert score("photos", "--out", "out") == 1
    ended = capsys.readouterr().err
    assert ended.startswith("emotion: the packages of the extra ray are not installed")
    assert ended.count("\n") == 1


def test_help_of_all_commands_loads_neither_ray_nor_arrow() -> None:
    program = "import sys, emotion.cli.main; print(*sys.modules)"
    loaded = set(subprocess.check_output([sys.executable, "-c", program], text=True).split())
    assert not loaded & {"ray", "pyarrow", "fsspec", "emotion.scoring"}


def test_partitions_of_a_stopped_run_are_whole(score: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from emotion.scoring.places import Place

    monkeypatch.setattr(run, "score", stopping)
    score("photos", "--out", "out")
    table = partition.read(Place(str(tmp_path / "out")), 0)
    assert table is not None
    assert table["source"].to_pylist()[:2] == ["photos/00.png", "photos/01.png"]
