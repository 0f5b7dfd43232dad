"""The page without a server asks nobody but its own host: by Chromium's own log of the network, and by its policy."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

from opened_page import choose, chromium, needs_chromium, start_live
from playwright.sync_api import Page, expect
from running_node import needs_packages
from running_server import encoded
from running_site import visited
from small_photos import astronaut

pytestmark = [needs_chromium, needs_packages]

REFUSED = """async () => {
    const told = new Promise((resolve) => addEventListener("securitypolicyviolation", resolve, { once: true }));
    await fetch("http://localhost:9/").catch(() => {});
    return (await told).effectiveDirective;
}"""

FOLDERS = {
    "static": ("app.js", "groups.css", "style.css"),
    "engine": ("emotion.bin", "facts.json", "runtime.bin", "runtime.js", "worker.js", "yunet.bin"),
}
"""Files that a visit must fetch: the log misses neither workers nor the service worker."""

EXPECTED = {"", *(f"{folder}/{name}" for folder, names in FOLDERS.items() for name in names)}


def requests_of_pages(log: Path) -> Iterator[str]:
    """Yield the address of each request that a page or a worker made; the browser's own have no origin."""
    content = json.loads(log.read_text())
    kind = content["constants"]["logEventTypes"]["URL_REQUEST_START_JOB"]
    for event in content["events"]:
        if event["type"] == kind and "url" in event.get("params", {}):
            parameters = event["params"]
            if parameters["initiator"] != "not an origin" or urlsplit(parameters["url"]).hostname == "127.0.0.1":
                yield parameters["url"]


def visit(page: Page) -> None:
    """Do what there is to do on the page."""
    choose(page, "astronaut.jpg", encoded(astronaut()))
    expect(page.locator("#photo-faces .label")).to_have_text(re.compile("^happy"))
    start_live(page)
    page.wait_for_function("() => window.labelled >= 2")
    page.get_by_role("tab", name="Model").click()
    expect(page.get_by_role("heading", name="Model card: apparent facial expression")).to_be_visible()


def test_browser_logs_no_request_to_another_host(address: str, tmp_path: Path) -> None:
    log = tmp_path / "network.json"
    with chromium(tmp_path, f"--log-net-log={log}") as browser, visited(browser, address) as page:
        visit(page)
    requested = list(requests_of_pages(log))
    assert {url for url in requested if not url.startswith(address)} == set()
    assert {url.removeprefix(address) for url in requested} >= EXPECTED
    assert not [url for url in requested if "/gpu/" in url], "there is no graphics processor that could use it"
    large = [url for url in requested if url.endswith(".bin")]
    assert len(large) == len(set(large)), "the networks were fetched twice"


def test_policy_refuses_other_hosts_to_the_page(page: Page) -> None:
    assert page.evaluate(REFUSED) == "connect-src"


def test_policy_holds_for_workers_that_start_from_a_blob_as_the_engine_does(page: Page) -> None:
    started = """(code) => new Promise((resolve) => {
        const url = URL.createObjectURL(new Blob([code], { type: "text/javascript" }));
        new Worker(url, { type: "module" }).addEventListener("message", ({ data }) => resolve(data));
    })"""
    assert page.evaluate(started, f"({REFUSED})().then(postMessage);") == "connect-src"
    assert all(worker.url.startswith("blob:") for worker in page.workers)
