"""The conversions in docs/data.md, run on datasets of a few drawn pictures."""

from __future__ import annotations

import runpy
from pathlib import Path

import numpy as np
import pytest
import yaml
from documents import blocks
from small_archives import encode, noise

from emotion.data.archives import members
from emotion.data.class_names import AFFECTNET, ORDERS
from emotion.data.layouts import read_class_names, read_records
from emotion.data.records import Record
from emotion.labels import SPLITS

RAF_DB = ORDERS["RAF-DB"]


def put(path: str, content: bytes) -> None:
    Path(path).parent.mkdir(parents=True, exist_ok=True)
    Path(path).write_bytes(content)


def convert(names: str, result: str, chosen: dict[str | int, str]) -> set[tuple[str, str | None]]:
    """Run the conversion that names a folder, and return class and split of each face of the result."""
    (script,) = (block for block in blocks("docs/data.md", "python") if f'"{names}' in block)
    Path("script.py").write_text(script, encoding="utf-8")
    runpy.run_path("script.py")
    converted = list(members(Path(result)))
    class_names = read_class_names((name for name, _ in converted), chosen)
    faces = [record for record in read_records(converted, class_names) if isinstance(record, Record)]
    return {(face.emotion, face.folder) for face in faces}


@pytest.fixture(autouse=True)
def _in_a_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def test_rafdb() -> None:
    lines = [f"{split}_0000{number}.jpg {number}" for split in ("train", "test") for number in range(1, 8)]
    put("basic/EmoLabel/list_patition_label.txt", "\n".join(lines).encode())
    for line in lines:
        name = line.split()[0].replace(".jpg", "_aligned.jpg")
        put(f"basic/Image/aligned/{name}", encode(noise(1), "JPEG"))
    expected = {(name, split) for name in RAF_DB.values() for split in ("train", "test")}
    assert convert("basic/", "rafdb", {}) == expected


def test_affectnet() -> None:
    for source in ("train_set", "val_set"):
        for number in range(len(AFFECTNET)):
            put(f"{source}/images/{number}.jpg", encode(noise(1), "JPEG"))
            put(f"{source}/annotations/x", b"")
            np.save(f"{source}/annotations/{number}_exp.npy", np.array(number))
    (written,) = (yaml.safe_load(block) for block in blocks("docs/data.md", "yaml"))
    expected = {(name, split) for name in AFFECTNET for split in ("train", "test")}
    assert convert("val_set", "affectnet", written["preprocess"]["class_names"]) == expected


def test_affectnet_in_the_form_of_yolo() -> None:
    names = ["Anger", "Contempt", "Disgust", "Fear", "Happy", "Neutral", "Sad", "Surprise"]
    put("YOLO_format/data.yaml", yaml.safe_dump({"names": names}).encode())
    for split in ("train", "valid", "test"):
        for number in range(len(names)):
            put(f"YOLO_format/{split}/images/{number}.png", encode(noise(1)))
            put(f"YOLO_format/{split}/labels/{number}.txt", f"{number} 0.5 0.5 1 1\n".encode())
    expected = {(name, split) for name in AFFECTNET for split in SPLITS}
    assert convert("YOLO_format", "affectnet_yolo", {}) == expected
