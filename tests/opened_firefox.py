"""A real Firefox, driven by WebDriver BiDi: the standard that it speaks by itself.

Playwright drives only a Firefox of its own build. REQUIRE_FIREFOX=1 turns the skip without a browser into a failure.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from itertools import count
from pathlib import Path
from typing import Any, Final

import pytest
from websockets.sync.client import ClientConnection, connect

FIREFOX: Final = shutil.which("firefox") or shutil.which("firefox-esr")
REQUIRED: Final = os.environ.get("REQUIRE_FIREFOX") == "1"

needs_firefox = pytest.mark.skipif(
    FIREFOX is None and not REQUIRED, reason="the page is not tested in Firefox: none on the PATH"
)


class FirefoxPage:
    """The only tab of a Firefox. The commands are those of https://w3c.github.io/webdriver-bidi/."""

    def __init__(self, connection: ClientConnection) -> None:
        self._connection = connection
        self._numbers = count()
        self._send("session.new", capabilities={})
        self._tab: str = self._send("browsingContext.getTree")["contexts"][0]["context"]

    def open(self, address: str) -> None:
        self._send("browsingContext.navigate", context=self._tab, url=address, wait="complete")

    def evaluate(self, function: str, argument: object = None) -> Any:
        """Call a function of JavaScript in the page, as Playwright's `Page.evaluate` does."""
        script = f"async () => JSON.stringify((await ({function})({json.dumps(argument)})) ?? null)"
        return json.loads(self._call(script)["value"])

    def choose(self, selector: str, files: Sequence[Path]) -> None:
        """Give files to the input of the page that a selector of CSS names."""
        element = self._call(f"() => document.querySelector({json.dumps(selector)})")
        reference = {"sharedId": element["sharedId"]}
        self._send("input.setFiles", context=self._tab, element=reference, files=[str(file) for file in files])

    def _call(self, function: str) -> dict[str, Any]:
        target = {"context": self._tab}
        answer = self._send("script.callFunction", functionDeclaration=function, awaitPromise=True, target=target)
        assert answer["type"] == "success", answer["exceptionDetails"]["text"]
        result: dict[str, Any] = answer["result"]
        return result

    def _send(self, method: str, **parameters: object) -> dict[str, Any]:
        number = next(self._numbers)
        self._connection.send(json.dumps({"id": number, "method": method, "params": parameters}))
        while (answer := json.loads(self._connection.recv())).get("id") != number:
            pass  # an event
        assert answer["type"] == "success", answer
        result: dict[str, Any] = answer["result"]
        return result


@contextmanager
def firefox(profile: Path) -> Iterator[FirefoxPage]:
    """Start Firefox without a window, with an empty profile in the folder."""
    assert FIREFOX, "REQUIRE_FIREFOX is set, but no Firefox is on the PATH"
    command = [FIREFOX, "--headless", "--no-remote", "--profile", str(profile), "--remote-debugging-port", "0"]
    with subprocess.Popen(command, stderr=subprocess.PIPE, stdout=subprocess.DEVNULL, text=True) as process:
        try:
            with connect(f"{_address(process)}/session", max_size=None) as connection:
                yield FirefoxPage(connection)
        finally:
            process.kill()


def _address(process: subprocess.Popen[str]) -> str:
    assert process.stderr is not None
    for line in process.stderr:
        if found := re.search(r"WebDriver BiDi listening on (ws://\S+)", line):
            return found[1]
    raise AssertionError("Firefox ended before it said where it listens")
