from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from emotion import dataset
from emotion.dataset import Dataset
from emotion.errors import DataError


def faces() -> Dataset:
    return Dataset(
        pixels=np.random.default_rng(0).integers(0, 256, (5, 48, 48), dtype=np.uint8),
        labels=np.array([0, 2, 1, 2, 2], dtype=np.int8),
        classes=("angry", "sad", "happy"),
        names=np.array(["a.jpg", "b.jpg", "c.jpg", "d.jpg", "\u00e9.jpg"]),
        duplicate=np.array([True, False, False, True, False]),
        votes=np.eye(5, 10, dtype=np.uint8),
    )


def write(path: Path, **changes: Any) -> None:
    content: dict[str, Any] = {"pixels": faces().pixels, "labels": faces().labels, "classes": np.array(faces().classes)}
    content |= {"names": faces().names, "duplicate": faces().duplicate, "votes": faces().votes} | changes
    np.savez(path, allow_pickle=True, **{name: array for name, array in content.items() if array is not None})


def test_saved_faces_come_back(tmp_path: Path) -> None:
    path = tmp_path / "new" / "faces.npz"
    dataset.save(faces(), path)
    loaded = dataset.load(path)
    assert loaded.classes == faces().classes
    for name in ("pixels", "labels", "names", "duplicate", "votes"):
        expected = getattr(faces(), name)
        np.testing.assert_array_equal(getattr(loaded, name), expected)
        assert getattr(loaded, name).dtype == expected.dtype
    assert [path.name for path in path.parent.iterdir()] == ["faces.npz"]


def test_equal_faces_give_equal_bytes(tmp_path: Path) -> None:
    dataset.save(faces(), tmp_path / "one.npz")
    dataset.save(faces(), tmp_path / "two.npz")
    assert (tmp_path / "one.npz").read_bytes() == (tmp_path / "two.npz").read_bytes()


def test_file_without_votes_says_that_nobody_voted(tmp_path: Path) -> None:
    dataset.save(replace(faces(), votes=dataset.no_votes(5)), tmp_path / "faces.npz")
    with np.load(tmp_path / "faces.npz") as arrays:
        assert "votes" not in arrays.files
    np.testing.assert_array_equal(dataset.load(tmp_path / "faces.npz").votes, np.zeros((5, 10), np.uint8))


def test_counts_follow_the_order_of_the_classes() -> None:
    assert list(faces().counts().items()) == [("angry", 1), ("sad", 1), ("happy", 3)]
    assert replace(faces(), labels=np.zeros(5, np.int8)).counts() == {"angry": 5, "sad": 0, "happy": 0}
    assert len(faces()) == 5


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"pixels": None}, "expected pixels uint8 of 3 dimensions; received labels int8"),
        ({"duplicate": None}, "expected duplicate bool of 1 dimensions"),
        ({"pixels": np.zeros((5, 48, 48), np.float32)}, "expected pixels uint8 of 3 dimensions"),
        ({"pixels": np.zeros((5, 48, 48, 1), np.uint8)}, "expected pixels uint8 of 3 dimensions"),
        ({"pixels": np.zeros((5, 32, 32), np.uint8)}, "expected pixels of 48x48"),
        ({"labels": np.zeros((5, 3), np.int8)}, "expected labels int8 of 1 dimensions"),
        ({"labels": np.zeros(4, np.int8)}, "expected pixels, labels, names, duplicate and votes of equal length"),
        ({"votes": np.zeros((5, 8), np.uint8)}, "expected votes of 10 columns"),
        ({"votes": np.zeros((4, 10), np.uint8)}, "expected pixels, labels, names, duplicate and votes of equal length"),
        ({"labels": np.full(5, 3, np.int8)}, "expected labels that index classes"),
        ({"labels": np.full(5, -1, np.int8)}, "expected labels that index classes"),
    ],
)
def test_file_of_another_schema_is_refused(tmp_path: Path, changes: dict[str, Any], expected: str) -> None:
    path = tmp_path / "faces.npz"
    write(path, **changes)
    with pytest.raises(DataError, match=expected) as caught:
        dataset.load(path)
    assert str(caught.value).startswith(str(path))
    assert str(caught.value).endswith("run: dvc repro preprocess")


@pytest.mark.parametrize("content", [None, b"", b"text", b"PK\x03\x04 not a zip", b"\x93NUMPY"])
def test_missing_or_damaged_file_is_refused(tmp_path: Path, content: bytes | None) -> None:
    path = tmp_path / "faces.npz"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(DataError, match=r"cannot read the dataset file .*faces\.npz \(.*\); run: dvc repro preprocess"):
        dataset.load(path)


def test_single_array_file_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "faces.npz"
    with path.open("wb") as stream:
        np.save(stream, faces().pixels)
    with pytest.raises(DataError, match="cannot read the dataset file"):
        dataset.load(path)


def test_file_that_is_cut_off_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "faces.npz"
    write(path)
    content = path.read_bytes()
    for length in range(0, len(content), 997):
        path.write_bytes(content[:length])
        with pytest.raises(DataError):
            dataset.load(path)


def test_pickled_objects_are_not_loaded(tmp_path: Path) -> None:
    path = tmp_path / "faces.npz"
    write(path, names=np.array([{"a": 1}] * 5, dtype=object))
    with pytest.raises(DataError, match="cannot read the dataset file"):
        dataset.load(path)


@pytest.mark.parametrize("place", ["pixels", "middle", "table of contents"])
def test_flipped_byte_is_refused(tmp_path: Path, place: str) -> None:
    path = tmp_path / "faces.npz"
    write(path)
    content = bytearray(path.read_bytes())
    places = {"pixels": 200, "middle": len(content) // 2, "table of contents": content.rindex(b"labels.npy")}
    content[places[place]] ^= 0xFF
    path.write_bytes(content)
    with pytest.raises(DataError):
        dataset.load(path)
