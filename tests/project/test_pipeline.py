"""The real `dvc repro` on a few drawn faces, in copies of this tree: what reruns, what does not, what a person sees.

One copy is reproduced once; each test that changes something works on a copy of that copy.
"""

from __future__ import annotations

import json
import re
import shutil
import sys
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from documents import command_of
from small_pipeline import ROOT, SETTINGS, STAGES, attempt, choose, commit, copy_tree, dvc, identify, ran, run

from emotion.data.archives import write_canonical
from emotion.data.sample_faces import draw_members

pytestmark = pytest.mark.slow

# They check settings and decide no result.
EXEMPT = {
    "emotion/dvc_lock.py",
    "emotion/errors.py",
    "emotion/params.py",
    "emotion/params_faults.py",
    "emotion/source_files.py",
    "emotion/stage_run.py",
    "emotion/yaml_text.py",
}


def loaded(output: str) -> dict[str, set[str]]:
    """Return the project's files that each stage really loaded, from the import times among its output."""
    _, *parts = re.split(r"^Running stage '(\w+)':$", output, flags=re.MULTILINE)
    found = {}
    for stage, text in zip(parts[::2], parts[1::2], strict=True):
        names = re.findall(r"^import time: .*\| +(emotion\.[\w.]+)$", text, re.MULTILINE)
        files = {f"{name.replace('.', '/')}.py" for name in names}
        found[stage] = {f"stages/{stage}.py"} | {file for file in files if (ROOT / file).is_file()}
    return found


def listed(stage: str, files: set[str]) -> set[str]:
    """Return the entries under which `dvc.yaml` lists these files: their own, or their folder's."""
    dependencies = yaml.safe_load((ROOT / "dvc.yaml").read_text())["stages"][stage]["deps"]
    return {str(Path(file).parent) if str(Path(file).parent) in dependencies else file for file in files}


def change(folder: Path, section: str, key: str, value: Any) -> None:
    path = folder / "params.yaml"
    content = yaml.safe_load(path.read_text())
    assert key in content[section]
    content[section][key] = value
    path.write_text(yaml.safe_dump(content))


def edit(folder: Path, *modules: str) -> None:
    for module in modules:
        with (folder / module).open("a") as stream:
            stream.write("# edited\n")


def bring_back(folder: Path) -> None:
    """Go back to the last commit as the page on troubleshooting says."""
    run(folder, "bash", "-c", command_of("docs/troubleshooting.md", "touch params.yaml"))


def add_environment(folder: Path) -> None:
    """Make the Makefile use this environment instead of installing one: it leaves a link as it is."""
    (folder / ".venv").symlink_to(sys.prefix)


@pytest.fixture(scope="module")
def first_run(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str]:
    """A repository whose pipeline ran and was committed, and what the run printed."""
    folder = tmp_path_factory.mktemp("reproduced")
    copy_tree(folder)
    output = dvc(folder, "exp", "run", *choose(*SETTINGS), PYTHONPROFILEIMPORTTIME="1")
    commit(folder)
    return folder, output


@pytest.fixture(scope="module")
def reproduced(first_run: tuple[Path, str]) -> Path:
    """That repository, to be left as it is."""
    return first_run[0]


@pytest.fixture
def copy(reproduced: Path, tmp_path: Path) -> Iterator[Path]:
    """A copy of that repository, to be changed."""
    folder = tmp_path / "copy"
    yield Path(shutil.copytree(reproduced, folder))
    shutil.rmtree(folder)


@pytest.fixture
def clone(reproduced: Path, tmp_path: Path) -> Path:
    """A fresh clone of that repository, without its cache."""
    run(tmp_path, "git", "clone", "--quiet", str(reproduced), "clone")
    identify(tmp_path / "clone")
    return tmp_path / "clone"


def table_of(markdown: str) -> list[list[str]]:
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in markdown.splitlines() if line]


def files_of(folder: Path) -> dict[str, bytes]:
    """Return what the pipeline wrote."""
    paths = [path for part in ("data", "models", "metrics", "plots") for path in (folder / part).rglob("*.*")]
    return {str(path.relative_to(folder)): path.read_bytes() for path in paths if path.is_file()}


