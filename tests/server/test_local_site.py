"""The build of the page that needs no server: found where it fits, served alone, and offered on the server's page."""

from __future__ import annotations

import io
import json
import re
import shutil
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from opened_page import choose, needs_chromium, opened, start_live
from playwright.sync_api import Browser, Page, expect
from running_command import answer
from running_node import needs_packages
from running_server import PASSWORD, encoded, running, running_app
from running_site import build_site
from small_photos import astronaut

from emotion import Predictor
from emotion.files import sha256_of
from emotion.inference.network import SHIPPED
from emotion.server import local_site


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where the build would lie; there is none yet."""
    monkeypatch.setattr(local_site, "PACKAGED", tmp_path / "packaged")
    monkeypatch.setattr(local_site, "BUILT", tmp_path / "site")
    return tmp_path / "site"


def write_build(folder: Path, network: str) -> None:
    (folder / "engine").mkdir(parents=True)
    (folder / "index.html").write_text("the page")
    (folder / "engine/facts.json").write_text(json.dumps({"network": network}))


def test_build_is_offered_only_with_the_network_of_the_server(folder: Path) -> None:
    assert local_site.find_with(SHIPPED) is None
    write_build(folder, network="of another file")
    assert local_site.find() == folder
    assert local_site.find_with(SHIPPED) is None
    shutil.rmtree(folder)
    write_build(folder, network=sha256_of(SHIPPED))
    assert local_site.find_with(SHIPPED) == folder


def test_serving_it_alone_gives_its_files_with_the_policy_and_no_api(folder: Path) -> None:
    write_build(folder, network="any")
    with running_app(local_site.create_app()) as client:
        page = client.get("/")
        assert page.text == "the page"
        assert "'wasm-unsafe-eval'" in page.headers["Content-Security-Policy"]
        assert client.get("/engine/facts.json").json() == {"network": "any"}
        assert client.post("/api/predict").status_code in {404, 405}
        assert client.get("/", headers={"Host": "elsewhere.example"}).status_code == 400


def test_password_protects_it(folder: Path) -> None:
    write_build(folder, network="any")
    with running_app(local_site.create_app(password=PASSWORD)) as client:
        assert client.get("/").status_code == 401
        assert client.get("/", auth=("", PASSWORD)).status_code == 200


@pytest.mark.usefixtures("folder")
def test_without_a_build_the_command_says_in_one_line_how_to_get_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.stdin", io.StringIO())
    line = answer(monkeypatch, "serve", "--local", "--port", "0")
    assert isinstance(line, str)
    assert "run make site in a clone" in line
    assert "\n" not in line


def test_options_of_a_network_on_the_server_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.stdin", io.StringIO())
    assert "leave out --model, --detector and --device" in str(
        answer(monkeypatch, "serve", "--local", "--device", "gpu")
    )


@pytest.fixture(scope="module")
def both(tmp_path_factory: pytest.TempPathFactory, detector_weights: Path) -> Iterator[httpx.Client]:
    """The server of the shipped network, with the build of the page without a server."""
    assert detector_weights
    site = build_site(tmp_path_factory.mktemp("web"))
    with running(Predictor(threads=1), shipped=SHIPPED.parent, site=site) as client:
        yield client


@pytest.fixture
def page_of_both(browser: Browser, both: httpx.Client) -> Iterator[Page]:
    with opened(browser, str(both.base_url)) as page:
        page.get_by_label("in this browser").check()
        yield page


@needs_chromium
@needs_packages
def test_page_of_the_server_finds_faces_in_the_browser_on_request(page_of_both: Page) -> None:
    page, sent = page_of_both, list[str]()
    page.on("request", lambda request: sent.append(request.url))
    expect(page.get_by_text("They are not sent anywhere.")).to_be_visible()
    expect(page.get_by_text("this server's memory")).to_be_hidden()
    choose(page, "astronaut.jpg", encoded(astronaut()))
    expect(page.locator("#photo-faces .label")).to_have_text(re.compile("^happy"), timeout=60_000)
    start_live(page)
    page.wait_for_function("() => window.labelled >= 2")
    assert [url for url in sent if "/api/" in url] == []
    page.get_by_label("on the server").check()
    assert page.evaluate("() => document.getElementById('live-video').srcObject") is None
    page.get_by_role("button", name="Start").click()
    page.wait_for_function("() => window.labelled >= 4")


@needs_chromium
def test_page_of_a_server_without_a_build_offers_no_choice(browser: Browser, client: httpx.Client) -> None:
    with opened(browser, str(client.base_url)) as page:
        expect(page.get_by_text("this server's memory")).to_be_visible()
        expect(page.get_by_text("Find the faces")).to_be_hidden()
        assert client.get("/api/model").json()["local"] is False
