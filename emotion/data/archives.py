"""Archives as streams of (member name, content): zip, tar.gz, csv file or folder in, one canonical zip out.

Knows nothing of faces, classes or where an archive came from. Nothing is ever unpacked to disk under a member's name.
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

from emotion.errors import DataError
from emotion.files import replacing

EXPECTED: Final = "a .zip, .tar.gz or .csv file or a folder"
"""What `members` reads, in words for an error."""

MEMBER_LIMIT: Final = 1_000_000_000
"""Largest member, in bytes: it is held in memory. The largest known is a table of FER-2013 of 300 MB."""

TOTAL_LIMIT: Final = 20_000_000_000
"""Largest sum of the members, in bytes: they are spooled to the disk, which 20 MB of well packed zeros would fill."""

_Entry = TypeVar("_Entry")

_FIXED_DATE: Final = (1980, 1, 1, 0, 0, 0)
_FILE_ATTRIBUTES: Final = 0o100644 << 16
_UNIX: Final = 3
_PIECE: Final = 2**16
_DAMAGES: Final = (
    BadZipFile,
    tarfile.TarError,
    zlib.error,
    EOFError,
    RuntimeError,  # zipfile's answer to a password
    ValueError,  # of a seek to a negative offset, of names that are not in the encoding they claim
)


class Contents(NamedTuple):
    """What a written archive holds: its `content_hash` and its number of members."""

    sha256: str
    members: int


def members(path: Path) -> Iterator[tuple[str, bytes]]:
    """Stream the files of an archive in the order of their names; one at a time is in memory.

    Names are relative, with `/` between folders. Hidden files and `__MACOSX`, which desktops add to archives, are left
    out. The member of a csv file is the file itself.

    Args:
        path: a `.zip`, `.tar.gz`, `.tgz` or `.csv` file or a folder.

    Raises:
        DataError: another kind of file, a damaged one, one over `MEMBER_LIMIT` or `TOTAL_LIMIT`, a member whose name is
            absolute or leads out of the archive (`..`), a link in a tar.gz, a zip member neither stored nor deflated,
            or two members of one name. Damage of one member shows when it is reached.
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
    raise DataError(f"expected {EXPECTED}, received {path}; convert it or put another in its place")


def write_canonical(members: Iterable[tuple[str, bytes]], path: Path) -> Contents:
    """Write a zip whose bytes depend on the members alone: sorted, with fixed dates and attributes, stored as they are.

    Args:
        members: name and content in any order, each name once.
        path: the zip, written atomically.

    Raises:
        DataError: there is no member at all.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    # A nameless file beside the zip: members need not fit into memory, and a killed process leaves nothing of it.
    with tempfile.TemporaryFile(dir=path.parent) as spool:
        places = {}
        for name, content in members:
            places[name] = (spool.tell(), len(content))
            spool.write(content)
        if not places:
            raise DataError(f"expected files to write into {path}, received an empty archive; put another in its place")
        in_order = ((name, _read_at(spool, *place)) for name, place in sorted(places.items()))
        with replacing(path) as temporary:
            return Contents(_store(in_order, temporary), len(places))


def content_hash(path: Path) -> str:
    """Return one SHA-256 for all that an archive holds, whatever its format, compression, order or dates.

    Each member, in order of name, adds its name in UTF-8, a zero byte, its length as 8 bytes (big-endian), its content.

    Returns:
        64 hexadecimal digits.

    Raises:
        DataError: as `members`; every member's checksum is tested on the way.
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
    with _damage_explained(path), ZipFile(path) as archive:
        entries = _by_name(((entry.filename, entry) for entry in archive.infolist() if not entry.is_dir()), path)
        _check_sizes({name: entry.file_size for name, entry in entries.items()}, path)
        for name, entry in entries.items():
            yield name, _zip_content(archive, entry, path)


