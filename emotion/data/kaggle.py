"""Kaggle through its official client, with what the client lacks: patience, and a check of what arrived.

The client resumes a cut download by itself, within a call and in the next one. It verifies nothing, though, and some
versions save an error page as the archive and later resume onto it. Knows nothing of what the archive holds.
"""

from __future__ import annotations

import io
import logging
import os
import re
import shutil
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, redirect_stdout
from pathlib import Path
from typing import Any, Final

from emotion.data.archives import content_hash
from emotion.errors import DataError, DownloadError, one_line

OFFLINE: Final = (
    "without Kaggle: dvc exp run -S download.source=sample draws faces, "
    "dvc exp run -S download.source=incoming takes the archive in data/incoming/"
)
"""The two other sources, for errors."""

_PASSING: Final = {408, 429}
_ADVICE: Final = {
    401: "renew or remove your Kaggle token; a public dataset needs none",
    403: "log in to Kaggle, accept the dataset's terms on its page and set KAGGLE_API_TOKEN",
    404: "check owner, name and version of download.dataset",
}

_CONNECTION: Final = re.compile(r"^HTTPS?Connection\(.*?\): ")
"""How urllib3 begins an error."""

_log = logging.getLogger(__name__)

Wait = Callable[[float], None]


def download_verified(dataset: str, sha256: str, folder: Path, attempts: int, wait: Wait = time.sleep) -> Path:
    """Download an archive and test every member; if it is not the one expected, delete it and start clean once.

    Args:
        dataset: Kaggle's `owner/name/version`.
        sha256: what `archives.content_hash` must give.
        folder: scratch of this download alone; what a cut download leaves there is resumed by the next call.
        attempts: tries for a busy or unreachable Kaggle.
        wait: sleeps for a number of seconds.

    Returns:
        The archive in `folder`.

    Raises:
        DownloadError: as `download`, or two downloads in a row were damaged or something else; `folder` is deleted.
        OSError: the disk is full or not writable; `folder` is deleted.
    """
    for _ in range(2):
        archive = download(dataset, folder, attempts, wait)
        received = _content_of(archive)
        if received == sha256:
            return archive
        _log.warning("Kaggle: expected the archive of %s, received %s; deleted", dataset, received)
        shutil.rmtree(folder)
    raise DownloadError(
        f"expected {dataset} from Kaggle with content sha256 {sha256}, received twice {received}; "
        f"if you changed download.dataset, set download.sha256 to its own, else try again later, or {OFFLINE}"
    )


def download(dataset: str, folder: Path, attempts: int, wait: Wait = time.sleep) -> Path:
    """Download a dataset's zip, unverified, going on where an earlier call was cut.

    A busy Kaggle (429, 5xx) and a failing connection are tried again after 1, 2, 4, ... seconds.

    Args:
        dataset: Kaggle's `owner/name/version`.
        folder: where the zip and the traces of a cut download lie.
        attempts: tries in all.
        wait: sleeps for a number of seconds.

    Returns:
        The archive in `folder`.

    Raises:
        DownloadError: Kaggle refused (401, 403, 404, ...) or the last attempt failed.
        OSError: the disk is full or not writable; `folder` is deleted.
    """
    client = _client(folder)
    for attempt in range(1, attempts + 1):
        # The client tells the dataset's address and more at every attempt: once is enough.
        with redirect_stdout(sys.stdout if attempt == 1 else io.StringIO()):
            fault = _fault_of_one_attempt(client, dataset, folder)
        if fault is None:
            break
        if attempt == attempts:
            advice = f"run it again later to go on, or {OFFLINE}"
            raise DownloadError(
                f"expected {dataset} from Kaggle, received {fault} (attempt {attempt}, the last); {advice}"
            )
        seconds = 2 ** (attempt - 1)
        _log.warning("Kaggle: %s (attempt %d of %d); next one in %d s", fault, attempt, attempts, seconds)
        wait(seconds)
    return folder / f"{dataset.split('/')[1]}.zip"


def _fault_of_one_attempt(client: Any, dataset: str, folder: Path) -> str | None:
    import requests

    folder.mkdir(parents=True, exist_ok=True)
    try:
        client.dataset_download_files(dataset, path=str(folder), quiet=False)
    except requests.HTTPError as error:
        return _passing_fault(dataset, error.response.status_code, one_line(error))
    except requests.RequestException as error:
        return f"no connection ({_innermost(error)})"
    except OSError:
        shutil.rmtree(folder, ignore_errors=True)
        raise
    except ValueError as error:
        # A body of another length than announced, such as an error page: nothing that may be resumed.
        shutil.rmtree(folder)
        return one_line(error)
    return None


def _passing_fault(dataset: str, status: int, text: str) -> str:
    fault = f"HTTP {status} ({text})"
    if status in _PASSING or status >= 500:
        return fault
    advice = _ADVICE.get(status, "see https://www.kaggle.com/docs/api")
    raise DownloadError(f"expected {dataset} from Kaggle, received {fault}; {advice}, or {OFFLINE}")


def _innermost(error: BaseException) -> str:
    # requests wraps urllib3's errors, which wrap others: only the last one says something to a reader.
    wrapped = [cause for cause in (getattr(error, "reason", None), *error.args) if isinstance(cause, Exception)]
    return _innermost(wrapped[0]) if wrapped else _CONNECTION.sub("", one_line(error))


def _content_of(archive: Path) -> str:
    try:
        return content_hash(archive)
    except DataError as error:
        if _is_web_page(archive):
            return "a web page (does this network ask for a login?)"
        return f"no whole archive ({one_line(error.__cause__ or error).removeprefix(f'{archive}: ')})"


def _is_web_page(path: Path) -> bool:
    with path.open("rb") as stream:
        return stream.read(100).lstrip().startswith(b"<")


def _client(scratch: Path) -> Any:
    with _config_folder(scratch / "config"), redirect_stdout(io.StringIO()):
        # Authenticates at once, and where there are no credentials prints how to get some: nobody needs them here.
        import kaggle
    return kaggle.api


@contextmanager
def _config_folder(scratch: Path) -> Iterator[None]:
    """Keep the client from creating a folder in the home folder; a person's own, with credentials, is left in use."""
    variable = "KAGGLE_CONFIG_DIR"
    settings = Path(os.environ.get("XDG_CONFIG_HOME") or Path.home() / ".config")
    if variable in os.environ or (Path.home() / ".kaggle").exists() or (settings / "kaggle").exists():
        yield
        return
    os.environ[variable] = str(scratch)
    try:
        yield
    finally:
        del os.environ[variable]