def test_a_first_run_runs_every_stage_and_leaves_nothing_to_do(first_run: tuple[Path, str]) -> None:
    folder, output = first_run
    assert ran(output) == STAGES
    assert json.loads(dvc(folder, "status", "--json")) == {}
    assert run(folder, "git", "status", "--porcelain") == ""
    assert not list((folder / "build").glob("checkpoints/*"))


def test_nothing_reruns_when_nothing_changed(reproduced: Path) -> None:
    assert ran(dvc(reproduced, "repro")) == []


def test_an_edited_module_makes_exactly_the_stages_that_load_it_run_again(
    first_run: tuple[Path, str], copy: Path
) -> None:
    edit(copy, *(str(path.relative_to(copy)) for part in ("emotion", "stages") for path in (copy / part).rglob("*.py")))
    status = json.loads(dvc(copy, "status", "--json"))
    assert {name for stage in status.values() for change in stage for name in change} == {"changed deps"}
    changed = {stage: set(status[stage][0]["changed deps"]) for stage in status}
    expected = {stage: listed(stage, names - EXEMPT) for stage, names in loaded(first_run[1]).items()}
    expected["download"].add("emotion/data/kaggle.py")  # what another source would load
    assert changed == expected


@pytest.mark.parametrize(
    ("module", "stages"),
    [
        ("report/figures", ["plot"]),
        ("report/diagrams", ["plot"]),
        ("evaluation/metrics", ["evaluate"]),
        ("evaluation/robustness", ["robustness"]),
        ("evaluation/saliency", ["saliency"]),
        ("evaluation/intervals", ["evaluate", "robustness"]),
        ("learning/schedules", ["train"]),
        ("networks/keras_file", ["train", "export"]),
        ("data/layouts", ["preprocess"]),
        ("images", ["download", "preprocess", "evaluate", "robustness", "saliency"]),
        ("inference/network", ["evaluate", "robustness", "saliency"]),
    ],
)
def test_an_edited_module_reruns_its_stages(copy: Path, module: str, stages: list[str]) -> None:
    edit(copy, f"emotion/{module}.py")
    assert ran(dvc(copy, "repro", "--dry")) == stages


def test_an_edited_metric_neither_retrains_nor_redraws_when_its_results_are_the_same(copy: Path) -> None:
    edit(copy, "emotion/evaluation/metrics.py")
    assert ran(dvc(copy, "repro")) == ["evaluate"]


def test_an_edit_of_training_that_is_committed_does_not_train_again(copy: Path) -> None:
    edit(copy, "emotion/learning/schedules.py")
    dvc(copy, "commit", "--force", "train")
    assert ran(dvc(copy, "repro")) == []


def test_a_colour_redraws_only(copy: Path) -> None:
    before = files_of(copy)
    change(copy, "plot", "colormap", "viridis")
    assert ran(dvc(copy, "repro")) == ["plot"]
    after = files_of(copy)
    assert after.keys() == before.keys()
    changed = {name for name in after if after[name] != before[name]}
    assert "plots/pictures/confusion_test.png" in changed
    assert {Path(name).parts[:2] for name in changed} <= {("plots", "pictures"), ("plots", "faces")}


def test_other_classes_rerun_all_but_the_download(copy: Path) -> None:
    classes = ["happy", "angry", "fear", "neutral", "sad", "surprise"]
    change(copy, "preprocess", "classes", classes)
    assert ran(dvc(copy, "repro")) == STAGES[1:]
    header = (copy / "data/predictions.csv").read_text().splitlines()[0]
    assert header == f"split,name,actual,predicted,{','.join(classes)},duplicate"


def test_a_file_put_into_incoming_reruns_the_download_alone_where_it_is_not_the_source(copy: Path) -> None:
    (copy / "data/incoming/faces.csv").write_text("emotion,pixels,Usage\n")
    assert ran(dvc(copy, "repro")) == ["download"]


def test_a_changed_file_in_incoming_is_taken_in(copy: Path) -> None:
    archive = copy / "data/incoming/faces.zip"
    change(copy, "download", "source", "incoming")
    for seed in (1, 2):
        write_canonical(draw_members({"train": 2, "validation": 1, "test": 1}, seed), archive)
        assert ran(dvc(copy, "repro", "preprocess")) == ["download", "preprocess"]
        assert (copy / "data/raw/faces.zip").read_bytes() == archive.read_bytes()


