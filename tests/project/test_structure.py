"""Holds the tree to CONTRIBUTING.md: the shape of stages, and the dependencies that `dvc.yaml` names."""

from __future__ import annotations

import ast
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

ROOT = Path(__file__).parents[2]
PIPELINE: dict[str, dict[str, Any]] = yaml.safe_load((ROOT / "dvc.yaml").read_text())["stages"]
PARAMS: dict[str, Any] = yaml.safe_load((ROOT / "params.yaml").read_text())

# They carry no behaviour: every value stands in params.yaml.
EXEMPT = {
    "emotion/dvc_lock.py",
    "emotion/errors.py",
    "emotion/params.py",
    "emotion/params_faults.py",
    "emotion/source_files.py",
    "emotion/stage_run.py",
    "emotion/yaml_text.py",
}


class Imports(ast.NodeVisitor):
    """Collects the modules that a file imports, at any depth; those for types alone change no result."""

    def __init__(self) -> None:
        self.names: set[str] = set()

    def visit_Import(self, node: ast.Import) -> None:
        self.names |= {alias.name for alias in node.names}

    def visit_ImportFrom(self, node: ast.ImportFrom) -> None:
        assert node.level == 0, "expected an absolute import, which the tests can follow"
        self.names |= {f"{node.module}"} | {f"{node.module}.{alias.name}" for alias in node.names}

    def visit_If(self, node: ast.If) -> None:
        if ast.unparse(node.test) not in {"TYPE_CHECKING", "typing.TYPE_CHECKING"}:
            self.generic_visit(node)


def imports_of(path: Path) -> set[str]:
    visitor = Imports()
    visitor.visit(ast.parse(path.read_text()))
    return visitor.names


def own_files(path: Path, root: Path = ROOT) -> set[str]:
    """Return the project's files that a file imports, as dvc.yaml writes them."""
    names = {name for name in imports_of(path) if name.split(".")[0] in {"emotion", "stages"}}
    candidates = {f"{name.replace('.', '/')}.py" for name in names}
    return {candidate for candidate in candidates if (root / candidate).is_file()}


def files_of(dependencies: list[str]) -> set[str]:
    """Return the source files among the dependencies of a stage; of a folder, the modules in it."""
    files = {name for name in dependencies if name.endswith(".py")}
    for folder in dependencies:
        files |= {f"{folder}/{path.name}" for path in (ROOT / folder).glob("*.py") if path.name != "__init__.py"}
    return files


def closure(start: str, root: Path = ROOT) -> set[str]:
    """Return a file and all that it imports, directly or not, without the exempt."""
    found: set[str] = set()
    waiting = {start}
    while waiting:
        found |= waiting
        waiting = {imported for name in waiting for imported in own_files(root / name, root)} - found - EXEMPT
    return found


def attributes_of(path: Path) -> set[str]:
    return {node.attr for node in ast.walk(ast.parse(path.read_text())) if isinstance(node, ast.Attribute)}


def leaves(section: dict[str, Any], prefix: str) -> Iterator[tuple[str, str]]:
    """Yield (dotted name, last part) of every value below a section."""
    for key, value in section.items():
        if isinstance(value, dict):
            yield from leaves(value, f"{prefix}.{key}")
        else:
            yield f"{prefix}.{key}", key


def outputs(*, cached: bool) -> set[str]:
    entries = [
        entry for stage in PIPELINE.values() for kind in ("outs", "metrics", "plots") for entry in stage.get(kind, [])
    ]
    options = [entry if isinstance(entry, dict) else {entry: {}} for entry in entries]
    return {path for option in options for path, settings in option.items() if settings.get("cache", True) is cached}


def git(*arguments: str) -> list[str]:
    result = subprocess.run(["git", *arguments], cwd=ROOT, capture_output=True, text=True, check=False)
    assert result.returncode in {0, 1}, result.stderr  # check-ignore ends with 1 when nothing is ignored
    return result.stdout.splitlines()


def ignored_by_git(paths: set[str]) -> set[str]:
    return set(git("check-ignore", "--no-index", *sorted(paths)))


# The package itself imports its public names lazily.
INITS = sorted(path.relative_to(ROOT).as_posix() for path in (ROOT / "emotion").rglob("*/__init__.py"))
STAGES = sorted(path.stem for path in (ROOT / "stages").glob("*.py") if path.stem != "__init__")


@pytest.fixture
def scratch(tmp_path: Path) -> Path:
    """A tree of five files whose imports are known."""
    sources = {
        "stages/cook.py": "from emotion import pot, params\nimport numpy",
        "emotion/__init__.py": "",
        "emotion/pot.py": "def boil():\n    from emotion.stove import fire",
        "emotion/stove.py": "import emotion.pot\nif TYPE_CHECKING:\n    from emotion.spoon import Spoon",
        "emotion/params.py": "from emotion.spoon import SIZE",
        "emotion/spoon.py": "SIZE = 1",
    }
    for name, source in sources.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(source)
    return tmp_path


def test_closure_follows_nested_imports_and_circles_but_not_types_nor_exempt_files(scratch: Path) -> None:
    assert closure("stages/cook.py", scratch) == {"stages/cook.py", "emotion/pot.py", "emotion/stove.py"}


