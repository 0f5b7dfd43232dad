"""The weights of YuNet: where they are looked for, and how they are fetched once.

They are not part of the repository. A wheel of a release carries them; elsewhere they are downloaded into the user's
cache. Every file is checked by its hash before it is used.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from emotion.errors import ModelError, one_line
from emotion.files import sha256_of

NAME: Final = "face_detection_yunet_2023mar.onnx"

SHA256: Final = "8f2383e4dd3cfbb4553ea8718107fc0423210dc964f9f4280604804ed2552fa4"

SOURCES: Final = (
    "https://github.com/opencv/opencv_zoo/raw/47534e27c9851bb1128ccc0102f1145e27f23f98/"
    "models/face_detection_yunet/face_detection_yunet_2023mar.onnx",
    "https://raw.githubusercontent.com/ShiqiYu/libfacedetection.train/0047ac24afb1a50a0c6105001c89d1b5b805dbf1/"
    "onnx/yunet_s_640_640.onnx",
)
"""Two places of the same bytes: OpenCV Zoo (MIT licence) and the repository in which the network was trained."""

VARIABLE: Final = "EMOTION_DETECTOR"
"""Environment variable that names the file on machines without a network."""

PACKAGED: Final = Path(__file__).parent / NAME
"""Where a wheel of a release carries the file."""

TIMEOUT: Final = (3.0, 10.0)
"""Seconds to connect, and to wait for the next bytes: a machine without a network should not wait long."""

REASONS: Final = {
    "ChunkedEncodingError": "the connection broke off",
    "ConnectTimeout": "no answer",
    "ConnectionError": "no connection",
    "ProxyError": "the proxy does not answer",
    "ReadTimeout": "no answer",
}
"""What the exceptions of requests mean, by their names: it is imported only for a download."""


def find(path: Path | None = None) -> Path:
    """Return the weights file: the given one, that of `EMOTION_DETECTOR`, the packaged, the cached or a fetched one.

    Args:
        path: a file that the user chose; None looks in the other places.

    Raises:
        ModelError: a chosen file is missing or another than YuNet's, or no place has the file.
    """
    return find_local(path) or fetch()


def find_local(path: Path | None = None) -> Path | None:
    """Do the same as `find`, but return None where the file is neither chosen nor packaged.

    Raises:
        ModelError: a chosen file is missing or another than YuNet's.
    """
    chosen = path or (Path(os.environ[VARIABLE]) if os.environ.get(VARIABLE) else None)
    if chosen:
        return _checked(chosen)
    return PACKAGED if PACKAGED.is_file() else None


def cache_folder() -> Path:
    """Return the user's cache folder for this project, as the operating system has it."""
    from platformdirs import user_cache_path

    return user_cache_path("emotion", appauthor=False)


def fetch(sources: Sequence[str] = SOURCES, folder: Path | None = None) -> Path:
    """Return the cached weights, after a download where there are none; a damaged file is replaced.

    The file appears under its name only when it is whole, so several processes may fetch it at once.

    Args:
        sources: addresses of the same bytes, tried in this order.
        folder: the cache; None for the user's.

    Raises:
        ModelError: no source gave the file, or the cache cannot be written.
    """
    folder = folder or cache_folder()
    path = folder / NAME
    if path.is_file() and sha256_of(path) == SHA256:
        return path
    import pooch

    pooch.get_logger().setLevel("WARNING")
    faults = []
    for source in sources:
        try:
            download = pooch.HTTPDownloader(timeout=TIMEOUT)
            return Path(pooch.retrieve(source, f"sha256:{SHA256}", NAME, folder, downloader=download))
        except (OSError, ValueError) as error:  # requests' errors are OSErrors; ValueError: another hash
            faults.append(_reason(error, folder))
    raise ModelError(
        f"the face detector YuNet could not be fetched ({'; '.join(dict.fromkeys(faults))}); "
        f"run emotion fetch where there is a network, or set {VARIABLE} to a copy of {NAME}"
    )


def _checked(path: Path) -> Path:
    if not path.is_file():
        fact = f"there is no face detector or file {path}"
        if str(path) == os.environ.get(VARIABLE):
            raise ModelError(f"{fact}, which the variable {VARIABLE} names; set it to a copy of {NAME}, or unset it")
        raise ModelError(f"{fact}; use yunet, haar or a copy of {NAME}")
    if sha256_of(path) != SHA256:
        raise ModelError(f"{path} is not {NAME} (it has another SHA-256); emotion fetch downloads the right one")
    return path


def _reason(error: Exception, folder: Path) -> str:
    """Say in a few words why a source gave nothing."""
    response = getattr(error, "response", None)
    if response is not None:
        return f"HTTP {response.status_code}"
    if isinstance(error, OSError) and not hasattr(error, "request"):  # none of requests' own
        return f"{folder} cannot be written"
    if isinstance(error, ValueError) and "hash" in str(error):
        return "the file that came is another one"
    return REASONS.get(type(error).__name__) or one_line(error)