def test_running_all_again_changes_no_byte_of_the_lock(copy: Path) -> None:
    before = (copy / "dvc.lock").read_bytes()
    assert ran(dvc(copy, "repro", "--force")) == STAGES
    assert (copy / "dvc.lock").read_bytes() == before
    assert run(copy, "git", "status", "--porcelain") == ""


def test_a_bare_clone_is_up_to_date_but_for_missing_files(clone: Path) -> None:
    assert ran(dvc(clone, "repro", "--allow-missing", "--dry")) == []


def test_what_is_pushed_is_pulled_elsewhere_and_nothing_reruns(copy: Path, clone: Path, tmp_path: Path) -> None:
    for folder in (copy, clone):
        dvc(folder, "remote", "add", "--local", "--default", "storage", str(tmp_path / "storage"))
    dvc(copy, "push")
    dvc(clone, "pull")
    assert ran(dvc(clone, "repro")) == []
    assert files_of(clone) == files_of(copy)


def test_a_fresh_clone_with_the_shipped_network_judges_it_without_training(copy: Path, tmp_path: Path) -> None:
    run(copy, sys.executable, "-m", "emotion.cli.main", "promote")
    commit(copy)
    run(tmp_path, "git", "clone", "--quiet", str(copy), "fresh")
    fresh = tmp_path / "fresh"
    add_environment(fresh)
    run(fresh, "make", "restore")
    change(fresh, "evaluate", "calibration_bins", 5)
    assert ran(dvc(fresh, "repro")) == ["download", "preprocess", "export", "evaluate", "plot"]
    assert (fresh / "models/emotion.onnx").read_bytes() == (copy / "models/emotion.onnx").read_bytes()


def test_git_and_dvc_bring_the_committed_state_back_after_a_failure(copy: Path) -> None:
    before = files_of(copy)
    change(copy, "download", "source", "incoming")
    result = attempt(copy, sys.executable, "-m", "dvc", "repro")
    assert result.returncode == 255
    assert "data/incoming/ holds no archive; put exactly one archive there" in result.stdout
    assert "Traceback" not in result.stdout
    assert not (copy / "data/raw/faces.zip").exists()  # DVC removes what a stage writes before it runs
    bring_back(copy)
    assert files_of(copy) == before
    assert ran(dvc(copy, "repro")) == []


@pytest.fixture(scope="module")
def experiment(reproduced: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str]:
    """A copy in which `dvc exp run` trained an epoch more, and what the run printed."""
    folder = Path(shutil.copytree(reproduced, tmp_path_factory.mktemp("experiment") / "copy"))
    return folder, dvc(folder, "exp", "run", "--name", "longer", *choose("train.epochs=2"))


def test_an_experiment_with_more_epochs_trains_and_what_follows(experiment: tuple[Path, str]) -> None:
    folder, output = experiment
    assert ran(output) == STAGES[2:]
    assert len((folder / "plots/training/history.csv").read_text().splitlines()) == 3


def test_metrics_diff_shows_what_the_experiment_did(experiment: tuple[Path, str]) -> None:
    header, _, *rows = table_of(dvc(experiment[0], "metrics", "diff", "--md", "--all"))
    assert header == ["Path", "Metric", "HEAD", "workspace", "Change"]
    named = {(row[0], row[1]) for row in rows}
    assert {("metrics/validation.json", "accuracy"), ("metrics/test.json", "accuracy")} <= named


def test_plots_diff_lays_both_runs_over_one_another(experiment: tuple[Path, str]) -> None:
    folder, _ = experiment
    dvc(folder, "plots", "diff", "HEAD", "longer", "--out", str(folder / "build/plots"))
    page = (folder / "build/plots/index.html").read_text()
    for title in (
        "Confusion on validation",
        "Confusion on test",
        "Accuracy by epoch",
        "Loss by epoch",
        "Learning rate",
    ):
        assert title in page
    curves = dvc(folder, "plots", "diff", "HEAD", "longer", "--show-vega", "--targets", "accuracy")
    assert {"HEAD", "longer"} <= set(re.findall(r'"rev": ?"(\w+)"', curves))


def test_exp_show_names_the_experiment_its_setting_and_its_accuracy(experiment: tuple[Path, str]) -> None:
    hashes, accuracies = "[^:]*/[^:]*$", "metrics/.*:accuracy$"
    header, _, *rows = table_of(
        dvc(experiment[0], "exp", "show", "--md", "--only-changed", "--drop", hashes, "--keep", accuracies)
    )
    assert {"metrics/validation.json:accuracy", "metrics/test.json:accuracy", "train.epochs"} <= set(header)
    assert len(header) <= 24
    epochs = {row[0].split()[-1]: row[header.index("train.epochs")] for row in rows}
    assert epochs["[longer]"] == "2"


