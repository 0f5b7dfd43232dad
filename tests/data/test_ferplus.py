"""Downloads of the votes from a stand-in server on loopback."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from itertools import repeat
from pathlib import Path

import pytest
from kaggle_server import VOTES, Kaggle, disconnect, page, serving, status

from emotion.data import ferplus
from emotion.errors import DataError, DownloadError

CONTENT = b"Usage,Image name\n"


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[Kaggle]:
    monkeypatch.setattr(ferplus, "SHA256", hashlib.sha256(CONTENT).hexdigest())
    with serving(b"", CONTENT) as kaggle:
        monkeypatch.setenv(ferplus.VARIABLE, f"http://127.0.0.1:{kaggle.port}{VOTES}")
        yield kaggle


def test_votes_are_downloaded(server: Kaggle, tmp_path: Path) -> None:
    assert ferplus.read(tmp_path, attempts=1) == CONTENT
    assert [request.method for request in server.requests] == ["GET"]


def test_file_beside_the_faces_is_taken_instead(server: Kaggle, tmp_path: Path) -> None:
    (tmp_path / ferplus.NAME).write_bytes(CONTENT)
    assert ferplus.read(tmp_path, attempts=1) == CONTENT
    assert server.requests == []


@pytest.mark.usefixtures("server")
def test_another_file_beside_the_faces_is_refused(tmp_path: Path) -> None:
    (tmp_path / ferplus.NAME).write_bytes(b"other")
    with pytest.raises(DataError, match=r"fer2013new.csv: expected the file of FER\+ with sha256 .*; replace it"):
        ferplus.read(tmp_path, attempts=1)


def test_busy_server_is_tried_again_after_longer_pauses(server: Kaggle, tmp_path: Path) -> None:
    server.answer(votes=[status(503, "Busy"), disconnect, status(429, "Busy")])
    waits: list[float] = []
    assert ferplus.read(tmp_path, attempts=4, wait=waits.append) == CONTENT
    assert waits == [1, 2, 4]


def test_server_that_stays_busy_is_an_error_that_names_the_other_ways(server: Kaggle, tmp_path: Path) -> None:
    server.answer(votes=repeat(status(503, "Busy")))
    with pytest.raises(
        DownloadError, match=r"cannot download fer2013new.csv .*HTTP 503 .* \(attempt 2, the last\)"
    ) as it:
        ferplus.read(tmp_path, attempts=2, wait=lambda _: None)
    assert "into data/incoming/, or do without votes: -S download.votes=none -S train.votes=0" in str(it.value)
    assert "\n" not in str(it.value)


def test_refusal_is_not_repeated(server: Kaggle, tmp_path: Path) -> None:
    server.answer(votes=repeat(status(404, "Not Found")))
    with pytest.raises(DownloadError, match=r"HTTP 404 \(Not Found\); put fer2013new.csv"):
        ferplus.read(tmp_path, attempts=5)
    assert len(server.requests) == 1


def test_wrong_content_is_downloaded_once_more(server: Kaggle, tmp_path: Path) -> None:
    server.answer(votes=[page(b"<html>log in</html>")])
    assert ferplus.read(tmp_path, attempts=1) == CONTENT
    server.answer(votes=repeat(page(b"<html>log in</html>")))
    with pytest.raises(DownloadError, match=r"with sha256 .*, received .* twice; try again later, put "):
        ferplus.read(tmp_path, attempts=1)
