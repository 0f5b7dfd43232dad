"""Reads a zip, tar.gz, csv file or folder as a stream of (member name, content), and writes one canonical zip.

Knows nothing of faces, classes or where an archive came from. Never writes a file under the name of a member.
"""

from __future__ import annotations

import errno
import gzip
import hashlib
import io
import shutil
import tarfile
import tempfile
import zlib
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path, PurePosixPath, PureWindowsPath
from typing import IO, Final, NamedTuple, TypeVar
from zipfile import ZIP_DEFLATED, ZIP_STORED, BadZipFile, ZipFile, ZipInfo

from emotion.errors import DataError, one_line
from emotion.files import replacing
from emotion.system_files import is_system_file

EXPECTED: Final = "a .zip, .tar.gz or .csv file or a folder"
"""What `members` can read, for error messages."""

MEMBER_LIMIT: Final = 1_000_000_000
"""Largest member in bytes, because each is held in memory. The largest one known is FER-2013 as a 300 MB csv."""

TOTAL_LIMIT: Final = 20_000_000_000
"""Largest total size of the members in bytes, because they are copied to disk; a 20 MB zip of zeros could fill it."""

_Entry = TypeVar("_Entry")

_FIXED_DATE: Final = (1980, 1, 1, 0, 0, 0)
_FILE_ATTRIBUTES: Final = 0o100644 << 16
_UNIX: Final = 3
_CHUNK: Final = 2**16
_DAMAGE_ERRORS: Final = (
    BadZipFile,
    tarfile.TarError,
    zlib.error,
    EOFError,
    RuntimeError,  # zipfile, for a member with a password
    ValueError,  # a seek to a negative offset, or a name in another encoding than declared
)


class Contents(NamedTuple):
    """The `content_hash` and the number of members of an archive that was written."""

    sha256: str
    members: int


def members(path: Path) -> Iterator[tuple[str, bytes]]:
    """Yield the files of an archive in the order of their names, with one at a time in memory.

    Names are relative, with `/` between folders. Files of operating systems are left out (`is_system_file`).
    The only member of a csv file is the file itself.

    Args:
        path: a `.zip`, `.tar.gz`, `.tgz` or `.csv` file or a folder.

    Raises:
        DataError: the file is of another kind, is damaged or exceeds `MEMBER_LIMIT` or `TOTAL_LIMIT`; a member has an
            absolute name or one that leaves the archive (`..`); two members have one name; a tar.gz has a link; or a
            zip member is neither stored nor deflated. A damaged member is found only when it is reached.
    """
    if path.is_dir():
        return _folder_members(path)
    name = path.name.lower()
    if name.endswith(".zip"):
        return _zip_members(path)
    if name.endswith((".tar.gz", ".tgz")):
        return _tar_members(path)
    if name.endswith(".csv"):
        return _table_members(path)
    raise DataError(f"expected {EXPECTED}, received {path}; convert or replace it")


def names(path: Path) -> list[str]:
    """Return the names of the members of a zip in their order, as `members` does, without reading the contents.

    Raises:
        DataError: as for `members`.
    """
    with _explaining_damage(path), ZipFile(path) as archive:
        return list(_zip_entries(archive, path))


