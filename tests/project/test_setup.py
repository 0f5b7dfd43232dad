"""What a clone begins with: the bytes of its files, the versions it installs, and the environment that make keeps."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import tomllib
from importlib.metadata import PackageNotFoundError, requires
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from small_repository import git

ROOT = Path(__file__).parents[2]
PLATFORMS = {
    "linux": {"sys_platform": "linux", "platform_system": "Linux", "os_name": "posix"},
    "macos": {"sys_platform": "darwin", "platform_system": "Darwin", "os_name": "posix", "platform_machine": "arm64"},
    "windows": {"sys_platform": "win32", "platform_system": "Windows", "os_name": "nt", "platform_machine": "AMD64"},
}
EXTRAS = ("pipeline", "app", "jax", "dev")


def test_a_clone_has_the_committed_bytes_whatever_autocrlf_says(tmp_path: Path) -> None:
    git(tmp_path, "clone", "--quiet", "--config", "core.autocrlf=true", str(ROOT), "clone")
    committed = [line.split(maxsplit=3) for line in git(ROOT, "ls-tree", "-r", "HEAD").splitlines()]
    hashes = {name: digest for _, _, digest, name in committed}
    found = git(tmp_path / "clone", "hash-object", "--no-filters", *hashes).splitlines()
    assert [name for name, digest in zip(hashes, found, strict=True) if hashes[name] != digest] == []


def locked(environment: dict[str, str]) -> dict[str, str]:
    """Return the version of each package that requirements.txt has for a platform."""
    lines = re.findall(r"^[a-z].*(?= \\$)", (ROOT / "requirements.txt").read_text(), re.MULTILINE)
    pins = [Requirement(line) for line in lines]
    return {
        canonicalize_name(pin.name): str(pin.specifier).removeprefix("==")
        for pin in pins
        if pin.marker is None or pin.marker.evaluate(environment)
    }


def needs(package: str, extras: set[str]) -> list[Requirement]:
    if package == "emotion":
        project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
        optional = project["optional-dependencies"]
        return [
            Requirement(line) for line in [*project["dependencies"], *(each for e in extras for each in optional[e])]
        ]
    try:
        return [Requirement(line) for line in requires(package) or ()]
    except PackageNotFoundError:  # a package of another platform
        return []


def applies(needed: Requirement, extras: set[str], environment: dict[str, str]) -> bool:
    marker = needed.marker
    return marker is None or any(marker.evaluate({**environment, "extra": extra}) for extra in extras | {""})


@pytest.mark.parametrize("python", ["3.11", "3.12", "3.13"])
@pytest.mark.parametrize("platform", PLATFORMS)
def test_each_platform_gets_a_fitting_version_of_all_that_is_needed(platform: str, python: str) -> None:
    environment = PLATFORMS[platform] | {"python_version": python, "python_full_version": f"{python}.1"}
    versions = locked(environment)
    waiting, seen = [("emotion", frozenset(EXTRAS))], set[tuple[str, frozenset[str]]]()
    while waiting:
        package, extras = waiting.pop()
        seen.add((package, extras))
        for needed in needs(package, set(extras)):
            if applies(needed, set(extras), environment):
                name = canonicalize_name(needed.name)
                assert name in versions, f"{package} needs {needed} on {platform}; run make lock"
                assert needed.specifier.contains(versions[name], prereleases=True), f"{package}: {needed}"
                waiting += {(name, frozenset(needed.extras))} - seen
    assert len(seen) > 200


def write_program(path: Path, script: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(f"#!/bin/sh\n{script}\n")
    path.chmod(0o755)


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A project with an environment whose uv only writes down what it is told, and that make did not finish."""
    for name in ("Makefile", "requirements.txt", "pyproject.toml"):
        shutil.copy(ROOT / name, tmp_path)
    write_program(tmp_path / ".venv/bin/python", f'exec {sys.executable} "$@"')
    write_program(tmp_path / ".venv/bin/uv", 'echo "$UV_DEFAULT_INDEX $@" >> calls.txt')
    return tmp_path


