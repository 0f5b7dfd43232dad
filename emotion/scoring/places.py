"""Folders and prefixes, local or behind an address such as `s3://bucket/photos`, through fsspec.

Every fault of a file system becomes one line that names the place.
"""

from __future__ import annotations

import posixpath
import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

import fsspec
from fsspec.core import url_to_fs

from emotion.errors import EmotionError, one_line
from emotion.files import write_bytes

MOVED: Final = frozenset({"sftp", "ssh", "smb", "hdfs"})
"""Protocols by which half a file can be seen, so a file is written under another name and moved. Object stores show an
object when it is whole."""

REFUSED: Final = re.compile(r"permission|denied|forbidden|auth|credential|access key|token|signature", re.IGNORECASE)
"""How the packages behind fsspec call an error that credentials can cause, in its type or text."""


def is_address(text: str) -> bool:
    """Tell whether a text is an address such as `s3://bucket/photos` and not a local path."""
    return "://" in text


@contextmanager
def explaining(place: str) -> Iterator[None]:
    """Turn what a file system raises into one line.

    Raises:
        EmotionError: the block failed. The packages behind fsspec raise dozens of types, most of them no OSError.
    """
    try:
        yield
    except EmotionError:
        raise
    except FileNotFoundError as error:
        raise EmotionError(f"there is nothing at {place}; check the name") from error
    except ImportError as error:
        raise EmotionError(f"{place} needs a package that is not installed ({one_line(error)})") from error
    except Exception as error:
        reason = (isinstance(error, OSError) and error.strerror) or one_line(error) or type(error).__name__
        refused = is_address(place) and REFUSED.search(f"{type(error).__name__} {reason}")
        advice = "; check the credentials" if refused else ""
        raise EmotionError(f"{place} cannot be used: {reason}{advice}") from error


class Place:
    """A folder or prefix. A pickled one opens its file system again.

    Attributes:
        url: as the user wrote it.
        files: the file system of fsspec.
        path: the folder's path in it.
    """

    def __init__(self, url: str) -> None:
        """Open the file system.

        Args:
            url: a local path or an address.

        Raises:
            EmotionError: there is no such file system, or its package is not installed.
        """
        self.url = url
        with explaining(url):
            files, path = url_to_fs(url)
        self.files: fsspec.AbstractFileSystem = files
        self.path: str = path.rstrip("/")

    def __reduce__(self) -> tuple[type[Place], tuple[str]]:
        # Another process may work in another folder.
        return Place, (self.path if self.is_local else self.url,)

    @property
    def is_local(self) -> bool:
        """Whether it lies in a file system of this machine."""
        return "file" in _protocols(self.files)

    def names(self, folder: str = "") -> set[str]:
        """Return the names of the files directly in a folder; none if there is no such folder."""
        path = self._at(folder)
        with explaining(self.url):
            self.files.invalidate_cache()
            try:
                return {posixpath.basename(entry) for entry in self.files.ls(path, detail=False) if entry != path}
            except (FileNotFoundError, NotADirectoryError):
                return set()

    def read(self, name: str) -> bytes | None:
        """Return the content of a file, None if there is none."""
        with explaining(self.url):
            try:
                content: bytes = self.files.cat_file(self._at(name))
            except FileNotFoundError:
                return None
            return content

    @contextmanager
    def opened(self, name: str) -> Iterator[Any]:
        """Open a file for reading in any order; nothing beyond what is asked for is fetched."""
        with explaining(f"{self.url}/{name}"), self.files.open(self._at(name), cache_type="none") as stream:
            yield stream

    def write(self, name: str, content: bytes) -> None:
        """Write a file, which appears when it is whole."""
        path = self._at(name)
        with explaining(self.url):
            if self.is_local:
                write_bytes(Path(path), content)
            elif MOVED.isdisjoint(_protocols(self.files)):
                self.files.pipe_file(path, content)
            else:
                self.files.makedirs(posixpath.dirname(path), exist_ok=True)
                self.files.pipe_file(f"{path}.partial", content)
                self.files.mv(f"{path}.partial", path)

    def delete(self, name: str) -> None:
        """Delete a file if it is there."""
        with explaining(self.url):
            try:
                self.files.rm_file(self._at(name))
            except FileNotFoundError:
                return

    def _at(self, name: str) -> str:
        return f"{self.path}/{name}" if name else self.path


def _protocols(files: Any) -> set[str]:
    return {files.protocol} if isinstance(files.protocol, str) else set(files.protocol)