def _zip_content(archive: ZipFile, entry: ZipInfo, path: Path) -> bytes:
    # The other compressions inflate all that they are handed at once, whatever size the archive claims.
    if entry.compress_type not in {ZIP_STORED, ZIP_DEFLATED}:
        raise DataError(
            f"{path}: expected members stored or deflated, received {entry.filename} by another method; "
            "pack it again as a plain zip"
        )
    content = io.BytesIO()
    with archive.open(entry) as stream:
        # Piece by piece no more is ever inflated than the size claimed, which was checked.
        shutil.copyfileobj(stream, content, _PIECE)
    return content.getvalue()


def _tar_members(path: Path) -> Iterator[tuple[str, bytes]]:
    # Inflated once into a nameless file: in a gzip stream every step backwards would start again from its beginning.
    with _damage_explained(path), tempfile.TemporaryFile() as inflated:
        _inflate(path, inflated)
        with tarfile.open(fileobj=inflated) as archive:
            entries = _by_name(((entry.name, entry) for entry in archive if not entry.isdir()), path)
            _check_sizes({name: entry.size for name, entry in entries.items()}, path)
            for name, entry in entries.items():
                yield name, _tar_content(archive, entry, path)


def _inflate(path: Path, target: IO[bytes]) -> None:
    with gzip.open(path) as stream:
        while piece := stream.read(_PIECE):
            target.write(piece)
            if target.tell() > TOTAL_LIMIT:
                raise _too_much(path, "more")
    target.seek(0)


def _tar_content(archive: tarfile.TarFile, entry: tarfile.TarInfo, path: Path) -> bytes:
    stream = archive.extractfile(entry) if entry.isfile() else None
    if stream is None:
        raise DataError(
            f"{path}: expected files and folders only, received {entry.name}, a link or device; pack it again"
        )
    return stream.read()


def _check_sizes(sizes: Mapping[str, int], path: Path) -> None:
    for name, size in sizes.items():
        if size > MEMBER_LIMIT:
            raise DataError(
                f"{path}: expected members of at most {MEMBER_LIMIT:,} bytes, received {name} of {size:,}; leave it out"
            )
    if sum(sizes.values()) > TOTAL_LIMIT:
        raise _too_much(path, f"{sum(sizes.values()):,}")


def _too_much(path: Path, received: str) -> DataError:
    expected = f"expected at most {TOTAL_LIMIT:,} bytes in all"
    return DataError(f"{path}: {expected}, received {received}; leave out what are no faces, or crop them")


def _by_name(entries: Iterable[tuple[str, _Entry]], path: Path) -> dict[str, _Entry]:
    found: dict[str, _Entry] = {}
    for raw_name, entry in entries:
        name = _safe_name(raw_name, path)
        if _is_system_file(name):
            continue
        if name in found:
            raise DataError(f"{path}: expected each member once, received {name} twice; pack it again")
        found[name] = entry
    return dict(sorted(found.items(), key=lambda item: item[0]))


def _safe_name(raw_name: str, path: Path) -> str:
    # Windows packers write backslashes; names that are no text at all become visible escapes instead of surrogates.
    name = PurePosixPath(raw_name.replace("\\", "/").encode(errors="backslashreplace").decode())
    if name.is_absolute() or ".." in name.parts or PureWindowsPath(name).drive:
        raise DataError(
            f"{path}: expected members inside the archive, received the path {raw_name!r}; do not trust this file"
        )
    return str(name)


def _is_system_file(name: str) -> bool:
    return any(part.startswith(".") or part == "__MACOSX" for part in PurePosixPath(name).parts)


@contextmanager
def _damage_explained(path: Path) -> Iterator[None]:
    try:
        yield
    except DataError:
        raise
    except (*_DAMAGES, OSError) as error:
        # A damaged offset ends in a seek that the system refuses; any other OSError is the disk's or the reader's.
        if isinstance(error, OSError) and error.errno not in {None, errno.EINVAL}:
            raise
        expected = f"{path}: expected a whole archive"
        raise DataError(f"{expected}, received a damaged one ({error}); fetch or pack it again") from error