def make_venv(folder: Path, *arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("MAKE", "PIP_", "UV_", "PYTHON"))}
    return subprocess.run(
        ["make", *arguments, "venv"], cwd=folder, env=kept | environment, capture_output=True, text=True, check=False
    )


def calls(folder: Path) -> list[str]:
    path = folder / "calls.txt"
    return path.read_text().splitlines() if path.exists() else []


def test_an_environment_gets_exactly_the_pinned_packages_and_the_project(project: Path) -> None:
    result = make_venv(project)
    assert result.returncode == 0, result.stderr
    packages, editable = calls(project)
    assert "pip sync" in packages
    assert "--require-hashes" in packages
    assert editable.endswith("--no-deps --no-build-isolation --editable .")


def test_nothing_is_installed_again_when_only_times_change(project: Path) -> None:
    make_venv(project)
    for name in ("requirements.txt", "pyproject.toml"):
        os.utime(project / name, (2e9, 2e9))
    assert make_venv(project).returncode == 0
    assert len(calls(project)) == 2


@pytest.mark.parametrize("name", ["requirements.txt", "pyproject.toml"])
def test_an_environment_is_brought_up_to_date_and_never_wiped(project: Path, name: str) -> None:
    make_venv(project)
    (project / ".venv/mine").touch()
    with (project / name).open("a") as stream:
        stream.write("# changed\n")
    assert make_venv(project).returncode == 0
    assert len(calls(project)) == 4
    assert (project / ".venv/mine").exists()


def test_an_installation_that_fails_is_tried_again(project: Path) -> None:
    make_venv(project)
    uv = project / ".venv/bin/uv"
    works = uv.read_text()
    write_program(uv, "exit 1")
    (project / "requirements.txt").write_text("changed")
    assert make_venv(project).returncode == 2
    shutil.copy(ROOT / "requirements.txt", project)
    uv.write_text(works)
    assert make_venv(project).returncode == 0
    assert len(calls(project)) == 4


def test_a_link_to_an_environment_is_left_as_it_is(project: Path) -> None:
    (project / ".venv").rename(project / "elsewhere")
    (project / ".venv").symlink_to("elsewhere")
    result = make_venv(project)
    assert (result.returncode, result.stdout) == (0, ".venv is a link to elsewhere; it is used as it is.\n")
    assert not calls(project)


@pytest.mark.parametrize("version", ["3, 9", "3, 14", "2, 7"])
def test_a_python_that_the_packages_do_not_fit_is_refused_in_one_line(project: Path, version: str) -> None:
    shutil.rmtree(project / ".venv")
    code = f"import sys; sys.version_info = ({version}, 1); exec(sys.argv.pop(1))"
    write_program(project / "python", f'shift; exec {sys.executable} -c "{code}" "$@"')
    result = make_venv(project, "PYTHON=./python")
    assert result.returncode == 2
    line, ending = result.stderr.splitlines()
    assert line.startswith("The pinned packages need Python 3.11 to 3.13, ")
    assert f" is {version.replace(', ', '.')}; run: make PYTHON=" in line
    assert ending.startswith("make: ***")
    assert not (project / ".venv").exists()


def test_another_python_than_that_of_the_environment_is_refused(project: Path) -> None:
    write_program(project / "python", "echo Python 3.12.9")
    result = make_venv(project, "PYTHON=./python")
    assert result.returncode == 2
    assert "PYTHON=./python is Python 3.12.9; delete .venv to change it" in result.stderr


def test_uv_asks_the_index_that_pip_would_ask(project: Path) -> None:
    make_venv(project, PIP_INDEX_URL="index-of-pip")
    assert calls(project)[0].startswith("index-of-pip pip sync")


def test_an_index_for_uv_goes_before_that_of_pip(project: Path) -> None:
    make_venv(project, PIP_INDEX_URL="index-of-pip", UV_DEFAULT_INDEX="index-of-uv")
    assert calls(project)[0].startswith("index-of-uv pip sync")
