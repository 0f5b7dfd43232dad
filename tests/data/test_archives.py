from __future__ import annotations

import errno
import hashlib
import io
import os
import tarfile
import tracemalloc
from collections.abc import Callable
from pathlib import Path
from zipfile import ZIP_BZIP2, ZIP_DEFLATED, ZIP_LZMA, ZIP_STORED, ZipFile

import pytest
from hypothesis import given
from hypothesis import strategies as st

from emotion import params
from emotion.data import archives
from emotion.errors import DataError

FILES = {"train/sad/b.jpg": b"bb", "test/happy/a.jpg": b"", "train/sad/a.jpg": bytes(range(256)) * 9}
SORTED = sorted(FILES.items())

Files = dict[str, bytes]


def write_zip(path: Path, files: Files, compression: int = ZIP_DEFLATED) -> Path:
    with ZipFile(path, "w", compression) as archive:
        archive.mkdir("train")
        for name, content in files.items():
            archive.writestr(name, content)
    return path


def write_tar(path: Path, files: Files) -> Path:
    with tarfile.open(path, "w:gz") as archive:
        for name, content in files.items():
            entry = tarfile.TarInfo(name)
            entry.size = len(content)
            archive.addfile(entry, io.BytesIO(content))
    return path


def write_folder(path: Path, files: Files) -> Path:
    for name, content in files.items():
        (path / name).parent.mkdir(parents=True, exist_ok=True)
        (path / name).write_bytes(content)
    return path


WRITERS: dict[str, Callable[[Path, Files], Path]] = {
    "faces.zip": write_zip,
    "FACES.ZIP": write_zip,
    "faces.tar.gz": write_tar,
    "faces.tgz": write_tar,
    "faces": write_folder,
}


@pytest.mark.parametrize("name", WRITERS)
def test_every_format_gives_the_same_members_in_order_of_name(tmp_path: Path, name: str) -> None:
    assert list(archives.members(WRITERS[name](tmp_path / name, FILES))) == SORTED


def test_names_of_a_zip_are_those_of_its_members(tmp_path: Path) -> None:
    assert archives.names(write_zip(tmp_path / "faces.zip", FILES)) == [name for name, _ in SORTED]


def test_a_csv_is_its_own_member(tmp_path: Path) -> None:
    path = tmp_path / "fer2013.csv"
    path.write_bytes(b"emotion,pixels,Usage\n")
    assert list(archives.members(path)) == [("fer2013.csv", b"emotion,pixels,Usage\n")]


def test_names_are_cleaned_and_system_files_left_out(tmp_path: Path) -> None:
    files = {"./train/a.jpg": b"1", "test\\b.jpg": b"2", "__MACOSX/train/a.jpg": b"3", "train/.DS_Store": b"4"}
    files |= {"train/Thumbs.db": b"5", "train/sad/desktop.ini": b"6"}
    assert list(archives.members(write_tar(tmp_path / "faces.tar.gz", files))) == [
        ("test/b.jpg", b"2"),
        ("train/a.jpg", b"1"),
    ]


@pytest.mark.parametrize("name", ["../a.jpg", "train/../../a.jpg", "/etc/a.jpg", "C:/a.jpg", "..\\a.jpg", "\\a.jpg"])
@pytest.mark.parametrize("archive", ["faces.zip", "faces.tar.gz"])
def test_a_member_outside_the_archive_is_refused_before_any_is_read(tmp_path: Path, archive: str, name: str) -> None:
    path = WRITERS[archive](tmp_path / archive, {"a.jpg": b"", name: b""})
    with pytest.raises(DataError, match="leads out of the archive; do not trust this file"):
        next(archives.members(path))


def test_a_link_in_a_tar_is_refused(tmp_path: Path) -> None:
    link = tarfile.TarInfo("a.jpg")
    link.type, link.linkname = tarfile.SYMTYPE, "/etc/passwd"
    with tarfile.open(tmp_path / "faces.tar.gz", "w:gz") as archive:
        archive.addfile(link)
    with pytest.raises(DataError, match=r"faces\.tar\.gz: a\.jpg is a link or device"):
        list(archives.members(tmp_path / "faces.tar.gz"))


def test_two_members_of_one_name_are_refused(tmp_path: Path) -> None:
    path = write_tar(tmp_path / "faces.tar.gz", {"a.jpg": b"1", "./a.jpg": b"2"})
    with pytest.raises(DataError, match=r"faces\.tar\.gz: a\.jpg is in the archive twice"):
        list(archives.members(path))


def test_a_name_that_is_not_text_stays_readable(tmp_path: Path) -> None:
    (tmp_path / os.fsdecode(b"caf\xe9.jpg")).write_bytes(b"1")
    assert list(archives.members(tmp_path)) == [("caf\\udce9.jpg", b"1")]


