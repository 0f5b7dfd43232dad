"""The three sources of faces, each repacked into the one canonical zip from which the pipeline starts.

Knows nothing of classes, splits or pictures: whatever stands in an archive goes through.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterable
from pathlib import Path
from typing import Final

from emotion.data import archives, kaggle
from emotion.data.sample_faces import draw_members
from emotion.errors import DataError
from emotion.files import write_json
from emotion.params import Download

INCOMING: Final = Path("data/incoming")
"""Where a person puts an archive of their own."""

SCRATCH: Final = Path("build/download")
"""Downloads in progress: no out of the stage, because DVC deletes those before it runs."""

RAW: Final = Path("data/raw")
"""Where `faces.zip` and `source.json` go."""

TITLES: Final = {"msambare/fer2013": "FER-2013"}
"""Names for figures of datasets on Kaggle; of others, owner and name stand alone."""


def fetch(settings: Download) -> None:
    """Fetch, draw or take in the faces and write `data/raw/faces.zip` and `data/raw/source.json`.

    Raises:
        DownloadError: as `kaggle.download_verified`.
        DataError: `data/incoming/` does not hold exactly one archive, or that archive is damaged or unsafe.
    """
    if settings.source == "sample":
        sample = settings.sample
        counts = {"train": sample.train, "validation": sample.validation, "test": sample.test}
        _write(settings, "sample faces", draw_members(counts, sample.seed))
    elif settings.source == "incoming":
        path = only_entry(INCOMING)
        _write(settings, path.name, archives.members(path))
    else:
        folder = SCRATCH / settings.dataset
        path = kaggle.download_verified(settings.dataset, settings.sha256, folder, settings.attempts)
        _write(settings, title_of(settings.dataset), archives.members(path))
        shutil.rmtree(SCRATCH)


def only_entry(folder: Path) -> Path:
    """Return the one file or folder that a person put into a folder; hidden ones do not count.

    Raises:
        DataError: there is none or more than one.
    """
    found = sorted(path.name for path in folder.glob("[!.]*"))
    if len(found) != 1:
        received = ", ".join(found) or "nothing"
        raise DataError(
            f"expected in {folder}/ one archive ({archives.EXPECTED}), received {received}; leave exactly one there"
        )
    return folder / found[0]


def title_of(dataset: str) -> str:
    """Name a dataset for figures, such as `FER-2013 (msambare/fer2013, version 1)`.

    Args:
        dataset: Kaggle's `owner/name/version`.
    """
    name, _, version = dataset.rpartition("/")
    title = TITLES.get(name)
    return f"{title} ({name}, version {version})" if title else f"{name}, version {version}"


def _write(settings: Download, title: str, members: Iterable[tuple[str, bytes]]) -> None:
    contents = archives.write_canonical(members, RAW / "faces.zip")
    # The pinned dataset is itself whatever way it came and whatever its file is called.
    dataset = title_of(settings.dataset) if contents.sha256 == settings.sha256 else title
    write_json(RAW / "source.json", {"source": settings.source, "dataset": dataset, **contents._asdict()})
