"""The commands in the documents: each is one that its program takes, and a test runs it.

The sweep is run by `test_sweeps.py`, the pipeline by `test_pipeline.py`.
"""

from __future__ import annotations

import re
import runpy
import shlex
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import cv2
import numpy as np
import pytest
import yaml
from documents import PAGES, ROOT, blocks, commands, rows, spans, split_commands
from dvc.cli.parser import get_main_parser
from dvc.utils.hydra import apply_overrides
from packaging.requirements import Requirement
from running_command import answer
from running_server import serving
from small_photos import astronaut, scene

from emotion import params

PROGRAMS = ("curl", "dvc", "emotion", "git", "make", "pip", "python")
OTHERS = {"apt", "column", "cp", "docker", "head", "lscpu", "grep", "ray", "scontrol", "sed", "srun", "touch"}
"""Programs of the system, which the project does not test."""

TESTED = ["make test", "make test-slow"]
"""They run the tests, so `.ci/run` runs them."""


def in_text(page: str) -> list[list[str]]:
    """Return the commands that stand in backticks among the text of a page."""
    script = "\n".join(span for span in spans(page) if re.match(rf"({'|'.join(PROGRAMS)}) ", span))
    return split_commands(script)


def all_commands(program: str) -> list[list[str]]:
    calls = [call for page in PAGES for call in (*commands(page), *in_text(page)) if call[0] == program]
    return [list(call) for call in sorted(set(map(tuple, calls)))]


def settings_of(call: list[str]) -> list[str]:
    """Return what follows each -S."""
    return [call[place + 1] for place, word in enumerate(call) if word == "-S"]


def values_of(setting: str) -> list[str]:
    """Return a setting with each of its values: DVC makes an experiment of each where it is told to queue them."""
    name, _, values = setting.partition("=")
    return [f"{name}={value}" for value in values.split(",")]


def test_commands_are_split_as_bash_splits_them_and_not_run() -> None:
    script = (
        "x=(-S 'a b')\ntouch here  # a comment\ndvc run \"${x[@]}\" \\\n  --now | sort && emotion - < astronaut.png\n"
    )
    expected = [["dvc", "run", "-S", "a b", "--now"], ["emotion", "-"], ["sort"], ["touch", "here"]]
    assert sorted(split_commands(script)) == expected


def test_there_are_commands_of_every_program() -> None:
    assert [program for program in PROGRAMS if not all_commands(program)] == []


@pytest.mark.parametrize("page", PAGES)
def test_programs_are_known(page: str) -> None:
    assert {call[0] for call in commands(page)} <= {*PROGRAMS, *OTHERS}


@pytest.mark.parametrize("call", all_commands("dvc"), ids=" ".join)
def test_dvc_takes_the_command(call: list[str]) -> None:
    get_main_parser().parse_args(call[1:])  # raises on a subcommand or an option that there is none of


@pytest.mark.parametrize("call", all_commands("emotion"), ids=" ".join)
def test_emotion_takes_the_command(call: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    assert answer(monkeypatch, *call[1:], "--help") == 0  # after the options were understood, before anything runs


@pytest.mark.parametrize("call", all_commands("make"), ids=" ".join)
def test_make_has_the_target(call: list[str]) -> None:
    targets = re.findall(r"^([a-z-]+):.*## ", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE)
    words = [word for word in call[1:] if "=" not in word]
    assert words
    assert set(words) <= set(targets)


@pytest.mark.parametrize("call", all_commands("pip"), ids=" ".join)
def test_pip_can_install_what_is_named(call: list[str]) -> None:
    extras = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]["optional-dependencies"]
    assert call[1] == "install"
    for name in (word for word in call[2:] if not word.startswith("-")):
        assert Requirement(name.replace(".", "emotion", 1) if name.startswith(".") else name).extras <= (
            set(extras) if name.startswith(".") else {"cuda", "cuda12", "cudnn", "s3", "ssh"}
        )


@pytest.mark.parametrize("call", all_commands("python"), ids=" ".join)
def test_python_finds_the_module_or_file(call: list[str]) -> None:
    if call[1] == "-m":
        folder = ROOT / call[2].replace(".", "/")
        assert folder.with_suffix(".py").is_file() or (folder / "__main__.py").is_file()
    else:
        assert (ROOT / call[1]).is_file()


@pytest.mark.parametrize(
    "call", [call for call in all_commands("dvc") if settings_of(call)], ids=lambda call: " ".join(call)[:80]
)
def test_settings_of_an_experiment_are_valid(call: list[str], tmp_path: Path) -> None:
    copy = tmp_path / "params.yaml"
    swept = "--queue" in call
    shutil.copy(ROOT / "params.yaml", copy)
    apply_overrides(copy, [value for each in settings_of(call) for value in (values_of(each) if swept else [each])])
    params.check(yaml.safe_load(copy.read_text(encoding="utf-8")))


@pytest.mark.parametrize("page", PAGES)
def test_settings_in_the_text_are_valid(page: str, tmp_path: Path) -> None:
    copy = tmp_path / "params.yaml"
    for setting in (shlex.split(span)[1] for span in spans(page) if span.startswith("-S ")):
        shutil.copy(ROOT / "params.yaml", copy)
        apply_overrides(copy, [setting])
        params.check(yaml.safe_load(copy.read_text(encoding="utf-8")))


