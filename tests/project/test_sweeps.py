"""The documented sweep on a few drawn faces: queued, run by two workers, shown in a table, taken over."""

from __future__ import annotations

import json
import shutil
import time
from pathlib import Path

import pytest
from documents import command_of
from small_pipeline import SETTINGS, STAGES, choose, commit, copy_tree, dvc, ran, run

pytestmark = pytest.mark.slow

SHARES = {"votes-1": "0.5", "votes-2": "1"}


def follow_page(folder: Path, start: str) -> str:
    """Run the command of the page on experiments that begins so."""
    return run(folder, "bash", "-c", command_of("docs/experiments.md", start))


def wait_for_the_workers(folder: Path) -> dict[str, str]:
    """Wait until the queue is empty and its workers have ended; return how each experiment ended."""
    while True:
        *lines, workers = dvc(folder, "queue", "status").strip().splitlines()
        states = {line.split()[1]: line.split()[-1] for line in lines[1:] if line}
        if workers.endswith(": 0 active, 0 idle") and not {"Queued", "Running"} & set(states.values()):
            return states
        time.sleep(1)


@pytest.fixture(scope="module")
def sweep(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str, dict[str, str]]:
    """A repository in which two workers ran a sweep, what starting them printed, and how the experiments ended."""
    folder = tmp_path_factory.mktemp("sweep")
    copy_tree(folder)
    dvc(folder, "exp", "run", *choose(*SETTINGS), "preprocess")
    commit(folder)
    follow_page(folder, "dvc exp run --queue --name votes")
    started = follow_page(folder, "dvc queue start")
    return folder, started, wait_for_the_workers(folder)


@pytest.fixture(scope="module")
def swept(sweep: tuple[Path, str, dict[str, str]]) -> Path:
    return sweep[0]


def test_two_workers_run_an_experiment_for_each_value(sweep: tuple[Path, str, dict[str, str]]) -> None:
    _, started, states = sweep
    assert started.startswith("Started '2'")
    assert states == dict.fromkeys(SHARES, "Success")


@pytest.mark.parametrize("name", SHARES)
def test_workers_take_the_faces_from_the_cache_and_log_what_they_ran(swept: Path, name: str) -> None:
    assert ran(dvc(swept, "queue", "logs", name)) == STAGES[2:]


def test_a_sweep_leaves_the_workspace_as_it_was(swept: Path) -> None:
    assert run(swept, "git", "status", "--porcelain") == ""


def test_the_table_shows_the_swept_setting_and_the_figures_of_validation(swept: Path) -> None:
    header, *lines = follow_page(swept, "dvc exp show --csv").splitlines()
    assert len(header) <= 120
    figures = ["accuracy", "accuracy_unseen", "macro_f1", "accuracy_votes", "balanced_accuracy_votes"]
    assert header.split() == ["Experiment", "rev", *figures, "train.votes"]
    rows = {line.split()[0]: line.split() for line in lines}
    assert {name: row[-1] for name, row in rows.items()} == {"-": "1", **SHARES}
    unseen = [float(row[3]) for name, row in rows.items() if name in SHARES]
    assert unseen == sorted(unseen, reverse=True)


@pytest.fixture(scope="module")
def applied(swept: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of that repository with one of the experiments in its workspace."""
    folder = Path(shutil.copytree(swept, tmp_path_factory.mktemp("applied") / "copy"))
    follow_page(folder, "dvc exp apply")
    return folder


def test_an_experiment_of_the_sweep_can_be_taken_over(applied: Path) -> None:
    assert "votes: 0.5" in run(applied, "git", "diff", "params.yaml")
    assert json.loads(dvc(applied, "status", "--json")) == {}


def test_an_experiment_of_the_sweep_can_become_a_branch(applied: Path) -> None:
    follow_page(applied, "dvc exp branch")
    assert "votes: 0.5" in run(applied, "git", "show", "half:params.yaml")


def test_files_that_git_does_not_track_travel_to_the_worker_when_they_are_named(applied: Path) -> None:
    start = "data/weights/start.keras"
    shutil.copy(applied / "models/emotion.keras", applied / start)
    settings = choose("train.start_from=start.keras")
    assert ran(dvc(applied, "exp", "run", "--temp", *settings, "--copy-paths", start, "train")) == ["train"]
