"""The shipped network in `emotion/shipped/`: promoted from the pipeline's output, and restored to it.

Knows `dvc.lock` and DVC's cache; knows nothing of what is inside the files. Paths are relative to the project's folder.
"""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, Final

from emotion.dvc_lock import md5_of, md5_of_folder, recorded_hashes
from emotion.errors import ModelError
from emotion.files import write_bytes

FOLDER: Final = Path("emotion/shipped")

CACHED: Final = (Path("models/emotion.onnx"), Path("models/emotion.keras"), Path("models/card.md"))
"""Shipped outputs that DVC keeps in its cache and Git does not have elsewhere."""

HEADLINES: Final = (Path("metrics/validation.json"), Path("metrics/test.json"))
"""Shipped metrics: the figures of the shipped network, whatever the pipeline measures later."""

DETAILS: Final = Path("metrics/details")
"""The folder that holds the confusion matrix; `dvc.lock` records it as a whole."""

CONFUSION: Final = DETAILS / "test_confusion.csv"
"""Shipped table: `emotion serve` shows it."""

SIZE_LIMIT: Final = 20_000_000
"""Largest sum of the shipped files, in bytes: they are in Git and in the wheel."""


def shipped_as(output: Path) -> Path:
    """Return where an output of the pipeline is shipped."""
    return FOLDER / output.name


def promote(root: Path = Path()) -> list[Path]:
    """Copy the network, its card, its headline metrics and its confusion matrix to `emotion/shipped/`.

    Args:
        root: the project's folder.

    Returns:
        The files written.

    Raises:
        ModelError: an output is missing, is another than `dvc.lock` records or was made from older files, or all
            together are larger than `SIZE_LIMIT`; nothing is written then.
    """
    stages = _read_lock(root)
    _check_chain(stages)
    contents = {output: _read(root / output) for output in (*CACHED, *HEADLINES)}
    _check_recorded(contents, stages, "run: dvc repro")
    contents[CONFUSION] = _read(root / CONFUSION)
    if md5_of_folder(root / DETAILS) != recorded_hashes(stages).get(DETAILS.as_posix()):
        raise ModelError(f"expected the folder that dvc.lock records, received another {DETAILS}; run: dvc repro")
    size = sum(len(content) for content in contents.values())
    if size > SIZE_LIMIT:
        raise ModelError(f"expected at most {SIZE_LIMIT:,} bytes to ship, received {size:,}; train a smaller network")
    for output, content in contents.items():
        write_bytes(root / shipped_as(output), content)
    return [shipped_as(output) for output in contents]


def restore(root: Path = Path()) -> list[Path]:
    """Put the shipped network and card back into `models/` and DVC's cache, so that `dvc repro` need not train.

    Args:
        root: the project's folder.

    Returns:
        The files restored.

    Raises:
        ModelError: nothing is shipped, `dvc.lock` records other files, or a file in `models/` that DVC has not
            saved is in the way.
    """
    contents = {output: _read(root / shipped_as(output)) for output in CACHED}
    _check_recorded(contents, _read_lock(root), "run: git checkout dvc.lock emotion/shipped")
    cache = Path(_dvc(root, "cache", "dir").strip())
    for content in contents.values():
        _add_to_cache(content, cache)
    _check_saved([output for output in contents if (root / output).exists()], root, cache)
    # DVC itself puts them into place: it links as configured.
    _dvc(root, "checkout", *map(str, contents))
    return list(contents)


def _read_lock(root: Path) -> dict[str, Any]:
    text = _read(root / "dvc.lock").decode()
    # YAML comes with the pipeline extra; `emotion --help` answers without it.
    from yaml import YAMLError

    from emotion import yaml_text

    try:
        stages: dict[str, Any] = yaml_text.parse(text)["stages"]
    except (YAMLError, KeyError, TypeError) as error:
        raise ModelError("expected stages in dvc.lock, received something else; run: git checkout dvc.lock") from error
    return stages


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except FileNotFoundError as error:
        hint = "run emotion promote after dvc repro" if path.parent.name == FOLDER.name else "run dvc repro or dvc pull"
        raise ModelError(f"expected the file {path}, received none; {hint}, in the project's folder") from error


def _check_chain(stages: Mapping[str, Any]) -> None:
    """Refuse metrics or a card made from another network than the one beside them (`dvc repro export` alone)."""
    written = recorded_hashes(stages)
    for name, stage in stages.items():
        for dependency in stage.get("deps", []):
            path = dependency["path"]
            if written.get(path, dependency["md5"]) != dependency["md5"]:
                raise ModelError(
                    f"expected stage {name} to have read the present {path}, received an older one; run: dvc repro"
                )


def _check_recorded(contents: Mapping[Path, bytes], stages: Mapping[str, Any], hint: str) -> None:
    recorded = recorded_hashes(stages)
    strangers = [
        str(output) for output, content in contents.items() if md5_of(content) != recorded.get(output.as_posix())
    ]
    if strangers:
        raise ModelError(f"expected the files that dvc.lock records, received another {', '.join(strangers)}; {hint}")


def _add_to_cache(content: bytes, cache: Path) -> None:
    """Store a file as DVC 3 does: named by its MD5, read-only."""
    path = _place_in(cache, content)
    if not path.exists():
        write_bytes(path, content)
        path.chmod(0o444)


def _place_in(cache: Path, content: bytes) -> Path:
    name = md5_of(content)
    return cache / "files" / "md5" / name[:2] / name[2:]


def _check_saved(outputs: Iterable[Path], root: Path, cache: Path) -> None:
    """Refuse to replace the only copy of a file; DVC would refuse too, and advise an option that we do not have."""
    unsaved = [str(output) for output in outputs if not _place_in(cache, _read(root / output)).exists()]
    if unsaved:
        raise ModelError(
            f"expected no file in models/ that DVC has not saved, received {', '.join(unsaved)}; "
            "move it elsewhere to keep it or delete it, then run it again"
        )


def _dvc(root: Path, *arguments: str) -> str:
    command = [sys.executable, "-m", "dvc", *arguments]
    result = subprocess.run(command, cwd=root, capture_output=True, text=True, check=False)
    if result.returncode:
        raise ModelError(f"expected dvc {arguments[0]} to succeed, received: {' '.join(result.stderr.split())}")
    return result.stdout
