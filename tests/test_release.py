from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from emotion import release
from emotion.dvc_lock import md5_of, md5_of_folder, recorded_hashes
from emotion.errors import ModelError
from emotion.release import CACHED, DETAILS, HEADLINES, TABLES, promote, restore, shipped_as

ROOT = Path(__file__).parents[1]
OUTPUTS = {path: f"content of {path}".encode() for path in (*CACHED, *HEADLINES)}
TABLE = b"actual,happy\nhappy,1\n"

# The real pipeline's shape with fast commands; `train` never writes the same bytes twice.
PIPELINE = """
stages:
  preprocess:
    cmd: echo RAN preprocess && cp raw.txt faces.npz
    deps: [raw.txt]
    outs: [faces.npz]
  train:
    cmd: echo RAN train && mkdir -p models plots && date +%N > models/emotion.keras && echo 1 > plots/history.csv
    deps: [faces.npz]
    outs:
    - models/emotion.keras
    - plots/history.csv: {cache: false}
  export:
    cmd: >-
      echo RAN export && cd models && echo onnx | cat emotion.keras - > emotion.onnx && echo h5 > emotion.h5 &&
      echo int8 > emotion.int8.onnx
    deps: [models/emotion.keras]
    outs: [models/emotion.onnx, models/emotion.int8.onnx, models/emotion.h5]
  evaluate:
    cmd: >-
      echo RAN evaluate && mkdir -p metrics/details && cd metrics &&
      echo 1 | tee details/test_confusion.csv details/test_faces.csv validation.json > test.json
    deps: [models/emotion.onnx, faces.npz, settings.txt]
    metrics:
    - metrics/validation.json: {cache: false}
    - metrics/test.json: {cache: false}
    outs:
    - metrics/details: {cache: false}
  plot:
    cmd: echo RAN plot && cp metrics/test.json models/card.md
    deps: [metrics/test.json]
    outs: [models/card.md]
"""


def run(folder: Path, *command: str) -> str:
    result = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stderr
    return result.stdout


def dvc(folder: Path, *arguments: str) -> str:
    return run(folder, sys.executable, "-m", "dvc", *arguments)


def commit_all(folder: Path) -> None:
    run(folder, "git", "add", "--all")
    run(folder, "git", "-c", "user.name=t", "-c", "user.email=t@localhost", "commit", "--quiet", "-m", "x")


def entry(path: Path, content: bytes) -> dict[str, object]:
    return {"path": path.as_posix(), "hash": "md5", "md5": md5_of(content), "size": len(content)}


def write_lock(folder: Path, *, measured: bytes = OUTPUTS[CACHED[0]]) -> None:
    """Write a dvc.lock in which `export` wrote the network and card, and `evaluate` measured the network `measured`."""
    stages = {
        "export": {"outs": [entry(path, OUTPUTS[path]) for path in CACHED]},
        "evaluate": {
            "deps": [entry(CACHED[0], measured)],
            "outs": [
                *(entry(path, OUTPUTS[path]) for path in HEADLINES),
                {"path": DETAILS.as_posix(), "hash": "md5", "md5": md5_of_folder(folder / DETAILS)},
            ],
        },
    }
    (folder / "dvc.lock").write_text(yaml.safe_dump({"schema": "2.0", "stages": stages}))


