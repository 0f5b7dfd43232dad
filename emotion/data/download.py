"""The three sources of faces: Kaggle, drawn faces, or an archive of the user. Each becomes one canonical zip.

Knows nothing of classes or pictures: the members of an archive are copied unchanged, and so are raters' votes.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterable, Sequence
from pathlib import Path, PurePosixPath
from typing import Final

from emotion.data import archives, ferplus, kaggle
from emotion.data.archives import Contents
from emotion.data.public_names import TABLES, find_split
from emotion.data.sample_faces import draw_members
from emotion.data.sample_votes import draw_table
from emotion.errors import DataError, some
from emotion.files import write_bytes, write_json
from emotion.params import Download
from emotion.system_files import is_system_file
from emotion.votes import HEADER

INCOMING: Final = Path("data/incoming")
"""Where users put an archive of their own."""

SCRATCH: Final = Path("build/download")
"""Downloads in progress. Not an output of the stage, because DVC deletes outputs before a stage runs."""

RAW: Final = Path("data/raw")
"""Where `faces.zip`, `votes.csv` and `source.json` are written."""

TITLES: Final = {"msambare/fer2013": "FER-2013"}
"""Titles of known Kaggle datasets in figures; other datasets appear as owner and name."""


def fetch(settings: Download) -> None:
    """Download, draw or import the faces and their votes; write `faces.zip`, `votes.csv` and `source.json` in `RAW`.

    Raises:
        DownloadError: as for `kaggle.download_verified` and `ferplus.read`.
        DataError: `data/incoming/` does not hold one archive, packed or unpacked, that archive is damaged or unsafe,
            or the votes there are not those of FER+.
    """
    if settings.source == "sample":
        contents = _write(settings, "sample faces", draw_members(_sample_counts(settings), settings.sample.seed))
    elif settings.source == "incoming":
        path = find_archive(INCOMING)
        members = ((name, content) for name, content in archives.members(path) if name != ferplus.NAME)
        contents = _write(settings, path.name, members)
    else:
        folder = SCRATCH / settings.dataset
        path = kaggle.download_verified(settings.dataset, settings.sha256, folder, settings.attempts)
        contents = _write(settings, title_of(settings.dataset), archives.members(path))
    write_bytes(RAW / "votes.csv", _votes(settings, contents.sha256))
    if settings.source == "kaggle":
        # Last, so that Kaggle's archive is not downloaded again when the votes cannot be had.
        shutil.rmtree(SCRATCH)


def find_archive(folder: Path) -> Path:
    """Return the only file or folder in a folder, or the folder itself if an archive was unpacked straight into it.

    Files of operating systems and the votes of FER+ are ignored.

    Raises:
        DataError: there is nothing, or more than the folders of the splits and files beside them, or than tables.
    """
    found = sorted(path for path in folder.glob("*") if not is_system_file(path.name) and path.name != ferplus.NAME)
    if len(found) == 1 and not find_split(found[0].name):
        return found[0]
    if not found or not _is_unpacked(found):
        received = some(path.name for path in found) or "no archive"
        raise DataError(
            f"{folder}/ holds {received}; put exactly one archive there ({archives.EXPECTED}); "
            "folders that belong together go into one folder, or are named train, validation and test"
        )
    return folder


def _is_unpacked(entries: Sequence[Path]) -> bool:
    """Return whether entries are folders of splits, with other files beside them, or nothing but tables."""
    files = [path.name.lower() for path in entries if not path.is_dir()]
    if len(files) == len(entries):
        return all(name.endswith(".csv") for name in files)
    archived = any(name.endswith((".zip", ".tar.gz", ".tgz")) for name in files)
    return not archived and all(find_split(path.name) for path in entries if path.is_dir())


def title_of(dataset: str) -> str:
    """Return a dataset's title in figures, such as `FER-2013 (msambare/fer2013, version 1)`.

    Args:
        dataset: Kaggle's `owner/name/version`.
    """
    name, _, version = dataset.rpartition("/")
    title = TITLES.get(name)
    return f"{title} ({name}, version {version})" if title else f"{name}, version {version}"


def _votes(settings: Download, sha256: str) -> bytes:
    """Return the csv of votes; without votes it is the header, because DVC expects every output of a stage."""
    if settings.votes == "none" or (settings.source == "incoming" and not _may_have_votes(settings, sha256)):
        return (",".join(HEADER) + "\n").encode()
    if settings.source == "sample":
        return draw_table(_sample_counts(settings), settings.sample.seed)
    return ferplus.read(INCOMING, settings.attempts)


def _may_have_votes(settings: Download, sha256: str) -> bool:
    """Return whether the archive of the user may be FER-2013: nobody voted on other faces, so nothing is downloaded."""
    return sha256 == settings.sha256 or (INCOMING / ferplus.NAME).is_file() or _has_full_table(RAW / "faces.zip")


def _has_full_table(archive: Path) -> bool:
    """Return whether an archive may have all rows of FER-2013 as a table: without `Usage`, it has only some."""
    names = [PurePosixPath(name.lower()) for name in archives.names(archive)]
    if not (any(name.name in TABLES for name in names) or all(name.suffix == ".csv" for name in names)):
        return False
    tables = (content for name, content in archives.members(archive) if name.lower().endswith(".csv"))
    return any(_has_usage(content) for content in tables)


def _has_usage(table: bytes) -> bool:
    header = table.partition(b"\n")[0].lower()
    return b"usage" in header.replace(b"\0", b"")  # in UTF-16, every other byte is zero


def _sample_counts(settings: Download) -> dict[str, int]:
    sample = settings.sample
    return {"train": sample.train, "validation": sample.validation, "test": sample.test}


def _write(settings: Download, title: str, members: Iterable[tuple[str, bytes]]) -> Contents:
    contents = archives.write_canonical(members, RAW / "faces.zip")
    # An archive with the content of the pinned dataset gets its title, whatever the source and the file name.
    dataset = title_of(settings.dataset) if contents.sha256 == settings.sha256 else title
    write_json(RAW / "source.json", {"source": settings.source, "dataset": dataset, **contents._asdict()})
    return contents