def write_canonical(members: Iterable[tuple[str, bytes]], path: Path) -> Contents:
    """Write a zip whose bytes depend only on the members: sorted, uncompressed, with fixed dates and attributes.

    Args:
        members: names and contents in any order; each name occurs once.
        path: of the zip, which is written atomically.

    Raises:
        DataError: there are no members.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    # A temporary file without a name: the members may exceed memory, and a killed process leaves nothing behind.
    with tempfile.TemporaryFile(dir=path.parent) as spool:
        positions = {}
        for name, content in members:
            positions[name] = (spool.tell(), len(content))
            spool.write(content)
        if not positions:
            raise DataError(f"the archive is empty, so {path} was not written; use another archive")
        in_order = ((name, _read_at(spool, *position)) for name, position in sorted(positions.items()))
        with replacing(path) as temporary:
            return Contents(_store(in_order, temporary), len(positions))


def content_hash(path: Path) -> str:
    """Return a SHA-256 of an archive's members that does not depend on its format, compression, order or dates.

    Each member, in the order of names, adds its name in UTF-8, a zero byte, its length in 8 bytes (big-endian) and its
    content.

    Returns:
        64 hexadecimal digits.

    Raises:
        DataError: as for `members`; the checksum of every member is tested.
    """
    digest = hashlib.sha256()
    for name, content in members(path):
        _add_member(digest, name, content)
    return digest.hexdigest()


def _add_member(digest: hashlib._Hash, name: str, content: bytes) -> None:
    digest.update(name.encode() + b"\0" + len(content).to_bytes(8, "big"))
    digest.update(content)


def _read_at(stream: IO[bytes], start: int, length: int) -> bytes:
    stream.seek(start)
    return stream.read(length)


def _store(members: Iterable[tuple[str, bytes]], path: Path) -> str:
    digest = hashlib.sha256()
    with ZipFile(path, "w") as archive:
        for name, content in members:
            archive.writestr(_canonical_entry(name), content)
            _add_member(digest, name, content)
    return digest.hexdigest()


def _canonical_entry(name: str) -> ZipInfo:
    entry = ZipInfo(name, _FIXED_DATE)
    entry.compress_type = ZIP_STORED
    entry.create_system = _UNIX
    entry.external_attr = _FILE_ATTRIBUTES
    return entry


def _table_members(path: Path) -> Iterator[tuple[str, bytes]]:
    _check_sizes({path.name: path.stat().st_size}, path)
    yield path.name, path.read_bytes()


def _folder_members(folder: Path) -> Iterator[tuple[str, bytes]]:
    files = _by_name(
        ((file.relative_to(folder).as_posix(), file) for file in folder.rglob("*") if file.is_file()), folder
    )
    _check_sizes({name: file.stat().st_size for name, file in files.items()}, folder)
    for name, file in files.items():
        yield name, file.read_bytes()


def _zip_members(path: Path) -> Iterator[tuple[str, bytes]]:
    with _explaining_damage(path), ZipFile(path) as archive:
        entries = _zip_entries(archive, path)
        _check_sizes({name: entry.file_size for name, entry in entries.items()}, path)
        for name, entry in entries.items():
            yield name, _zip_content(archive, entry, path)


def _zip_entries(archive: ZipFile, path: Path) -> dict[str, ZipInfo]:
    return _by_name(((entry.filename, entry) for entry in archive.infolist() if not entry.is_dir()), path)


def _zip_content(archive: ZipFile, entry: ZipInfo, path: Path) -> bytes:
    # The other methods inflate their whole input at once, whatever size the archive declares.
    if entry.compress_type not in {ZIP_STORED, ZIP_DEFLATED}:
        raise DataError(
            f"{path}: {entry.filename} is compressed by a method other than deflate; pack it again as a plain zip"
        )
    content = io.BytesIO()
    with archive.open(entry) as stream:
        # In chunks, no more is inflated than the declared size, which was checked.
        shutil.copyfileobj(stream, content, _CHUNK)
    return content.getvalue()


def _tar_members(path: Path) -> Iterator[tuple[str, bytes]]:
    # Inflated once into a temporary file: every step backwards in a gzip stream would inflate it again from its start.
    with _explaining_damage(path), tempfile.TemporaryFile() as inflated:
        _inflate(path, inflated)
        with tarfile.open(fileobj=inflated) as archive:
            entries = _by_name(((entry.name, entry) for entry in archive if not entry.isdir()), path)
            _check_sizes({name: entry.size for name, entry in entries.items()}, path)
            for name, entry in entries.items():
                yield name, _tar_content(archive, entry, path)


def _inflate(path: Path, target: IO[bytes]) -> None:
    with gzip.open(path) as stream:
        while chunk := stream.read(_CHUNK):
            target.write(chunk)
            if target.tell() > TOTAL_LIMIT:
                raise _total_too_large(path, "more")
    target.seek(0)


def _tar_content(archive: tarfile.TarFile, entry: tarfile.TarInfo, path: Path) -> bytes:
    stream = archive.extractfile(entry) if entry.isfile() else None
    if stream is None:
        raise DataError(f"{path}: {entry.name} is a link or device; pack it again with files and folders only")
    return stream.read()


def _check_sizes(sizes: Mapping[str, int], path: Path) -> None:
    for name, size in sizes.items():
        if size > MEMBER_LIMIT:
            raise DataError(
                f"{path}: expected members of at most {MEMBER_LIMIT:,} bytes, received {name} of {size:,}; remove it"
            )
    if sum(sizes.values()) > TOTAL_LIMIT:
        raise _total_too_large(path, f"{sum(sizes.values()):,}")


def _total_too_large(path: Path, received: str) -> DataError:
    expected = f"expected at most {TOTAL_LIMIT:,} bytes in total"
    return DataError(f"{path}: {expected}, received {received}; remove other files or crop the pictures to the faces")


def _by_name(entries: Iterable[tuple[str, _Entry]], path: Path) -> dict[str, _Entry]:
    found: dict[str, _Entry] = {}
    for raw_name, entry in entries:
        name = _safe_name(raw_name, path)
        if any(map(is_system_file, PurePosixPath(name).parts)):
            continue
        if name in found:
            raise DataError(f"{path}: {name} is in the archive twice; pack it again")
        found[name] = entry
    return dict(sorted(found.items(), key=lambda item: item[0]))


def _safe_name(raw_name: str, path: Path) -> str:
    # Windows programs write backslashes. Bytes that are not text become visible escapes instead of surrogates.
    name = PurePosixPath(raw_name.replace("\\", "/").encode(errors="backslashreplace").decode())
    if name.is_absolute() or ".." in name.parts or PureWindowsPath(name).drive:
        raise DataError(f"{path}: the path {raw_name!r} leads out of the archive; do not trust this file")
    return str(name)


@contextmanager
def _explaining_damage(path: Path) -> Iterator[None]:
    try:
        yield
    except DataError:
        raise
    except (*_DAMAGE_ERRORS, OSError) as error:
        # A damaged offset leads to a seek that the system refuses (EINVAL). Other errors of the system are not damage.
        if isinstance(error, OSError) and error.errno not in {None, errno.EINVAL}:
            raise
        raise DataError(f"{path}: the archive is damaged ({one_line(error)}); download or pack it again") from error