@pytest.fixture
def reproduced(tmp_path: Path) -> Path:
    """A folder as `dvc repro` leaves it."""
    for path, content in OUTPUTS.items():
        (tmp_path / path).parent.mkdir(exist_ok=True)
        (tmp_path / path).write_bytes(content)
    for name in (*TABLES, DETAILS / "model.json"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_bytes(TABLE)
    write_lock(tmp_path)
    return tmp_path


def shipped_files(root: Path) -> list[Path]:
    return sorted((root / release.FOLDER).glob("*"))


def test_promote_copies_network_card_headline_metrics_and_tables(reproduced: Path) -> None:
    expected = {**OUTPUTS, **dict.fromkeys(TABLES, TABLE)}
    assert promote(reproduced) == [shipped_as(path) for path in expected]
    assert {path: (reproduced / shipped_as(path)).read_bytes() for path in expected} == expected
    assert len(shipped_files(reproduced)) == len(expected)


@pytest.mark.parametrize("path", [*OUTPUTS, *TABLES], ids=str)
def test_promote_refuses_an_output_that_the_lock_does_not_record(reproduced: Path, path: Path) -> None:
    (reproduced / path).write_bytes(b"edited by hand")
    recorded = DETAILS if path in TABLES else path
    with pytest.raises(ModelError, match=rf"dvc\.lock records: {recorded}; run: dvc repro"):
        promote(reproduced)
    assert shipped_files(reproduced) == []


def test_promote_refuses_metrics_of_an_older_network(reproduced: Path) -> None:
    write_lock(reproduced, measured=b"the network before")
    with pytest.raises(ModelError, match=r"stage evaluate ran on an older models/emotion\.onnx; run: dvc repro"):
        promote(reproduced)
    assert shipped_files(reproduced) == []


def test_promote_refuses_more_than_git_should_carry(reproduced: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    size = sum(map(len, OUTPUTS.values())) + len(TABLES) * len(TABLE)
    monkeypatch.setattr(release, "SIZE_LIMIT", size)
    promote(reproduced)
    monkeypatch.setattr(release, "SIZE_LIMIT", size - 1)
    with pytest.raises(ModelError, match=rf"at most {size - 1} bytes to ship, received {size}"):
        promote(reproduced)


def test_promote_names_the_missing_output_and_the_command_that_makes_it(reproduced: Path) -> None:
    (reproduced / CACHED[1]).unlink()
    with pytest.raises(ModelError, match=r"models/emotion\.keras is missing; run dvc repro or dvc pull"):
        promote(reproduced)


def test_restore_without_shipped_files_says_how_to_ship_them(reproduced: Path) -> None:
    with pytest.raises(ModelError, match=r"emotion\.onnx is missing; run emotion promote after dvc repro"):
        restore(reproduced)


def test_restore_refuses_when_the_lock_records_another_network(reproduced: Path) -> None:
    promote(reproduced)
    (reproduced / shipped_as(CACHED[1])).write_bytes(b"another")
    with pytest.raises(
        ModelError, match=r"records: models/emotion\.keras; run: git checkout dvc\.lock emotion/shipped"
    ):
        restore(reproduced)


def test_shipped_files_are_those_that_the_lock_records() -> None:
    if not shipped_files(ROOT):
        pytest.skip("nothing is shipped yet: run emotion promote")
    recorded = recorded_hashes(yaml.safe_load((ROOT / "dvc.lock").read_text())["stages"])
    shipped = {path.as_posix(): md5_of((ROOT / shipped_as(path)).read_bytes()) for path in OUTPUTS}
    assert shipped == {path: recorded[path] for path in shipped}
    assert sum(path.stat().st_size for path in shipped_files(ROOT)) <= release.SIZE_LIMIT
    assert recorded[DETAILS.as_posix()] == md5_of_folder(ROOT / DETAILS)
    for path in TABLES:
        assert (ROOT / shipped_as(path)).read_bytes() == (ROOT / path).read_bytes()
    assert {path.name for path in shipped_files(ROOT)} == {path.name for path in (*OUTPUTS, *TABLES)}


@pytest.fixture(scope="module")
def published(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A repository whose pipeline ran, was promoted and committed."""
    folder = tmp_path_factory.mktemp("published")
    run(folder, "git", "init", "--quiet")
    dvc(folder, "init", "--quiet")
    dvc(folder, "config", "core.analytics", "false")
    (folder / "dvc.yaml").write_text(PIPELINE)
    (folder / "raw.txt").write_text("raw")
    (folder / "settings.txt").write_text("settings")
    dvc(folder, "repro")
    promote(folder)
    commit_all(folder)
    return folder


@pytest.fixture
def clone(published: Path, tmp_path: Path) -> Path:
    run(tmp_path, "git", "clone", "--quiet", str(published), "clone")
    return tmp_path / "clone"


def test_restore_on_a_fresh_clone_puts_the_files_into_models_and_the_cache(clone: Path, published: Path) -> None:
    assert restore(clone) == list(CACHED)
    assert [(clone / path).read_bytes() for path in CACHED] == [(published / path).read_bytes() for path in CACHED]
    for path in CACHED:
        (clone / path).unlink()
    dvc(clone, "checkout", *map(str, CACHED))  # from the cache only
    assert restore(clone) == list(CACHED)  # a second time changes nothing
    assert run(clone, "git", "status", "--porcelain") == ""


def test_restore_keeps_a_network_that_is_not_in_the_cache(clone: Path) -> None:
    (clone / CACHED[0]).write_text("hours of work")
    with pytest.raises(ModelError) as caught:
        restore(clone)
    assert str(caught.value) == (
        "these files are not in DVC's cache and would be lost: models/emotion.onnx; "
        "move or delete them, then run the command again"
    )
    assert (clone / CACHED[0]).read_text() == "hours of work"
    (clone / CACHED[0]).unlink()
    assert restore(clone) == list(CACHED)


def test_restore_replaces_another_network_that_is_in_the_cache(clone: Path, published: Path) -> None:
    restore(clone)
    (clone / "raw.txt").write_text("other faces")
    dvc(clone, "repro", "train")
    run(clone, "git", "checkout", "dvc.lock", "raw.txt")
    assert (clone / CACHED[1]).read_bytes() != (published / CACHED[1]).read_bytes()
    restore(clone)
    assert (clone / CACHED[1]).read_bytes() == (published / CACHED[1]).read_bytes()


@pytest.mark.slow
def test_after_restore_only_training_does_not_run_again(clone: Path) -> None:
    restore(clone)
    (clone / "settings.txt").write_text("another settings")
    assert [line for line in dvc(clone, "repro").splitlines() if line.startswith("RAN")] == [
        "RAN preprocess",
        "RAN export",
        "RAN evaluate",
    ]


@pytest.mark.slow
def test_without_restore_a_fresh_clone_trains(clone: Path) -> None:
    assert "RAN train" in dvc(clone, "repro")
