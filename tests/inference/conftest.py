"""What the tests of detectors need: real faces, where the archive lies."""

from __future__ import annotations

import os
import zipfile
from collections.abc import Callable

import numpy as np
import pytest
from numpy.typing import NDArray

from emotion.images import read_image, to_face


@pytest.fixture(scope="session")
def real_faces() -> Callable[[int], NDArray[np.uint8]]:
    """Return what reads the first training faces of FER-2013, evenly spread over the archive."""
    archive = os.environ.get("FER2013_ARCHIVE")
    if archive is None:
        pytest.skip("FER2013_ARCHIVE does not name the real archive")

    def read(count: int) -> NDArray[np.uint8]:
        with zipfile.ZipFile(archive) as file:
            names = sorted(name for name in file.namelist() if "/Training_" in name)
            chosen = names[:: len(names) // count][:count]
            return np.stack([to_face(read_image(file.read(name))) for name in chosen])

    return read
