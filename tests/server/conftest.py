"""One server with a small network, and the page of the real one in a browser, for the tests of this folder."""

from __future__ import annotations

from collections.abc import Iterator

import httpx
import pytest
from opened_page import chromium, opened
from playwright.sync_api import Browser, Page
from running_server import running, serving, small_predictor

from emotion.inference import network
from emotion.inference.predictor import Predictor


@pytest.fixture(scope="session")
def predictor(tmp_path_factory: pytest.TempPathFactory) -> Predictor:
    return small_predictor(tmp_path_factory.mktemp("model"))


@pytest.fixture(scope="session")
def client(predictor: Predictor) -> Iterator[httpx.Client]:
    with running(predictor, shipped=network.SHIPPED.parent) as client:
        yield client


# Of one module, because no test may call asyncio.run while Playwright runs.
@pytest.fixture(scope="module")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Browser]:
    with chromium(tmp_path_factory.mktemp("camera")) as browser:
        yield browser


@pytest.fixture(scope="module")
def address() -> Iterator[str]:
    with serving() as (_, address):
        yield address


@pytest.fixture
def page(browser: Browser, address: str) -> Iterator[Page]:
    with opened(browser, address) as page:
        yield page
