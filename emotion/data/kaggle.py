"""Downloads from Kaggle with the official client, adding two things that it lacks: retries and a check of the content.

The client resumes an interrupted download, in the same call or in the next one. But it verifies nothing, and some
versions save an error page as the archive and later append to it. Knows nothing of what the archive holds.
"""

from __future__ import annotations

import io
import logging
import os
import shutil
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stdout
from pathlib import Path
from typing import Any, Final

from emotion.data import retries
from emotion.data.archives import content_hash
from emotion.data.retries import Wait
from emotion.errors import DataError, DownloadError, one_line

OFFLINE: Final = (
    "do without Kaggle: dvc exp run -S download.source=sample (drawn faces) "
    "or dvc exp run -S download.source=incoming (the archive in data/incoming/)"
)
"""The two other sources, for error messages."""

_ADVICE: Final = {
    401: "renew or remove your Kaggle token; a public dataset needs none",
    403: "log in to Kaggle, accept the dataset's terms on its page and set KAGGLE_API_TOKEN",
    404: "check owner, name and version of download.dataset",
}

_log = logging.getLogger(__name__)


def download_verified(dataset: str, sha256: str, folder: Path, attempts: int, wait: Wait = time.sleep) -> Path:
    """Download an archive and verify its content; if it is wrong, delete it and download it once more.

    Args:
        dataset: Kaggle's `owner/name/version`.
        sha256: the `archives.content_hash` that it must have.
        folder: for this download only; the next call resumes an interrupted download that it finds there.
        attempts: number of tries while Kaggle is busy or unreachable.
        wait: called with the seconds to wait between attempts.

    Returns:
        The archive in `folder`.

    Raises:
        DownloadError: as for `download`, or two downloads in a row had the wrong content; `folder` is deleted.
        OSError: the disk is full or not writable; `folder` is deleted.
    """
    for _ in range(2):
        archive = download(dataset, folder, attempts, wait)
        received = _content_of(archive)
        if received == sha256:
            return archive
        _log.warning("Kaggle sent the wrong content for %s (%s); deleted", dataset, received)
        shutil.rmtree(folder)
    raise DownloadError(
        f"expected {dataset} from Kaggle with content sha256 {sha256}, received {received} twice; "
        f"if you changed download.dataset, set download.sha256 to match, otherwise try again later, or {OFFLINE}"
    )


def download(dataset: str, folder: Path, attempts: int, wait: Wait = time.sleep) -> Path:
    """Download a dataset's zip without verifying it, and resume what an interrupted call left.

    If Kaggle is busy (408, 429, 5xx) or the connection fails, it tries again after 1, 2, 4, ... seconds.

    Args:
        dataset: Kaggle's `owner/name/version`.
        folder: of the zip and of interrupted downloads.
        attempts: total number of tries.
        wait: called with the seconds to wait between attempts.

    Returns:
        The archive in `folder`.

    Raises:
        DownloadError: Kaggle refused (401, 403, 404, ...) or the last attempt failed.
        OSError: the disk is full or not writable; `folder` is deleted.
    """
    client = _client(folder)

    def try_once(attempt: int) -> str | None:
        # The client prints the dataset's address and more at every attempt; once is enough.
        with redirect_stdout(sys.stdout if attempt == 1 else io.StringIO()):
            return _fault_of_one_attempt(client, dataset, folder)

    retries.repeat(try_once, attempts, wait, "Kaggle", dataset, OFFLINE)
    return folder / f"{dataset.split('/')[1]}.zip"


def _fault_of_one_attempt(client: Any, dataset: str, folder: Path) -> str | None:
    import requests

    folder.mkdir(parents=True, exist_ok=True)
    try:
        client.dataset_download_files(dataset, path=str(folder), quiet=False)
    except requests.HTTPError as error:
        return _transient_fault(dataset, error.response.status_code, one_line(error))
    except requests.RequestException as error:
        return retries.describe_connection(error)
    except OSError:
        shutil.rmtree(folder, ignore_errors=True)
        raise
    except ValueError as error:
        # The body has another length than announced, such as an error page; it must not be resumed.
        shutil.rmtree(folder)
        return one_line(error)
    return None


def _transient_fault(dataset: str, status: int, text: str) -> str:
    fault = f"HTTP {status} ({text})"
    if retries.is_transient(status):
        return fault
    advice = _ADVICE.get(status, "see https://www.kaggle.com/docs/api")
    raise DownloadError(f"cannot download {dataset} from Kaggle: {fault}; {advice}, or {OFFLINE}")


def _content_of(archive: Path) -> str:
    try:
        return content_hash(archive)
    except DataError as error:
        if _is_web_page(archive):
            return "a web page (does this network ask for a login?)"
        return f"an unusable archive ({one_line(error.__cause__ or error).removeprefix(f'{archive}: ')})"


def _is_web_page(path: Path) -> bool:
    with path.open("rb") as stream:
        return stream.read(100).lstrip().startswith(b"<")


def _client(folder: Path) -> Any:
    with _config_folder(folder / "config"), redirect_stdout(io.StringIO()):
        # The import logs in and, without credentials, prints how to get them. A public dataset needs none.
        import kaggle
    return kaggle.api


@contextmanager
def _config_folder(folder: Path) -> Iterator[None]:
    """Keep the client from creating a folder in the home folder, but use one that exists and may hold credentials."""
    variable = "KAGGLE_CONFIG_DIR"
    settings = Path(os.environ.get("XDG_CONFIG_HOME") or Path.home() / ".config")
    if variable in os.environ or (Path.home() / ".kaggle").exists() or (settings / "kaggle").exists():
        yield
        return
    os.environ[variable] = str(folder)
    try:
        yield
    finally:
        del os.environ[variable]