def test_recipes_run_apart_from_the_workspace() -> None:
    runs = [call for call in commands("docs/recipes.md") if call[:3] == ["dvc", "exp", "run"]]
    assert len(runs) == 10
    assert all(call[3:6] == ["evaluate", "--temp", "--name"] for call in runs)


@pytest.mark.parametrize(
    ("command", "heading"),
    [
        ("predict", "Images: `emotion predict`"),
        ("video", "Videos and webcams: `emotion video`"),
        ("score", "Millions of pictures: `emotion score`"),
        ("evaluate", "Your own pictures: `emotion evaluate`"),
    ],
)
def test_options_in_a_table_are_those_of_the_command(
    command: str, heading: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert answer(monkeypatch, command, "--help") == 0
    known = set(re.findall(r"--[a-z-]+", capsys.readouterr().out))
    named = set(re.findall(r"--[a-z-]+", " ".join(row[0] for row in rows("docs/use.md", heading))))
    assert named == known - {"--help"}


def verb(call: list[str]) -> list[str]:
    """Return a command without what it is given: `dvc exp run`, `emotion predict`, `make demo`."""
    nested = call[0] == "dvc" and call[1] in {"exp", "metrics", "plots", "queue", "remote"}
    return call[: 3 if nested else 2]


def is_run(command: str, source: str) -> bool:
    """Tell whether a test names a command among what it runs, as one text or as a list of words."""
    program, *words = command.split()
    quoted = ", ".join(f'"{word}"' for word in words)
    forms = (rf'"{program}", {quoted}', rf"\*dvc, {quoted}", rf"\b(dvc|answer)\([\w, ]+, {quoted}", f'"{command}[ "]')
    return any(re.search(form, source) for form in forms)


VERBS = {" ".join(verb(call)) for page in PAGES for call in commands(page) if call[0] in {"dvc", "emotion", "make"}}


@pytest.mark.parametrize("command", sorted(VERBS - set(TESTED)))
def test_command_is_run_by_a_test(command: str) -> None:
    own = {"documents.py", "test_docs.py", Path(__file__).name}
    sources = [path.read_text(encoding="utf-8") for path in (ROOT / "tests").rglob("*.py") if path.name not in own]
    assert any(is_run(command, source) for source in sources)


def test_the_tests_themselves_are_run_by_the_command_for_them() -> None:
    assert (ROOT / ".ci/run").read_text(encoding="utf-8").splitlines()[-len(TESTED) :] == TESTED


@pytest.fixture
def photos(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with all the files that the commands and the code on using the network name."""
    names = (
        "astronaut.png",
        "photo.jpg",
        "one.jpg",
        "two.jpg",
        "holiday/one.jpg",
        "holiday/three.jpg",
        "more/deep/four.jpg",
    )
    for name in names:
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        astronaut().save(tmp_path / name)
    clip = cv2.VideoWriter(str(tmp_path / "clip.mp4"), cv2.VideoWriter.fourcc(*"mp4v"), 10, (320, 240))
    for _ in range(10):
        clip.write(np.asarray(scene((40, 0, 240), size=(320, 240)))[:, :, ::-1].copy())
    clip.release()
    (tmp_path / "labels.csv").write_text("file,faces,expected\none.jpg,1,happy\n")
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.mark.usefixtures("detector_weights")
def test_every_command_on_images_and_videos_works(photos: Path) -> None:
    scripts = [script for script in blocks("docs/use.md", "bash") if script.startswith("emotion ")]
    lines = [line for script in scripts for line in script.splitlines()]
    assert len(lines) == 12
    bin_ = Path(sys.executable).parent
    script = "\n".join(["set -e", f'PATH="{bin_}:$PATH"', *lines])
    result = subprocess.run(["bash", "-c", script], cwd=photos, capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stderr
    assert result.stdout.count("happy") >= 5
    assert {"faces.csv", "labelled", "labelled.mp4", "evaluation", "holiday-report"} <= {
        path.name for path in photos.iterdir()
    }
    assert (photos / "labelled/three_faces.jpg").is_file()


@pytest.mark.parametrize("page", ["README.md", "docs/use.md"])
def test_python_code_works(page: str, photos: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for block in blocks(page, "python"):
        (photos / "block.py").write_text(block, encoding="utf-8")
        runpy.run_path(str(photos / "block.py"))
        assert "one.jpg" in capsys.readouterr().out


@pytest.mark.skipif(shutil.which("curl") is None, reason="no curl")
def test_every_request_to_the_server_is_answered(photos: Path) -> None:
    with serving() as (_, address):
        for call in all_commands("curl"):
            words = ["--fail", "--silent", *[word.replace("http://127.0.0.1:8000", address) for word in call[1:]]]
            result = subprocess.run(["curl", *words], cwd=photos, capture_output=True, text=True, check=True)
            assert "happy" in result.stdout
        paths = [row[0].strip("`").split() for row in rows("docs/use.md", "The API of `emotion serve`")]
        for path in (path for method, path in paths if method == "GET"):
            subprocess.run(["curl", "--fail", "--silent", address + path], capture_output=True, check=True)
    assert len(all_commands("curl")) == 2
    assert len(paths) == 4
