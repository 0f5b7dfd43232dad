"""A stand-in for Kaggle on loopback, for the real and unmodified client.

    python -m tests.kaggle_server ARCHIVE [VOTES] -- COMMAND...

serves ARCHIVE, whichever dataset is requested, and VOTES, the csv of FER+, while COMMAND runs, and exits with the code
of COMMAND.

The client can use a Kaggle at `http://localhost`, a mode for Kaggle's own developers. This server is also the proxy for
that address, so it can listen on any port.
"""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from email.message import Message
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from itertools import chain, repeat
from pathlib import Path
from threading import Thread
from typing import Any

from emotion.data.ferplus import NAME, VARIABLE

API = "/api/v1/datasets.DatasetApiService/DownloadDataset"
FILE = "/files/archive.zip"
VOTES = f"/files/{NAME}"
LAST_MODIFIED = "Sun, 19 Jul 2020 00:00:00 GMT"


@dataclass
class Request:
    """A request of the client."""

    method: str
    path: str
    headers: Message
    body: dict[str, Any]


@dataclass
class Kaggle:
    """The state of the server.

    Attributes:
        archive: content of the file that is served.
        api_answers: the answers to the next POST requests to the API.
        file_answers: the answers to the next GET requests for the file.
        vote_answers: the answers to the next GET requests for the votes.
        votes: content of the csv of votes that is served.
        requests: all requests so far.
    """

    archive: bytes
    api_answers: Iterator[Answer]
    file_answers: Iterator[Answer]
    vote_answers: Iterator[Answer]
    votes: bytes = b""
    port: int = 0
    requests: list[Request] = field(default_factory=list)

    def ranges(self) -> list[str | None]:
        """Return the Range header of each GET of the file."""
        return [request.headers["Range"] for request in self.requests if request.method == "GET"]

    def answer(self, *, api: Iterable[Answer] = (), file: Iterable[Answer] = (), votes: Iterable[Answer] = ()) -> None:
        """Give these answers first, and the normal ones after them."""
        self.api_answers = chain(api, repeat(redirect))
        self.file_answers = chain(file, repeat(send_file))
        self.vote_answers = chain(votes, repeat(send_votes))

    def environment(self) -> dict[str, str]:
        """Return the environment of this process with the variables that direct the client to this server."""
        inherited = {
            name: value for name, value in os.environ.items() if name.lower() not in {"no_proxy", "http_proxy"}
        }
        proxy = f"http://127.0.0.1:{self.port}"
        addresses = {"HTTP_PROXY": proxy, "http_proxy": proxy, VARIABLE: f"{proxy}{VOTES}"}
        return {**inherited, "KAGGLE_API_ENVIRONMENT": "LOCALHOST", **addresses}


class Handler(BaseHTTPRequestHandler):
    """Records a request and gives the next answer."""

    kaggle: Kaggle

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self._record(json.loads(body))
        if self.path.endswith(API):
            next(self.kaggle.api_answers)(self)
        else:
            status(404, f"no such service: {self.path}")(self)

    def do_GET(self) -> None:
        self._record({})
        next(self.kaggle.vote_answers if self.path.endswith(VOTES) else self.kaggle.file_answers)(self)

    def _record(self, body: dict[str, Any]) -> None:
        self.kaggle.requests.append(Request(self.command, self.path, self.headers, body))

    def reply(self, code: int, headers: dict[str, str], content: bytes = b"") -> None:
        self.send_response(code)
        for name, value in headers.items():
            self.send_header(name, value)
        self.end_headers()
        # The client closes the connection without reading the body when it resumes with another request.
        with suppress(ConnectionError):
            self.wfile.write(content)

    def log_message(self, format: str, *args: Any) -> None:
        pass


Answer = Callable[[Handler], None]


def redirect(handler: Handler) -> None:
    handler.reply(302, {"Location": f"http://localhost{FILE}", "Content-Length": "0"})


def status(code: int, message: str) -> Answer:
    content = json.dumps({"code": code, "message": message}).encode()
    headers = {"Content-Type": "application/json", "Content-Length": str(len(content))}
    return lambda handler: handler.reply(code, headers, content)


def page(content: bytes) -> Answer:
    """Answer with a page instead of the archive, as a login portal does."""
    return lambda handler: handler.reply(
        200, {"Content-Type": "text/html", "Content-Length": str(len(content))}, content
    )


def disconnect(handler: Handler) -> None:
    """Close the connection without an answer."""
    handler.close_connection = True


def send_file(handler: Handler) -> None:
    _send(handler, handler.kaggle.archive, len(handler.kaggle.archive))


def send_votes(handler: Handler) -> None:
    _send(handler, handler.kaggle.votes, len(handler.kaggle.votes))


def cut_after(length: int) -> Answer:
    """Announce the whole file, send its first bytes and close the connection."""
    return lambda handler: _send(handler, handler.kaggle.archive, length)


def send_instead(content: bytes) -> Answer:
    """Send other content in place of the archive."""
    return lambda handler: _send(handler, content, len(content))


def _send(handler: Handler, content: bytes, end: int) -> None:
    tag = f'"{hashlib.sha256(content).hexdigest()}"'
    headers = {"Content-Type": "application/zip", "Accept-Ranges": "bytes", "ETag": tag, "Last-Modified": LAST_MODIFIED}
    start = 0
    if handler.headers["Range"] and handler.headers["If-Range"] in {None, tag}:
        start = int(handler.headers["Range"].removeprefix("bytes=").removesuffix("-"))
        headers["Content-Range"] = f"bytes {start}-{len(content) - 1}/{len(content)}"
    headers["Content-Length"] = str(len(content) - start)
    handler.reply(206 if start else 200, headers, content[start:end])


@contextmanager
def serving(archive: bytes, votes: bytes = b"") -> Iterator[Kaggle]:
    """Serve on a free port of loopback while the block runs."""
    kaggle = Kaggle(archive, repeat(redirect), repeat(send_file), repeat(send_votes), votes)
    handler = type("BoundHandler", (Handler,), {"kaggle": kaggle})
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        kaggle.port = server.server_port
        thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
        thread.start()
        try:
            yield kaggle
        finally:
            server.shutdown()
            thread.join()


def main(arguments: list[str]) -> int:
    files = arguments[: arguments.index("--")] if "--" in arguments else []
    command = arguments[len(files) + 1 :]
    if not command or len(files) not in {1, 2}:
        print("usage: python -m tests.kaggle_server ARCHIVE [VOTES] -- COMMAND...", file=sys.stderr)
        return 2
    with serving(*(Path(file).read_bytes() for file in files)) as kaggle:
        return subprocess.run(command, env=kaggle.environment(), check=False).returncode


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
