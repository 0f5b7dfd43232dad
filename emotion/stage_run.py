"""Runs a stage as a command: shows its errors, and fails if what `dvc.lock` would record is not what it ran with.

DVC records the settings, code and data of a stage as they are when it ends. So they must not change while it runs. An
experiment's record is all of `params.yaml`, so then no setting may change.
"""

from __future__ import annotations

import hashlib
import os
import sys
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from fnmatch import fnmatch
from pathlib import Path
from typing import Any, Final

from emotion import params, source_files, yaml_text
from emotion.dvc_lock import flatten
from emotion.errors import EmotionError, one_line
from emotion.files import sha256_of

PIPELINE: Final = Path("dvc.yaml")
IGNORED: Final = Path(".dvcignore")

IN_EXPERIMENT: Final = "DVC_EXP_BASELINE_REV"
"""Environment variable that DVC sets for the stages of an experiment."""

ABSENT: Final = "nothing"
"""Shown for a setting that is not there."""

EXAMPLES: Final = 10
"""Changes that an error names at most."""


@dataclass(frozen=True)
class Inputs:
    """What DVC records as that with which a stage ran.

    Attributes:
        settings: values by dotted name, of the sections that the stage lists in `dvc.yaml`; in an experiment, all.
        files: SHA-256 by path, of the files that it lists there and of those in the folders; None if there is none.
    """

    settings: dict[str, Any]
    files: dict[str, str | None]


def run_as_command(command: Callable[[], Callable[[], None] | None]) -> None:
    """Run a stage as a command: exit with 2 if it got arguments, and with 1 and one line on a known error.

    `OSError` and `MemoryError` count as known errors: a full disk, a missing permission or too little memory is for the
    user to fix. Any other exception is a defect of the code and keeps its traceback.

    Args:
        command: the function of the stage. It may return a function, which is called if the stage succeeded and its
            inputs are still the same.
    """
    name = command.__name__
    if len(sys.argv) > 1:
        given = " ".join(sys.argv[1:])
        print(f"{name}: a stage takes no arguments, but got {given}; its settings are in params.yaml", file=sys.stderr)
        sys.exit(2)
    try:
        _run(name, command)
    except EmotionError as error:
        sys.exit(f"{name}: {one_line(error)}")
    except OSError as error:
        sys.exit(
            f"{name}: {one_line(error)}; check the path, its permissions and the free disk space, then run it again"
        )
    except MemoryError as error:
        details = f" ({one_line(error)})" if str(error) else ""
        sys.exit(
            f"{name}: out of memory{details}; lower batch_size in params.yaml, use fewer faces or close other programs"
        )
    except KeyboardInterrupt:
        sys.exit(f"{name}: interrupted; run it again to continue")


def _run(name: str, command: Callable[[], Callable[[], None] | None]) -> None:
    before = read_inputs(name)
    check_unchanged(_with_sources_at_start(before), before)
    finish = command()
    check_unchanged(before, read_inputs(name))
    if finish:
        finish()


def read_inputs(stage: str) -> Inputs:
    """Read what DVC records about a stage; nothing in a folder without `dvc.yaml`, where DVC records nothing.

    Raises:
        ParameterError: `dvc.yaml` or `params.yaml` cannot be read.
    """
    if not PIPELINE.is_file():
        return Inputs({}, {})
    listed = yaml_text.read(PIPELINE)["stages"][stage]
    settings = yaml_text.read(params.PATH)
    recorded = settings if IN_EXPERIMENT in os.environ else listed["params"]
    sections = {name: settings[name] for name in recorded if name in settings}
    files = [path for dependency in listed["deps"] for path in _files_of(Path(dependency))]
    return Inputs(flatten(sections), {str(path): sha256_of(path) if path.is_file() else None for path in files})


def _with_sources_at_start(inputs: Inputs) -> Inputs:
    """Return inputs with the hashes that the source files had before the stage imported them."""
    hashes = {path: hashlib.sha256(content).hexdigest() for path, content in source_files.CONTENTS.items()}
    return replace(inputs, files={name: hashes.get(Path(name).absolute(), now) for name, now in inputs.files.items()})


def _files_of(dependency: Path) -> Iterator[Path]:
    """Yield a file itself; of a folder, the files that DVC does not ignore, such as those that Python leaves."""
    if not dependency.is_dir():
        yield dependency
        return
    patterns = IGNORED.read_text(encoding="utf-8").split() if IGNORED.is_file() else []
    for path in sorted(dependency.rglob("*")):
        ignored = any(fnmatch(part, pattern) for part in path.parts for pattern in patterns)
        if path.is_file() and not ignored:
            yield path


def check_unchanged(before: Inputs, after: Inputs) -> None:
    """Refuse the result of a stage whose inputs changed while it ran.

    Raises:
        EmotionError: a setting or file differs. The message names at most `EXAMPLES` of them.
    """
    changes = [
        f"{name} from {before.settings.get(name, ABSENT)} to {after.settings.get(name, ABSENT)}"
        for name in sorted(_different(before.settings, after.settings))
    ]
    changes += sorted(_different(before.files, after.files))
    if not changes:
        return
    more = [f"and {len(changes) - EXAMPLES} more"] if len(changes) > EXAMPLES else []
    raise EmotionError(
        f"changed while the stage ran: {', '.join(changes[:EXAMPLES] + more)}; its result is not recorded; "
        "run it again, with the change or without it"
    )


def _different(before: Mapping[str, object], after: Mapping[str, object]) -> list[str]:
    absent = object()
    return [name for name in before.keys() | after.keys() if before.get(name, absent) != after.get(name, absent)]
