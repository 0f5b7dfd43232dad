"""Model files with metadata: reads `.keras` and `.h5`, writes `.keras`.

Equal models give equal bytes: the time, zip dates and memory addresses that Keras writes are replaced by constants.
"""

from __future__ import annotations

import errno
import json
import tempfile
import zipfile
from pathlib import Path
from typing import Any, Final

import h5py
import keras

from emotion import metadata
from emotion.errors import ModelError, one_line
from emotion.files import replacing
from emotion.metadata import Metadata

NEWER: Final = {
    "antialias": False,
    "input_axes": None,
    "output_axes": None,
    "quantization_config": None,
    "renorm": False,
    "renorm_clipping": None,
    "renorm_momentum": 0.99,
}
"""Settings of layers that some version from Keras 3.6 to 3.14 refuses, and the values at which they change nothing."""

_MEMBER: Final = f"{metadata.KEY}.json"
_DATE: Final = (1980, 1, 1, 0, 0, 0)
_LONGEST: Final = 300


def save(model: keras.Model, facts: Metadata, path: Path) -> None:
    """Write a model and its metadata as a `.keras` file; equal models give equal bytes in every process."""
    with replacing(path) as temporary, tempfile.TemporaryDirectory() as folder:
        raw = Path(folder) / path.name
        model.save(raw)
        with zipfile.ZipFile(raw) as source, zipfile.ZipFile(temporary, "w") as target:
            for name in sorted(source.namelist()):
                _write(target, name, _fix(name, source.read(name)))
            _write(target, _MEMBER, facts.to_json().encode())


def load(path: Path, hint: str = "run: dvc repro train") -> tuple[keras.Model, Metadata]:
    """Read a `.keras` or `.h5` file of this project with its metadata.

    Args:
        path: the file.
        hint: what to do if the file cannot be used, for the error.

    Raises:
        ModelError: the file is missing, is no model file, holds no metadata of this project, or another version of
            Keras wrote it in a form that this one does not read.
    """
    try:
        text = _read_text(path)
        if text is None:
            raise ValueError("it has no metadata")
        facts = metadata.parse(text, path.name)
        return keras.models.load_model(path, compile=False), facts
    except ModelError:
        raise
    except (OSError, ValueError, KeyError, TypeError, zipfile.BadZipFile) as error:
        if isinstance(error, OSError) and error.errno in {errno.ENOSPC, errno.EFBIG, errno.EDQUOT}:
            raise  # Keras unpacks the file to disk: the disk is full, and the file itself may be fine.
        raise ModelError(
            f"{path} cannot be read as a model of this project ({_explain(path, error)}); {hint}"
        ) from error


def drop_newer_settings(node: Any) -> None:
    """Remove the settings of `NEWER` from a configuration where they change nothing, so that older Keras reads it.

    Args:
        node: the configuration, as `json.loads` returns it; it is changed in place.
    """
    if isinstance(node, dict):
        for name in [name for name, value in NEWER.items() if name in node and node[name] == value]:
            del node[name]
    for item in node.values() if isinstance(node, dict) else node if isinstance(node, list) else ():
        drop_newer_settings(item)


def _explain(path: Path, error: Exception) -> str:
    """Return why a file cannot be read."""
    # Keras raises this type for an unknown setting of a layer, which an intact file of another version may have.
    if isinstance(error, TypeError) and (written := _read_version(path)) != keras.__version__:
        return f"Keras {written} wrote it, and this is Keras {keras.__version__}: install keras=={written}"
    return shorten(error)


def shorten(error: Exception) -> str:
    """Return the beginning of an error's message as a single line; those of Keras may have thousands of characters."""
    text = one_line(error)
    return text if len(text) <= _LONGEST else f"{text[:_LONGEST]}..."


def _read_version(path: Path) -> str:
    if path.suffix == ".h5":
        with h5py.File(path) as file:
            return str(file.attrs.get("keras_version"))
    with zipfile.ZipFile(path) as archive:
        return str(json.loads(archive.read("metadata.json")).get("keras_version"))


def _read_text(path: Path) -> str | None:
    if path.suffix == ".h5":
        with h5py.File(path) as file:
            text = file.attrs.get(metadata.KEY)
            return None if text is None else str(text)
    with zipfile.ZipFile(path) as archive:
        return archive.read(_MEMBER).decode() if _MEMBER in archive.namelist() else None


def _write(archive: zipfile.ZipFile, name: str, content: bytes) -> None:
    archive.writestr(zipfile.ZipInfo(name, _DATE), content)


def _fix(name: str, content: bytes) -> bytes:
    if not name.endswith(".json"):
        return content
    document = json.loads(content)
    if name == "metadata.json":
        document["date_saved"] = "1980-01-01@00:00:00"
    drop_newer_settings(document)
    _renumber(document, {})
    return json.dumps(document).encode()


def _renumber(node: Any, numbers: dict[int, int]) -> None:
    """Replace each `shared_object_id`, a memory address, by its order of first appearance in the document."""
    if isinstance(node, list):
        for item in node:
            _renumber(item, numbers)
    elif isinstance(node, dict):
        address = node.get("shared_object_id")
        if isinstance(address, int):
            node["shared_object_id"] = numbers.setdefault(address, len(numbers) + 1)
        for item in node.values():
            _renumber(item, numbers)
