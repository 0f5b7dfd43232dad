"""WebGPU in a real Chromium, on its graphics processor made of software: parity, and what the page does without one."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from opened_page import REQUIRED, choose, chromium, needs_chromium, opened
from playwright.sync_api import Browser, Page, expect
from running_node import needs_packages
from running_server import encoded
from running_site import plainly_served
from site_parity import LEVEL, cropped_faces, differences, photos, scenes
from small_photos import astronaut

from emotion import Predictor

pytestmark = [needs_chromium, needs_packages]

SOFTWARE = ("--enable-unsafe-webgpu", "--use-webgpu-adapter=swiftshader")

ON_GPU = "The network runs on the graphics processor, by WebGPU."

KEEP_DEVICE = """const ask = GPUAdapter.prototype.requestDevice;
GPUAdapter.prototype.requestDevice = async function (...wanted) {
    return (self.device = await ask.apply(this, wanted));
};
"""
"""Code for the worker, so that a test can reach the device."""

ADAPTER = "async () => Boolean(await navigator.gpu?.requestAdapter())"

START = """async () => {
    const { browserEngine } = await import("/engine/engine.js");
    window.engine = browserEngine(new URL("/engine/", location.href).href);
    const told = new Promise((resolve) => window.engine.onProcessor(resolve));
    await window.engine.prepare();
    return told;
}"""
"""Starts the engine that site_parity.py uses; returns where its network runs."""


@pytest.fixture(scope="module")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Browser]:
    with chromium(tmp_path_factory.mktemp("camera"), *SOFTWARE) as browser:
        yield browser


@contextmanager
def asked_for_gpu(browser: Browser, address: str, wanted: str = "always", name: str = "") -> Iterator[Page]:
    with opened(browser, address) as page:
        if not REQUIRED and not page.evaluate(ADAPTER):
            pytest.skip("this Chromium has no graphics processor made of software")
        page.goto(f"{address}{name}?gpu={wanted}")
        yield page


def said_of_processor(page: Page) -> str:
    """Wait until the tab Model says where the network runs; return its line."""
    page.get_by_role("tab", name="Model").click()
    expect(page.locator("#model-processor")).not_to_be_empty(timeout=150_000)
    line = page.locator("#model-processor").inner_text()
    page.get_by_role("tab", name="Photo").click()
    return line


def expect_label(page: Page) -> None:
    choose(page, "astronaut.png", encoded(astronaut(), "png"))
    expect(page.locator("#photo-faces .label")).to_contain_text("happy", timeout=150_000)


@pytest.mark.timeout(300)  # a graphics processor made of software is slow on a busy machine
def test_probabilities_on_the_graphics_processor_are_those_of_python(browser: Browser, address: str) -> None:
    predictor = Predictor(threads=1)
    with asked_for_gpu(browser, address, name="licenses.txt") as page:  # which starts no engine of its own
        assert page.evaluate(START) == ON_GPU
        assert len(differences(page, predictor, [*photos(1), *cropped_faces(7)])) == 8
        assert differences(page, predictor, list(scenes(1)), LEVEL)


@pytest.mark.slow
def test_page_uses_the_graphics_processor_without_a_network_after_the_first_visit(
    browser: Browser, address: str
) -> None:
    with asked_for_gpu(browser, address) as page:
        assert said_of_processor(page) == ON_GPU
        page.wait_for_function("() => navigator.serviceWorker.controller")
        page.context.set_offline(True)
        page.reload()
        assert said_of_processor(page) == ON_GPU
        expect_label(page)


def test_page_that_cannot_load_the_files_for_webgpu_says_so_and_goes_on(
    browser: Browser, site: Path, tmp_path: Path
) -> None:
    folder = shutil.copytree(site, tmp_path / "site")
    (folder / "engine/gpu/runtime.bin").unlink()
    with plainly_served(folder) as address, asked_for_gpu(browser, address) as page:
        assert "in WebAssembly: WebGPU failed here (" in said_of_processor(page)
        expect_label(page)


def put_into_worker(site: Path, folder: Path, code: str) -> Path:
    """Copy the page; let its worker run some code first."""
    shutil.copytree(site, folder)
    worker = folder / "engine/worker.js"
    worker.write_text(code + worker.read_text())
    return folder


@pytest.mark.timeout(300)  # a graphics processor made of software is slow on a busy machine
def test_photo_is_labelled_by_the_processor_once_the_device_is_lost(
    browser: Browser, site: Path, tmp_path: Path
) -> None:
    folder = put_into_worker(site, tmp_path / "site", KEEP_DEVICE)
    with plainly_served(folder) as address, asked_for_gpu(browser, address) as page:
        assert said_of_processor(page) == ON_GPU
        page.workers[0].evaluate("() => self.device.destroy()")
        expect_label(page)
        assert "in WebAssembly: WebGPU failed here (the device was lost: " in said_of_processor(page)


def test_graphics_processor_made_of_software_is_known_by_what_older_browsers_say(
    browser: Browser, site: Path, tmp_path: Path
) -> None:
    older = "delete GPUAdapter.prototype.info; GPUAdapter.prototype.isFallbackAdapter = true;"
    folder = put_into_worker(site, tmp_path / "site", older)
    with plainly_served(folder) as address, opened(browser, address) as page:
        assert "offers no graphics processor" in said_of_processor(page)


def test_graphics_processor_made_of_software_is_left_alone(browser: Browser, address: str) -> None:
    with opened(browser, address) as page:
        assert "offers no graphics processor" in said_of_processor(page)
        expect_label(page)


def test_address_can_ask_for_no_graphics_processor(browser: Browser, address: str) -> None:
    with asked_for_gpu(browser, address, "never") as page:
        assert said_of_processor(page).endswith("as ?gpu=never in the address asks.")
