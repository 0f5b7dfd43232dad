"""The page without a server, built here and served by Python's plain file server."""

from __future__ import annotations

import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from opened_page import opened
from playwright.sync_api import Browser, Page
from running_node import NODE, WEB

from web import prepare


class _Silent(SimpleHTTPRequestHandler):
    max_age = 0

    def end_headers(self) -> None:
        """Let browsers keep files for a while, as GitHub Pages does."""
        if self.max_age:
            self.send_header("Cache-Control", f"max-age={self.max_age}")
        super().end_headers()

    def log_message(self, format: str, *args: object) -> None:
        """Print nothing."""


def build_site(folder: Path) -> Path:
    """Do what `make site` does, into a folder; return the folder of the site."""
    assert NODE, "REQUIRE_NODE is set, but there is no node on the PATH"
    prepare.prepare(folder / "prepared")
    subprocess.run([NODE, WEB / "build.mjs", folder / "prepared", folder / "site"], check=True, capture_output=True)
    return folder / "site"


@contextmanager
def plainly_served(folder: Path, max_age: int = 0) -> Iterator[str]:
    """Serve the files of a folder and yield the address; browsers may keep them for `max_age` seconds."""
    handler = type("_Handler", (_Silent,), {"max_age": max_age})
    with ThreadingHTTPServer(("127.0.0.1", 0), partial(handler, directory=str(folder))) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}/"
        finally:
            server.shutdown()
            thread.join()


@contextmanager
def visited(browser: Browser, address: str, **window: Any) -> Iterator[Page]:
    """Open the page and wait until it has its networks and would work without a network."""
    with opened(browser, address, **window) as page:
        page.wait_for_function("() => navigator.serviceWorker.controller", timeout=60_000)
        yield page