def test_leaves_names_nested_settings() -> None:
    assert list(leaves({"a": 1, "b": {"c": 2}}, "train")) == [("train.a", "a"), ("train.b.c", "c")]


def test_every_stage_module_is_a_stage_of_the_pipeline_and_runs_as_one() -> None:
    assert {name: stage["cmd"] for name, stage in PIPELINE.items()} == {
        name: f"python -m stages.{name}" for name in STAGES
    }


@pytest.mark.parametrize("stage", PIPELINE)
def test_stage_depends_on_exactly_the_modules_it_imports(stage: str) -> None:
    named = files_of(PIPELINE[stage]["deps"])
    imported = closure(f"stages/{stage}.py")
    assert named == imported, f"dvc.yaml lacks {sorted(imported - named)} and names unused {sorted(named - imported)}"


@pytest.mark.parametrize("stage", PIPELINE)
def test_stage_reads_files_that_another_stage_writes_or_a_person_puts_in(stage: str) -> None:
    files = {name for name in PIPELINE[stage]["deps"] if not name.startswith(("emotion/", "stages/"))}
    assert files <= outputs(cached=True) | outputs(cached=False) | {"data/incoming", "data/weights"}


@pytest.mark.parametrize("stage", PIPELINE)
def test_stage_lists_whole_sections_and_all_that_it_reads(stage: str) -> None:
    listed = set(PIPELINE[stage]["params"])
    assert listed <= set(PARAMS)
    assert attributes_of(ROOT / f"stages/{stage}.py") & set(PARAMS) <= listed


@pytest.mark.parametrize("section", PARAMS)
def test_every_setting_is_read_by_a_stage_that_lists_its_section(section: str) -> None:
    readers = [f"stages/{name}.py" for name, stage in PIPELINE.items() if section in stage["params"]]
    read = {attribute for reader in readers for file in closure(reader) for attribute in attributes_of(ROOT / file)}
    unread = [name for name, key in leaves(PARAMS[section], section) if key not in read]
    assert not unread, f"nothing reads {unread}"


@pytest.mark.parametrize("stage", STAGES)
def test_stage_is_one_short_function_named_after_its_file(stage: str) -> None:
    source = (ROOT / f"stages/{stage}.py").read_text()
    functions = [node.name for node in ast.parse(source).body if isinstance(node, ast.FunctionDef)]
    assert functions == [stage]
    assert len(source.splitlines()) <= 40
    assert source.endswith(f'if __name__ == "__main__":\n    run_as_command({stage})\n')


@pytest.mark.parametrize("stage", STAGES)
def test_stage_checks_all_settings_before_it_works(stage: str) -> None:
    tree = ast.parse((ROOT / f"stages/{stage}.py").read_text())
    function = next(node for node in tree.body if isinstance(node, ast.FunctionDef))
    first = function.body[1]  # after the docstring
    assert "params.load()" in ast.unparse(first)


@pytest.mark.parametrize("path", INITS)
def test_a_wing_holds_no_logic_of_its_own(path: str) -> None:
    body = ast.parse((ROOT / path).read_text()).body
    assert all(isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant) for node in body)


@pytest.mark.parametrize("path", sorted((ROOT / "tests").rglob("test_*.py")), ids=lambda path: path.stem)
def test_every_test_file_has_tests(path: Path) -> None:
    functions = [node.name for node in ast.walk(ast.parse(path.read_text())) if isinstance(node, ast.FunctionDef)]
    assert any(name.startswith("test_") for name in functions)


def test_git_keeps_small_outputs_and_leaves_the_rest_to_dvc() -> None:
    assert ignored_by_git(outputs(cached=False)) == set()
    tracked = set(git("ls-files", *sorted(outputs(cached=True))))
    assert not tracked, "outputs that DVC caches are in Git"


def test_git_ignores_scratch_and_what_a_person_puts_in_but_keeps_the_folders() -> None:
    scratch = {"build/demo/x", ".venv", "data/incoming/faces.zip", "data/weights/mine.keras", "emotion/__pycache__/x"}
    assert ignored_by_git(scratch | {"data/incoming/.gitkeep", "data/weights/.gitkeep"}) == scratch


def test_dvc_ignores_what_python_leaves_in_folders_and_scratch() -> None:
    lines = (ROOT / ".dvcignore").read_text().splitlines()
    assert {"__pycache__", ".venv", "build"} <= set(lines)
    assert "!" not in lines  # such a line breaks every command of DVC


def test_no_picture_or_archive_of_the_dataset_is_in_git() -> None:
    forbidden = re.compile(r"(^plots/faces/.*\.png|\.(jpe?g|zip|npz|npy|tar|gz))$")
    numbers_only = {"emotion/data/ferplus_rows.npz"}  # of files and classes
    assert not [path for path in git("ls-files") if forbidden.search(path) and path not in numbers_only]


def test_locked_requirements_name_versions_and_hashes_only() -> None:
    pinned = re.compile(r"[a-z0-9.-]+==[^ ]+( ; [^\\]+)? \\|    --hash=sha256:[0-9a-f]{64}( \\)?")
    lines = (ROOT / "requirements.txt").read_text().split("\n")
    assert not [line for line in lines if line and line[0] != "#" and not pinned.fullmatch(line)]
