"""The service worker: use without a network, new builds, several builds on one host, and its end."""

from __future__ import annotations

import re
import shutil
from pathlib import Path

import pytest
from opened_page import choose, opened
from playwright.sync_api import Browser, Page, expect
from running_node import needs_packages
from running_server import encoded
from running_site import plainly_served, visited
from small_photos import astronaut

from emotion.server.app import STATIC

pytestmark = needs_packages

NEW = "f" * 16


@pytest.fixture
def copy(site: Path, tmp_path: Path) -> Path:
    return shutil.copytree(site, tmp_path / "site")


def rebuild(site: Path) -> None:
    """Do what a build of changed sources does: another heading, and another hash in every script."""
    (old,) = re.findall(r"(?<=[\"'`])[0-9a-f]{16}(?=[\"'`])", (site / "service_worker.js").read_text())
    for script in site.rglob("*.js"):
        script.write_text(script.read_text().replace(old, NEW))
    page = site / "index.html"
    page.write_text(page.read_text().replace("<h1>Apparent expression", "<h1>New build"))


def kept(page: Page) -> dict[str, int]:
    """Return the number of files in each cache of the host."""
    counts: dict[str, int] = page.evaluate(
        """async () => Object.fromEntries(await Promise.all((await caches.keys()).map(
             async (name) => [name, (await (await caches.open(name)).keys()).length])))"""
    )
    return counts


def expect_work_without_a_network(page: Page, heading: str) -> None:
    page.context.set_offline(True)
    page.reload()
    expect(page.get_by_role("heading", level=1)).to_have_text(heading)
    choose(page, "astronaut.jpg", encoded(astronaut()))
    expect(page.locator("#photo-faces .label")).to_have_text(re.compile("^happy"), timeout=60_000)


def test_new_build_replaces_the_old_one_although_the_browser_may_keep_files(browser: Browser, copy: Path) -> None:
    with plainly_served(copy, max_age=600) as address, visited(browser, address) as page:
        files = [path for path in copy.rglob("*") if path.is_file() and "gpu" not in path.parts]
        assert list(kept(page).values()) == [len(files)]  # not the service worker, but the page by both its addresses
        rebuild(copy)
        page.reload()
        while not all(name.endswith(NEW) for name in kept(page)):  # the test's time limit ends it
            page.wait_for_timeout(100)
        page.reload()
        expect(page.get_by_role("heading", level=1)).to_have_text("New build")
        assert list(kept(page).values()) == [len(files)]
        expect_work_without_a_network(page, "New build")


def test_two_builds_on_one_host_keep_their_files(browser: Browser, site: Path, tmp_path: Path) -> None:
    for name in ("one", "other"):
        shutil.copytree(site, tmp_path / name)
    rebuild(tmp_path / "other")
    with plainly_served(tmp_path) as address, opened(browser, address) as page:
        for name in ("one", "other"):
            page.goto(f"{address}{name}/")
            page.wait_for_function("() => navigator.serviceWorker.controller", timeout=60_000)
        page.goto(f"{address}one/")
        assert len(kept(page)) == 2
        assert len(set(kept(page).values())) == 1
        expect_work_without_a_network(page, "Apparent expression")


def test_server_at_the_same_address_takes_over(browser: Browser, copy: Path) -> None:
    with plainly_served(copy) as address, visited(browser, address) as page:
        shutil.copyfile(STATIC / "retire.js", copy / "service_worker.js")
        (copy / "index.html").write_text("<h1>The page of the server</h1>")
        page.reload()
        expect(page.get_by_role("heading", level=1)).to_have_text("The page of the server", timeout=30_000)
        assert kept(page) == {}
        assert page.evaluate("async () => (await navigator.serviceWorker.getRegistrations()).length") == 0
