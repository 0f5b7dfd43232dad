"""What Git and DVC together do to edits and results: an experiment applied over edits, and branches merged."""

from __future__ import annotations

import shutil
import sys
from pathlib import Path

import pytest
from documents import command_of
from small_pipeline import ROOT, attempt, commit, dvc, identify, run

# Two stages in the places of the real ones, without Python to start.
PIPELINE = """
stages:
  train:
    cmd: "! grep -q 'rate: 9' params.yaml && mkdir -p models && cp params.yaml models/network"
    params: [rate, seed]
    outs: [models/network]
  evaluate:
    cmd: mkdir -p metrics && tr ':' '=' < models/network > metrics/test.json
    deps: [models/network]
    metrics: [{metrics/test.json: {cache: false}}]
"""
SETTINGS = "rate: 1\n# far\n# apart,\n# so that\n# Git merges\nseed: 1\n"


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A small repository whose pipeline ran and was committed."""
    folder = tmp_path / "project"
    (folder / "emotion").mkdir(parents=True)
    for name, text in (("dvc.yaml", PIPELINE), ("params.yaml", SETTINGS), ("emotion/labels.py", "x = 1\n")):
        (folder / name).write_text(text)
    shutil.copy(ROOT / ".gitattributes", folder)
    run(folder, "git", "init", "--quiet", "--initial-branch=main")
    identify(folder)
    dvc(folder, "init", "--quiet")
    dvc(folder, "repro", "--quiet")
    commit(folder)
    return folder


@pytest.mark.slow
def test_settings_of_a_failed_experiment_are_undone_as_the_page_says(project: Path) -> None:
    assert attempt(project, sys.executable, "-m", "dvc", "exp", "run", "--set-param", "rate=9").returncode != 0
    assert "rate: 9" in (project / "params.yaml").read_text()
    run(project, "bash", "-c", command_of("docs/troubleshooting.md", "touch params.yaml"))
    assert (project / "params.yaml").read_text() == SETTINGS


def train_on_a_branch(project: Path, name: str, setting: str, value: int) -> None:
    run(project, "git", "checkout", "--quiet", "-b", name, "main")
    path = project / "params.yaml"
    path.write_text(path.read_text().replace(f"{setting}: 1", f"{setting}: {value}"))
    dvc(project, "repro", "--quiet")
    commit(project)


@pytest.mark.slow
def test_edits_that_an_applied_experiment_drops_come_back_as_the_page_says(project: Path) -> None:
    dvc(project, "exp", "run", "--quiet", "--name", "slower", "--set-param", "rate=2")
    run(project, "git", "checkout", "--quiet", "HEAD", ".")
    edited = project / "emotion/labels.py"
    edited.write_text("x = 2\n")
    dvc(project, "exp", "apply", "slower")
    assert edited.read_text() == "x = 1\n"
    run(project, "bash", "-c", command_of("docs/troubleshooting.md", "git checkout refs/exps"))
    assert edited.read_text() == "x = 2\n"
    assert "rate: 2" in (project / "params.yaml").read_text()


@pytest.mark.slow
def test_branches_that_both_trained_are_merged_as_the_page_says(project: Path) -> None:
    train_on_a_branch(project, "left", "rate", 2)
    train_on_a_branch(project, "right", "seed", 2)
    merged = attempt(project, "git", "merge", "left")
    assert "CONFLICT (content): Merge conflict in dvc.lock" in merged.stdout
    for name in ("dvc.lock", "metrics/test.json"):
        assert "<<<<<<<" not in (project / name).read_text()
    run(project, "bash", "-c", "\n".join(["set -e", *merge_commands()]))
    assert (project / "metrics/test.json").read_text() == SETTINGS.replace("1", "2").replace(":", "=")
    assert run(project, "git", "status", "--porcelain") == ""
    assert dvc(project, "status").strip().endswith("up to date.")


def merge_commands() -> list[str]:
    """Return what the page says to do after a merge with conflicts."""
    return [command_of("docs/review.md", start) for start in ("git add --all", "dvc repro", "git add --update")]


@pytest.mark.slow
def test_a_merge_takes_a_network_that_one_of_the_branches_trained_from_the_cache(project: Path) -> None:
    train_on_a_branch(project, "left", "rate", 2)
    train_on_a_branch(project, "right", "rate", 3)
    attempt(project, "git", "merge", "left")
    run(project, "git", "checkout", "--theirs", "params.yaml")
    output = run(project, "bash", "-c", "\n".join(["set -e", *merge_commands()]))
    assert "Stage 'train' is cached - skipping run" in output
    assert "rate= 2" in (project / "metrics/test.json").read_text()