def test_git_and_dvc_bring_the_state_before_an_experiment_back(experiment: tuple[Path, str], tmp_path: Path) -> None:
    folder = Path(shutil.copytree(experiment[0], tmp_path / "copy"))
    bring_back(folder)
    assert ran(dvc(folder, "repro")) == []


def test_settings_that_were_trained_once_are_not_trained_again(
    experiment: tuple[Path, str], reproduced: Path, tmp_path: Path
) -> None:
    folder = Path(shutil.copytree(experiment[0], tmp_path / "copy"))
    change(folder, "train", "epochs", 1)
    assert ran(dvc(folder, "repro", "export")) == []
    assert files_of(folder)["plots/training/history.csv"] == files_of(reproduced)["plots/training/history.csv"]
    assert (folder / "models/emotion.keras").read_bytes() == (reproduced / "models/emotion.keras").read_bytes()


EDITS_THE_SETTINGS = """
from pathlib import Path

path = Path("params.yaml")
path.write_text(path.read_text().replace("  {before}", "  {after}"))
"""


def edit_settings_in_training(folder: Path, before: str, after: str) -> None:
    with (folder / "emotion/learning/schedules.py").open("a") as stream:
        stream.write(EDITS_THE_SETTINGS.format(before=before, after=after))  # when the stage loads this module


def test_what_is_recorded_is_what_a_stage_ran_with_when_settings_change_meanwhile(copy: Path) -> None:
    lock = (copy / "dvc.lock").read_bytes()
    edit_settings_in_training(copy, "learning_rate: 0.003", "learning_rate: 0.004")
    runs = set((copy / ".dvc/cache/runs").rglob("*"))
    result = attempt(copy, sys.executable, "-m", "dvc", "repro", "train")
    assert result.returncode == 255
    assert "train: changed while the stage ran: train.learning_rate from 0.003 to 0.004; its result" in result.stdout
    assert "Traceback" not in result.stdout
    assert (copy / "dvc.lock").read_bytes() == lock
    assert set((copy / ".dvc/cache/runs").rglob("*")) == runs
    assert ran(dvc(copy, "repro", "train")) == ["train"]
    recorded = yaml.safe_load((copy / "dvc.lock").read_text())["stages"]["train"]["params"]["params.yaml"]["train"]
    with zipfile.ZipFile(copy / "models/emotion.keras") as network:
        learned = json.loads(network.read("emotion.json"))["parameters"]["train"]
    assert recorded["learning_rate"] == learned["learning_rate"] == 0.004


def test_in_an_experiment_no_setting_may_change_meanwhile_and_otherwise_only_those_of_the_stage(copy: Path) -> None:
    edit_settings_in_training(copy, "dpi: 50", "dpi: 60")
    result = attempt(copy, sys.executable, "-m", "dvc", "exp", "run", "train")
    assert result.returncode == 255
    assert "train: changed while the stage ran: plot.dpi from 50 to 60; its result" in result.stdout
    edit_settings_in_training(copy, "dpi: 60", "dpi: 70")
    assert ran(dvc(copy, "repro", "train")) == ["train"]
    assert yaml.safe_load((copy / "params.yaml").read_text())["plot"]["dpi"] == 70


def test_make_demo_ends_with_a_network_that_knows_the_drawn_faces(tmp_path: Path) -> None:
    copy_tree(tmp_path)
    add_environment(tmp_path)
    output = run(tmp_path, "make", "demo")
    for split in ("validation", "test"):
        accuracy = json.loads((tmp_path / f"build/demo/metrics/{split}.json").read_text())["accuracy"]
        assert accuracy > 0.9
        assert f"| metrics/{split}.json" in output
    pictures = [line for line in output.partition("Pictures:\n")[2].splitlines() if line.endswith(".png")]
    assert all((tmp_path / picture).is_file() for picture in pictures)
    assert {"confusion_test.png", "training.png", "samples.png"} <= {Path(picture).name for picture in pictures}
    assert run(tmp_path, "git", "status", "--porcelain") == ""
