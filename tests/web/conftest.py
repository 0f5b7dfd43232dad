"""What the page takes from Python, for the tests of this folder."""

from __future__ import annotations

from typing import Any

import pytest

from emotion.inference.predictor import Predictor
from web import prepare


@pytest.fixture(scope="session")
def facts() -> dict[str, Any]:
    return prepare.facts(Predictor(threads=1, detection="haar"))
