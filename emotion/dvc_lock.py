"""What DVC records about a run: the stages in `dvc.lock` and the MD5 of files and folders."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

PATH: Final = Path("dvc.lock")


def recorded_hashes(stages: Mapping[str, Any]) -> dict[str, str]:
    """Return the MD5 of every stage output by path, given the `stages` of a `dvc.lock`."""
    return {out["path"]: out["md5"] for stage in stages.values() for out in stage.get("outs", [])}


def recorded_params(stage: Mapping[str, Any]) -> dict[str, Any]:
    """Return the sections of `params.yaml` with which a stage ran."""
    sections: dict[str, Any] = stage.get("params", {}).get("params.yaml", {})
    return sections


def older_inputs(stages: Mapping[str, Any]) -> list[tuple[str, str]]:
    """Return each stage and each path it read that another stage has since written anew."""
    written = recorded_hashes(stages)
    return [
        (name, dependency["path"])
        for name, stage in stages.items()
        for dependency in stage.get("deps", [])
        if written.get(dependency["path"], dependency["md5"]) != dependency["md5"]
    ]


def stages_behind(path: str, stages: Mapping[str, Any]) -> dict[str, Any]:
    """Return the stage that wrote a path, and all stages on whose outputs it depends."""
    found: dict[str, Any] = {}
    for name, stage in stages.items():
        if path in recorded_hashes({name: stage}):
            found[name] = stage
            for dependency in stage.get("deps", []):
                found |= stages_behind(dependency["path"], stages)
    return found


def flatten(content: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    """Return the values of nested mappings by dotted name, such as `train.epochs`."""
    flat: dict[str, Any] = {}
    for key, value in content.items():
        flat |= flatten(value, f"{prefix}{key}.") if isinstance(value, dict) else {f"{prefix}{key}": value}
    return flat


def md5_of(content: bytes) -> str:
    """Return the MD5 that DVC records for a file."""
    return hashlib.md5(content, usedforsecurity=False).hexdigest()


def md5_of_folder(folder: Path) -> str:
    """Return the MD5 that DVC records for a folder: that of the list of its files and their MD5s."""
    entries = [
        {"md5": md5_of(path.read_bytes()), "relpath": path.relative_to(folder).as_posix()}
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    ]
    return md5_of(json.dumps(entries, sort_keys=True).encode()) + ".dir"
