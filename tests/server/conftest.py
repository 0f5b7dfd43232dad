"""One server with a small network, shared by the tests of this folder."""

from __future__ import annotations

from collections.abc import Iterator

import httpx
import pytest
from running_server import running, small_predictor

from emotion.inference import network
from emotion.inference.predictor import Predictor


@pytest.fixture(scope="session")
def predictor(tmp_path_factory: pytest.TempPathFactory) -> Predictor:
    return small_predictor(tmp_path_factory.mktemp("model"))


@pytest.fixture(scope="session")
def client(predictor: Predictor) -> Iterator[httpx.Client]:
    with running(predictor, shipped=network.SHIPPED.parent) as client:
        yield client
