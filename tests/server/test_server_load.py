"""The server under random requests, and under more requests than it can answer."""

from __future__ import annotations

import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import httpx
import psutil
import pytest
import schemathesis
from hypothesis import HealthCheck, given, settings, strategies
from running_server import alive, encoded, serving
from schemathesis.core.result import Ok
from schemathesis.specs.openapi.checks import positive_data_acceptance
from small_photos import astronaut

CLIENTS = 20
SECONDS = 30
BUSY = 503
IMAGES = [encoded(astronaut(128)), encoded(astronaut(), "png"), encoded(astronaut())[:2000]]

# Some bodies are images, so that answers with faces are checked too.
schemathesis.openapi.media_type("application/octet-stream", strategies.sampled_from(IMAGES) | strategies.binary())


def request_at_random(client: httpx.Client, examples: int) -> set[str]:
    """Send random requests made from the API's own description, check the answers and return the operations tried."""
    # Exit would stop the server.
    described = schemathesis.openapi.from_url(f"{client.base_url}/openapi.json").exclude(path="/api/exit")
    operations = [found.ok() for found in described.get_all_operations() if isinstance(found, Ok)]
    for operation in operations:

        @given(operation.as_strategy())
        @settings(max_examples=examples, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck))
        def check(case: schemathesis.Case[Any]) -> None:
            # No description can tell which bytes are an image.
            case.call_and_validate(excluded_checks=[positive_data_acceptance])

        check()
    return {operation.label for operation in operations}


def test_answers_to_random_requests_match_the_description(client: httpx.Client) -> None:
    assert request_at_random(client, examples=15) == {"GET /healthz", "GET /api/model", "POST /api/predict"}
    assert alive(client)


@pytest.mark.slow
def test_answers_to_many_random_requests_match_the_description(client: httpx.Client) -> None:
    request_at_random(client, examples=1000)
    assert alive(client)


def post_until(address: str, end: float) -> Counter[int]:
    image = encoded(astronaut())
    with httpx.Client(base_url=address, timeout=60) as client:
        statuses: Counter[int] = Counter()
        while time.monotonic() < end:
            statuses[client.post("/api/predict", content=image).status_code] += 1
        return statuses


def post_from_many_clients(address: str, seconds: float) -> Counter[int]:
    """Let many clients send one image after another; count the answers by status."""
    with ThreadPoolExecutor(CLIENTS) as clients:
        end = time.monotonic() + seconds
        return sum(clients.map(lambda _: post_until(address, end), range(CLIENTS)), Counter())


@pytest.mark.slow
def test_many_clients_are_answered_or_told_to_try_again_and_memory_is_released() -> None:
    with serving() as (process, address):
        server = psutil.Process(process.pid)
        post_from_many_clients(address, seconds=3)  # every thread has worked once
        before = server.memory_info().rss
        statuses = post_from_many_clients(address, SECONDS)
        assert set(statuses) <= {200, BUSY}
        assert statuses[200] > SECONDS  # real answers all along, not only that it is busy
        assert httpx.get(f"{address}/healthz").status_code == 200
        assert server.memory_info().rss <= 1.1 * before