@pytest.mark.parametrize("name", ["faces.rar", "faces.zip.part", "zip"])
def test_another_kind_of_file_is_refused(tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_bytes(b"Rar!")
    with pytest.raises(DataError, match=r"expected a \.zip, \.tar\.gz or \.csv file or a folder, received .*" + name):
        archives.members(tmp_path / name)


@pytest.mark.parametrize("name", ["faces.zip", "faces.tar.gz"])
@pytest.mark.parametrize("keep", [0, 0.3, 0.9])
def test_a_cut_archive_is_damaged(tmp_path: Path, name: str, keep: float) -> None:
    path = WRITERS[name](tmp_path / name, {**FILES, "noise": os.urandom(5000)})
    path.write_bytes(path.read_bytes()[: int(path.stat().st_size * keep)])
    with pytest.raises(DataError, match=r": the archive is damaged \(.*\); download or pack it again"):
        list(archives.members(path))


def test_a_wrong_checksum_is_damage(tmp_path: Path) -> None:
    path = write_zip(tmp_path / "faces.zip", {"a.jpg": b"a face"}, ZIP_STORED)
    path.write_bytes(path.read_bytes().replace(b"a face", b"a fake"))
    with pytest.raises(DataError, match="Bad CRC-32"):
        list(archives.members(path))


def test_an_encrypted_archive_is_reported(tmp_path: Path) -> None:
    path = write_zip(tmp_path / "faces.zip", {"a.jpg": b"a face"})
    content = bytearray(path.read_bytes())
    for signature, flags in ((b"PK\3\4", 6), (b"PK\1\2", 8)):
        content[content.rindex(signature) + flags] |= 1
    path.write_bytes(content)
    with pytest.raises(DataError, match="password"):
        list(archives.members(path))


@pytest.fixture
def small_limits(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(archives, "MEMBER_LIMIT", 1000)
    monkeypatch.setattr(archives, "TOTAL_LIMIT", 20_000)


@pytest.mark.usefixtures("small_limits")
@pytest.mark.parametrize("name", WRITERS)
def test_a_member_over_the_limit_is_refused_before_any_is_read(tmp_path: Path, name: str) -> None:
    path = WRITERS[name](tmp_path / name, {"a.jpg": b"", "b.jpg": bytes(1000)})
    assert len(list(archives.members(path))) == 2
    path = WRITERS[name](tmp_path / f"larger {name}", {"a.jpg": b"", "b.jpg": bytes(1001)})
    with pytest.raises(
        DataError, match=r"larger .*: expected members of at most 1,000 bytes, received b\.jpg of 1,001;"
    ):
        next(archives.members(path))


@pytest.mark.usefixtures("small_limits")
def test_a_csv_over_the_limit_is_refused_before_it_is_read(tmp_path: Path) -> None:
    (tmp_path / "fer2013.csv").write_bytes(bytes(1001))
    with pytest.raises(DataError, match=r"received fer2013\.csv of 1,001"):
        list(archives.members(tmp_path / "fer2013.csv"))


@pytest.mark.usefixtures("small_limits")
@pytest.mark.parametrize("name", ["faces.zip", "faces"])
def test_members_over_the_limit_together_are_refused_before_any_is_read(tmp_path: Path, name: str) -> None:
    path = WRITERS[name](tmp_path / name, {f"{number}.jpg": bytes(1000) for number in range(21)})
    with pytest.raises(DataError, match="expected at most 20,000 bytes in total, received 21,000; remove other files"):
        next(archives.members(path))


@pytest.mark.usefixtures("small_limits")
def test_a_tar_is_inflated_no_further_than_the_limit(tmp_path: Path) -> None:
    path = write_tar(tmp_path / "faces.tar.gz", {"a.jpg": bytes(10**8)})
    with pytest.raises(DataError, match=r"expected at most 20,000 bytes in total, received more; remove other files"):
        next(archives.members(path))


def test_a_member_larger_than_declared_is_damage_and_takes_no_memory(tmp_path: Path) -> None:
    size = 2**25
    path = write_zip(tmp_path / "faces.zip", {"a.jpg": bytes(size)})
    path.write_bytes(path.read_bytes().replace(size.to_bytes(4, "little"), (1000).to_bytes(4, "little")))
    tracemalloc.start()
    with pytest.raises(DataError, match="the archive is damaged"):
        list(archives.members(path))
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < size / 8


@pytest.mark.parametrize("compression", [ZIP_BZIP2, ZIP_LZMA])
def test_a_compression_with_unbounded_output_is_refused(tmp_path: Path, compression: int) -> None:
    path = write_zip(tmp_path / "faces.zip", {"a.jpg": b""}, compression)
    with pytest.raises(DataError, match=r"faces\.zip: a\.jpg is compressed by a method other than deflate"):
        list(archives.members(path))


@given(data=st.data())
def test_a_flipped_byte_gives_an_error_or_the_same_contents(
    tmp_path_factory: pytest.TempPathFactory, data: st.DataObject
) -> None:
    path = tmp_path_factory.mktemp("flipped") / "faces.zip"
    archives.write_canonical(SORTED, path)
    content = bytearray(path.read_bytes())
    content[data.draw(st.integers(0, len(content) - 1))] ^= data.draw(st.integers(1, 255))
    path.write_bytes(content)
    try:
        received = dict(archives.members(path))
    except DataError:
        return
    # In a zip, contents have checksums and names do not.
    assert set(received.values()) <= set(FILES.values())


@given(order=st.permutations(SORTED))
def test_canonical_bytes_do_not_depend_on_order(
    tmp_path_factory: pytest.TempPathFactory, order: list[tuple[str, bytes]]
) -> None:
    folder = tmp_path_factory.mktemp("order")
    assert archives.write_canonical(order, folder / "a.zip") == archives.write_canonical(SORTED, folder / "b.zip")
    assert (folder / "a.zip").read_bytes() == (folder / "b.zip").read_bytes()


@pytest.mark.parametrize("name", WRITERS)
def test_canonical_bytes_do_not_depend_on_the_source_format(tmp_path: Path, name: str) -> None:
    archives.write_canonical(archives.members(WRITERS[name](tmp_path / name, FILES)), tmp_path / "out.zip")
    # The hash in dvc.lock depends on these bytes, so they must never change.
    expected = "6d689f4cfd89d9940e857ba269c24f83ac4578f341749b4b949ce18b4800c449"
    assert hashlib.sha256((tmp_path / "out.zip").read_bytes()).hexdigest() == expected


def test_the_canonical_zip_holds_the_members_unchanged(tmp_path: Path) -> None:
    archives.write_canonical(FILES.items(), tmp_path / "out.zip")
    with ZipFile(tmp_path / "out.zip") as archive:
        assert archive.testzip() is None
        assert {entry.compress_type for entry in archive.infolist()} == {ZIP_STORED}
    assert list(archives.members(tmp_path / "out.zip")) == SORTED


def test_the_canonical_zip_may_replace_its_source(tmp_path: Path) -> None:
    path = write_zip(tmp_path / "faces.zip", FILES)
    archives.write_canonical(archives.members(path), path)
    assert list(archives.members(path)) == SORTED


def test_writing_returns_hash_and_number_of_members(tmp_path: Path) -> None:
    contents = archives.write_canonical(FILES.items(), tmp_path / "out.zip")
    assert contents == (archives.content_hash(tmp_path / "out.zip"), len(FILES))


def test_an_empty_archive_is_refused_and_nothing_is_written(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="the archive is empty"):
        archives.write_canonical([], tmp_path / "out.zip")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="expected /dev/full, which only Linux has")
def test_a_full_disk_leaves_the_old_file_and_no_partial_one(tmp_path: Path) -> None:
    old = write_zip(tmp_path / "out.zip", {"old": b""}).read_bytes()
    (tmp_path / ".out.partial.zip").symlink_to("/dev/full")
    with pytest.raises(OSError, match="No space left") as caught:
        archives.write_canonical(FILES.items(), tmp_path / "out.zip")
    assert caught.value.errno == errno.ENOSPC
    assert [path.name for path in tmp_path.iterdir()] == ["out.zip"]
    assert (tmp_path / "out.zip").read_bytes() == old


def test_the_content_hash_is_of_names_and_contents(tmp_path: Path) -> None:
    parts = (b"a.jpg\0" + bytes([0] * 7 + [2]) + b"xy", b"b.jpg\0" + bytes(8))
    path = write_zip(tmp_path / "faces.zip", {"b.jpg": b"", "a.jpg": b"xy"})
    assert archives.content_hash(path) == hashlib.sha256(b"".join(parts)).hexdigest()


@pytest.mark.parametrize("name", WRITERS)
def test_the_content_hash_does_not_depend_on_the_format(tmp_path: Path, name: str) -> None:
    archives.write_canonical(FILES.items(), tmp_path / "out.zip")
    assert archives.content_hash(WRITERS[name](tmp_path / name, FILES)) == archives.content_hash(tmp_path / "out.zip")


@pytest.mark.fer2013
@pytest.mark.skipif("FER2013_ARCHIVE" not in os.environ, reason="FER2013_ARCHIVE is not set")
def test_the_pinned_hash_is_that_of_fer2013() -> None:
    assert archives.content_hash(Path(os.environ["FER2013_ARCHIVE"])) == params.load().download.sha256
