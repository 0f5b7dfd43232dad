"""The wheel in an empty environment: it is small and complete, and it works in any folder."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
import venv
import zipfile
from pathlib import Path

import pytest
from documents import ENVIRONMENT_BYTES
from PIL import Image
from skimage.data import astronaut

pytestmark = pytest.mark.slow

ROOT = Path(__file__).parents[2]
HEAVY = {"dvc", "jax", "keras", "matplotlib", "pandas", "pyarrow", "ray", "scikit-learn", "scipy", "tensorflow"}


def run(*command: str | Path, folder: Path) -> str:
    """Run a command in a folder outside the project, without the project's environment; return its output."""
    result = subprocess.run(
        command, cwd=folder, env={"PATH": "/usr/bin:/bin"}, capture_output=True, text=True, check=False
    )
    assert result.returncode == 0, result.stdout + result.stderr
    return result.stdout


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Build the wheel from a copy, because setuptools leaves folders in the project and packs stale files from them."""
    folder = tmp_path_factory.mktemp("wheel")
    source = folder / "source"
    shutil.copytree(ROOT / "emotion", source / "emotion", ignore=shutil.ignore_patterns("__pycache__", "*.egg-info"))
    for name in ("pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(ROOT / name, source)
    subprocess.run(
        [sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "--wheel-dir", folder, source], check=True
    )
    return next(folder.glob("*.whl"))


@pytest.fixture(scope="module")
def environment(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A new environment with only the wheel and its dependencies."""
    folder = tmp_path_factory.mktemp("environment")
    venv.create(folder, with_pip=True)
    subprocess.run([folder / "bin/python", "-m", "pip", "install", "--quiet", wheel], check=True)
    return folder


def test_wheel_contains_every_file_of_the_package_but_what_only_training_reads(wheel: Path) -> None:
    packed = {name for name in zipfile.ZipFile(wheel).namelist() if name.startswith("emotion/")}
    files = {str(path.relative_to(ROOT)) for path in (ROOT / "emotion").rglob("*") if path.is_file()}
    expected = files - {"emotion/shipped/emotion.keras"}
    assert packed == {name for name in expected if "__pycache__" not in name}


def test_install_is_small(environment: Path) -> None:
    size = sum(path.stat().st_size for path in environment.rglob("*") if path.is_file() and not path.is_symlink())
    assert size < ENVIRONMENT_BYTES, f"{size / 1e6:.0f} MB"


def test_install_has_no_package_of_the_pipeline(environment: Path) -> None:
    listed = json.loads(run(environment / "bin/python", "-m", "pip", "list", "--format", "json", folder=environment))
    names = {package["name"].lower() for package in listed}
    assert {"emotion", "onnxruntime"} <= names
    assert not names & HEAVY


def test_command_classifies_a_photo_in_any_folder(environment: Path, tmp_path: Path) -> None:
    Image.fromarray(astronaut()).save(tmp_path / "photo.png")  # type: ignore[no-untyped-call]
    assert "happy" in run(environment / "bin/emotion", "predict", "photo.png", folder=tmp_path)
    assert {path.name for path in tmp_path.iterdir()} == {"photo.png"}


def test_one_line_of_python_classifies_a_photo(environment: Path, tmp_path: Path) -> None:
    Image.fromarray(astronaut()).save(tmp_path / "photo.png")  # type: ignore[no-untyped-call]
    code = "from emotion import predict_emotion; print(predict_emotion('photo.png').faces[0].label)"
    assert run(environment / "bin/python", "-c", code, folder=tmp_path) == "happy\n"


@pytest.mark.parametrize(("command", "extra"), [("serve", "app"), ("restore", "pipeline")])
def test_commands_that_need_an_extra_say_so_in_one_line(
    environment: Path, tmp_path: Path, command: str, extra: str
) -> None:
    shutil.copytree(ROOT / "emotion/shipped", tmp_path / "emotion/shipped")
    shutil.copy(ROOT / "dvc.lock", tmp_path)
    result = subprocess.run(
        [environment / "bin/emotion", command], cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert result.returncode == 1
    assert len(result.stderr.splitlines()) == 1
    assert f"pip install '.[{extra}]'" in result.stderr
