"""What the page takes from Python, its build, and a browser, for the tests of this folder."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from opened_page import chromium
from playwright.sync_api import Browser, Page
from running_site import build_site, plainly_served, visited

from emotion.inference.predictor import Predictor
from web import prepare


@pytest.fixture(scope="session")
def facts() -> dict[str, Any]:
    return prepare.facts(Predictor(threads=1, detection="haar"))


@pytest.fixture(scope="session")
def site(tmp_path_factory: pytest.TempPathFactory, detector_weights: Path) -> Path:
    assert detector_weights
    return build_site(tmp_path_factory.mktemp("web"))


@pytest.fixture(scope="session")
def address(site: Path) -> Iterator[str]:
    with plainly_served(site) as address:
        yield address


@pytest.fixture(scope="module")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Browser]:
    with chromium(tmp_path_factory.mktemp("camera")) as browser:
        yield browser


@pytest.fixture
def page(browser: Browser, address: str) -> Iterator[Page]:
    with visited(browser, address) as page:
        yield page
