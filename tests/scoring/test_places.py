from __future__ import annotations

import pickle
from pathlib import Path

import pytest

from emotion.errors import EmotionError
from emotion.scoring.places import Place, explaining


@pytest.fixture(params=["local", "memory"])
def place(request: pytest.FixtureRequest, tmp_path: Path) -> Place:
    return Place(str(tmp_path / "out") if request.param == "local" else f"memory://{tmp_path.name}")


def test_file_is_read_back_listed_and_deleted(place: Place) -> None:
    assert place.read("faces/a.bin") is None
    assert place.names("faces") == set()
    place.write("faces/a.bin", b"one")
    place.write("faces/a.bin", b"two")
    assert place.read("faces/a.bin") == b"two"
    assert place.names("faces") == {"a.bin"}
    place.delete("faces/a.bin")
    place.delete("faces/a.bin")
    assert place.names("faces") == set()


def test_pickled_place_leads_to_the_same_files(place: Place) -> None:
    place.write("a.bin", b"one")
    assert pickle.loads(pickle.dumps(place)).read("a.bin") == b"one"  # noqa: S301  this test's own bytes


def test_pickled_local_place_is_found_from_another_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Place("out").write("a.bin", b"one")
    pickled = pickle.dumps(Place("out"))
    monkeypatch.chdir("/")
    assert pickle.loads(pickled).read("a.bin") == b"one"  # noqa: S301  this test's own bytes


def test_unknown_protocol_is_told_in_one_line() -> None:
    with pytest.raises(EmotionError, match=r"nowhere://a cannot be used: Protocol not known: nowhere$"):
        Place("nowhere://a")


def test_missing_package_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(__import__("sys").modules, "gcsfs", None)
    with pytest.raises(EmotionError, match=r"gs://bucket needs a package that is not installed \(.*gcsfs"):
        Place("gs://bucket")


@pytest.mark.parametrize(
    ("error", "text"),
    [
        (PermissionError("Access\nDenied"), "s3://b cannot be used: Access Denied; check the credentials"),
        (FileNotFoundError(), "there is nothing at s3://b; check the name"),
        (RuntimeError("No credentials"), "s3://b cannot be used: No credentials; check the credentials"),
        (OSError(22, "Invalid token"), "s3://b cannot be used: Invalid token; check the credentials"),
        (ConnectionError("Could not connect"), "s3://b cannot be used: Could not connect"),
        (RuntimeError(), "s3://b cannot be used: RuntimeError"),
    ],
)
def test_faults_of_a_store_are_one_line(error: Exception, text: str) -> None:
    with pytest.raises(EmotionError) as raised, explaining("s3://b"):
        raise error
    assert str(raised.value) == text


def test_folder_that_cannot_be_written_is_told_in_one_line(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(EmotionError, match=r"file/out cannot be used: (Not a directory|File exists)"):
        Place(str(tmp_path / "file/out")).write("a", b"")
