from __future__ import annotations

import errno
import hashlib
import math
from collections.abc import Iterator
from pathlib import Path

import pytest

from emotion import files
from emotion.errors import DataError


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def test_replacing_keeps_the_suffix_and_makes_folders(tmp_path: Path) -> None:
    target = tmp_path / "new" / "model.keras"
    with files.replacing(target) as temporary:
        assert temporary.suffix == ".keras"
        assert temporary.parent == target.parent
        temporary.write_text("weights")
        assert not target.exists()
    assert names(target.parent) == ["model.keras"]
    assert target.read_text() == "weights"


@pytest.mark.parametrize("error", [KeyboardInterrupt(), OSError(errno.ENOSPC, "No space left on device")])
def test_failure_leaves_the_old_file_and_no_other(tmp_path: Path, error: BaseException) -> None:
    target = tmp_path / "metrics.json"
    target.write_text("old")

    def write_half() -> None:
        with files.replacing(target) as temporary:
            temporary.write_text("ha")
            raise error

    with pytest.raises(type(error)):
        write_half()
    assert target.read_text() == "old"
    assert names(tmp_path) == ["metrics.json"]


def test_failure_without_an_old_file_leaves_none(tmp_path: Path) -> None:
    def rows() -> Iterator[list[str]]:
        yield ["first"]
        raise ValueError("the second row is bad")

    with pytest.raises(ValueError, match="second row"):
        files.write_csv(tmp_path / "rows.csv", ["name"], rows())
    assert names(tmp_path) == []


def test_all_paths_to_a_file_lead_to_the_same_file(tmp_path: Path) -> None:
    (tmp_path / "a").touch()
    (tmp_path / "soft").symlink_to(tmp_path / "a")
    (tmp_path / "hard").hardlink_to(tmp_path / "a")
    for name in ("a", "soft", "hard"):
        assert files.is_same_file(tmp_path / name, str(tmp_path / "a"))
    assert files.is_same_file(tmp_path / "new", tmp_path / "x" / ".." / "new")
    assert not files.is_same_file(tmp_path / "a", tmp_path / "new")
    assert not files.is_same_file("a\0b", tmp_path / "a")


def test_disk_full_while_writing_leaves_the_old_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    target = tmp_path / "faces.zip"
    files.write_bytes(target, b"old")

    def write_half(path: Path, content: bytes) -> int:
        with path.open("wb") as stream:
            stream.write(content[:2])
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(Path, "write_bytes", write_half)
    with pytest.raises(OSError, match=r"No space left on device: .*faces\.zip"):
        files.write_bytes(target, b"new content")
    assert target.read_bytes() == b"old"
    assert names(tmp_path) == ["faces.zip"]


def test_json_keeps_the_order_given_and_ends_with_a_line_break(tmp_path: Path) -> None:
    path = tmp_path / "metrics.json"
    files.write_json(path, {"b": 1, "a": [0.5, "ü"]})
    assert path.read_text().startswith('{\n  "b": 1,')
    assert path.read_text().endswith("}\n")
    assert files.read_json(path) == {"b": 1, "a": [0.5, "ü"]}


@pytest.mark.parametrize("value", [math.nan, math.inf])
def test_json_refuses_nan_and_infinity_and_keeps_the_old_file(tmp_path: Path, value: float) -> None:
    path = tmp_path / "metrics.json"
    files.write_json(path, {"loss": 1.0})
    with pytest.raises(ValueError, match="not JSON compliant"):
        files.write_json(path, {"loss": value})
    assert files.read_json(path) == {"loss": 1.0}


def test_csv_has_plain_line_ends_and_quotes_where_needed(tmp_path: Path) -> None:
    path = tmp_path / "faces.csv"
    files.write_csv(path, ["name", "share"], [("a,b", "0.5"), ('say "hi"', 1)])
    assert path.read_bytes() == b'name,share\n"a,b",0.5\n"say ""hi""",1\n'


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"", "Expecting value"),
        (b'{"accuracy": 0.7,', "Expecting property name"),
        (b"<<<<<<< HEAD\n{}\n", "Expecting value: line 1"),
        (b"\xff\xfe", "'utf-8' codec can't decode"),
        (b"[]", "expected a JSON object, received a list"),
        (b"0.7", "expected a JSON object, received a float"),
    ],
)
def test_broken_json_is_named_with_the_command_that_writes_it_again(
    tmp_path: Path, content: bytes, reason: str
) -> None:
    path = tmp_path / "test.json"
    path.write_bytes(content)
    with pytest.raises(DataError, match=rf"test\.json cannot be read \({reason}.*\); run: dvc repro$") as caught:
        files.read_json(path)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("key", ["plot", "parameters.plot", "parameters.train.epochs"])
def test_missing_key_is_named_with_those_present(tmp_path: Path, key: str) -> None:
    path = tmp_path / "model.json"
    files.write_json(path, {"classes": [], "parameters": {"train": 1}})
    assert files.read_json(path, ["classes", "parameters.train"])["parameters"] == {"train": 1}
    with pytest.raises(
        DataError, match=rf"model\.json .*the keys {key}, received classes, parameters\); run: dvc repro"
    ):
        files.read_json(path, ["classes", key])


def test_text_has_plain_line_ends_and_is_utf8(tmp_path: Path) -> None:
    files.write_text(tmp_path / "card.md", "Gefühl\nzwei\n")
    assert (tmp_path / "card.md").read_bytes() == "Gefühl\nzwei\n".encode()


def test_sha256_is_that_of_the_bytes(tmp_path: Path) -> None:
    content = bytes(range(256)) * 5000
    (tmp_path / "x").write_bytes(content)
    assert files.sha256_of(tmp_path / "x") == hashlib.sha256(content).hexdigest()
