"""The shipped network in `emotion/shipped/`: promoted from the pipeline's output, and restored to it.

Knows `dvc.lock` and DVC's cache, but not the contents of the files. Paths are relative to the project's folder.
"""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, Final

from emotion.dvc_lock import md5_of, md5_of_folder, older_inputs, recorded_hashes
from emotion.errors import ModelError
from emotion.files import write_bytes

FOLDER: Final = Path("emotion/shipped")

CACHED: Final = (
    Path("models/emotion.onnx"),
    Path("models/emotion.keras"),
    Path("models/emotion.int8.onnx"),
    Path("models/card.md"),
)
"""Shipped outputs that are in DVC's cache but not in Git."""

HEADLINES: Final = (Path("metrics/validation.json"), Path("metrics/test.json"))
"""Shipped metrics: they stay those of the shipped network when the pipeline measures another one."""

DETAILS: Final = Path("metrics/details")
"""Folder of the shipped tables; `dvc.lock` records it as a whole."""

TABLES: Final = (DETAILS / "test_confusion.csv", DETAILS / "test_faces.csv")
"""Shipped tables, which `emotion serve` shows and `emotion evaluate` compares with."""

SIZE_LIMIT: Final = 45_000_000
"""Largest total size of the shipped files, in bytes: they are in Git, where every version stays."""


def shipped_as(output: Path) -> Path:
    """Return the path under which an output of the pipeline is shipped."""
    return FOLDER / output.name


def promote(root: Path = Path()) -> list[Path]:
    """Copy the network, also in int8, its model card, headline metrics and tables to `emotion/shipped/`.

    Args:
        root: the project's folder.

    Returns:
        The files written.

    Raises:
        ModelError: an output is missing, differs from the one in `dvc.lock` or was made from older files, or all
            outputs together are larger than `SIZE_LIMIT`. Nothing is written then.
    """
    stages = _read_lock(root)
    _check_chain(stages)
    contents = {output: _read(root / output) for output in (*CACHED, *HEADLINES)}
    _check_recorded(contents, stages, "run: dvc repro")
    contents |= {table: _read(root / table) for table in TABLES}
    if md5_of_folder(root / DETAILS) != recorded_hashes(stages).get(DETAILS.as_posix()):
        raise ModelError(f"this folder is not the one that dvc.lock records: {DETAILS}; run: dvc repro")
    size = sum(len(content) for content in contents.values())
    if size > SIZE_LIMIT:
        raise ModelError(f"expected at most {SIZE_LIMIT:,} bytes to ship, received {size:,}; train a smaller network")
    for output, content in contents.items():
        write_bytes(root / shipped_as(output), content)
    return [shipped_as(output) for output in contents]


def restore(root: Path = Path()) -> list[Path]:
    """Copy the shipped network and card back to `models/` and DVC's cache, so that `dvc repro` need not train.

    Args:
        root: the project's folder.

    Returns:
        The files restored.

    Raises:
        ModelError: nothing is shipped, `dvc.lock` records other files, or `models/` holds a file that is not in DVC's
            cache.
    """
    contents = {output: _read(root / shipped_as(output)) for output in CACHED}
    _check_recorded(contents, _read_lock(root), "run: git checkout dvc.lock emotion/shipped")
    cache = Path(_dvc(root, "cache", "dir").strip())
    for content in contents.values():
        _add_to_cache(content, cache)
    _check_saved([output for output in contents if (root / output).exists()], root, cache)
    # DVC puts them in place, because it is configured to copy or to link.
    _dvc(root, "checkout", *map(str, contents))
    return list(contents)


def _read_lock(root: Path) -> dict[str, Any]:
    text = _read(root / "dvc.lock").decode()
    # YAML comes with the pipeline extra; `emotion --help` must work without it.
    from yaml import YAMLError

    from emotion import yaml_text

    try:
        stages: dict[str, Any] = yaml_text.parse(text)["stages"]
    except (YAMLError, KeyError, TypeError) as error:
        raise ModelError("dvc.lock holds no stages; run: git checkout dvc.lock") from error
    return stages


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except FileNotFoundError as error:
        hint = "run emotion promote after dvc repro" if path.parent.name == FOLDER.name else "run dvc repro or dvc pull"
        raise ModelError(f"the file {path} is missing; {hint} in the project's folder") from error


def _check_chain(stages: Mapping[str, Any]) -> None:
    """Refuse metrics or a card of an older network, as `dvc repro export` alone leaves them."""
    for name, path in older_inputs(stages):
        raise ModelError(f"stage {name} ran on an older {path}; run: dvc repro")


def _check_recorded(contents: Mapping[Path, bytes], stages: Mapping[str, Any], hint: str) -> None:
    recorded = recorded_hashes(stages)
    different = [
        str(output) for output, content in contents.items() if md5_of(content) != recorded.get(output.as_posix())
    ]
    if different:
        raise ModelError(f"these files are not the ones that dvc.lock records: {', '.join(different)}; {hint}")


def _add_to_cache(content: bytes, cache: Path) -> None:
    """Store a file as DVC 3 does: named by its MD5, read-only."""
    path = _cache_path(cache, content)
    if not path.exists():
        write_bytes(path, content)
        path.chmod(0o444)


def _cache_path(cache: Path, content: bytes) -> Path:
    name = md5_of(content)
    return cache / "files" / "md5" / name[:2] / name[2:]


def _check_saved(outputs: Iterable[Path], root: Path, cache: Path) -> None:
    """Refuse to replace the only copy of a file. DVC refuses, too, but suggests an option that does not exist here."""
    unsaved = [str(output) for output in outputs if not _cache_path(cache, _read(root / output)).exists()]
    if unsaved:
        raise ModelError(
            f"these files are not in DVC's cache and would be lost: {', '.join(unsaved)}; "
            "move or delete them, then run the command again"
        )


def _dvc(root: Path, *arguments: str) -> str:
    command = [sys.executable, "-m", "dvc", *arguments]
    result = subprocess.run(command, cwd=root, capture_output=True, text=True, check=False)
    if result.returncode:
        raise ModelError(f"dvc {arguments[0]} failed: {' '.join(result.stderr.split())}")
    return result.stdout
