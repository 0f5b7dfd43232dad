"""The server under requests that nobody would think of, and under more of them than it can answer."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import httpx
import psutil
import pytest
import schemathesis
from hypothesis import HealthCheck, given, settings, strategies
from running_server import alive, encoded, running, serving, small_predictor
from schemathesis.core.result import Ok
from schemathesis.specs.openapi.checks import positive_data_acceptance
from small_photos import astronaut

CLIENTS = 20
SECONDS = 30
BUSY = 503
PICTURES = [encoded(astronaut(128)), encoded(astronaut(), "png"), encoded(astronaut())[:2000]]

# Bodies that are a picture, so that faces are answered too.
schemathesis.openapi.media_type("application/octet-stream", strategies.sampled_from(PICTURES) | strategies.binary())


@pytest.fixture(scope="module")
def client(tmp_path_factory: pytest.TempPathFactory) -> Iterator[httpx.Client]:
    with running(small_predictor(tmp_path_factory.mktemp("model"))) as client:
        yield client


def request_at_random(client: httpx.Client, examples: int) -> set[str]:
    """Send requests made from the API's own description and hold the answers to it; return the operations tried."""
    # Exit would end the server in the middle.
    described = schemathesis.openapi.from_url(f"{client.base_url}/openapi.json").exclude(path="/api/exit")
    operations = [found.ok() for found in described.get_all_operations() if isinstance(found, Ok)]
    for operation in operations:

        @given(operation.as_strategy())
        @settings(max_examples=examples, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck))
        def hold(case: schemathesis.Case[Any]) -> None:
            # Which bytes are a picture, no description can say.
            case.call_and_validate(excluded_checks=[positive_data_acceptance])

        hold()
    return {operation.label for operation in operations}


def test_api_keeps_its_description_whatever_comes(client: httpx.Client) -> None:
    assert request_at_random(client, examples=15) == {"GET /healthz", "GET /api/model", "POST /api/predict"}
    assert alive(client)


@pytest.mark.slow
def test_api_keeps_its_description_whatever_comes_for_long(client: httpx.Client) -> None:
    request_at_random(client, examples=1000)
    assert alive(client)


def post_until(address: str, end: float) -> Counter[int]:
    picture = encoded(astronaut())
    with httpx.Client(base_url=address, timeout=60) as client:
        predictions: Counter[int] = Counter()
        while time.monotonic() < end:
            predictions[client.post("/api/predict", content=picture).status_code] += 1
        return predictions


def crowd(address: str, seconds: float) -> Counter[int]:
    """Let many clients send a picture after the other; count the answers by their status."""
    with ThreadPoolExecutor(CLIENTS) as clients:
        end = time.monotonic() + seconds
        return sum(clients.map(lambda _: post_until(address, end), range(CLIENTS)), Counter())


@pytest.mark.slow
def test_a_crowd_is_answered_or_told_to_come_back_and_the_memory_is_given_back() -> None:
    with serving() as (process, address):
        server = psutil.Process(process.pid)
        crowd(address, seconds=3)  # every thread has worked once
        before = server.memory_info().rss
        predictions = crowd(address, SECONDS)
        assert set(predictions) <= {200, BUSY}
        assert predictions[200] > SECONDS  # it answered all the while, and not only that it is busy
        assert httpx.get(f"{address}/healthz").status_code == 200
        assert server.memory_info().rss <= 1.1 * before
