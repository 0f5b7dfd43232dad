"""Downloads with the real, unmodified client of Kaggle from a stand-in server on loopback."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable, Iterator
from itertools import repeat
from pathlib import Path
from zipfile import ZipFile

import pytest
from kaggle_server import Kaggle, cut_after, disconnect, page, send_instead, serving, status

from emotion.data import archives, kaggle
from emotion.errors import DownloadError

DATASET = "owner/faces/3"
CHUNK = 2**20
"""Bytes that the client writes at once; an interrupted download loses the chunk that it was reading."""


def forget_client() -> None:
    for name in [name for name in sys.modules if name.split(".")[0] in {"kaggle", "kagglesdk"}]:
        del sys.modules[name]


@pytest.fixture(scope="module", autouse=True)
def client_for_loopback(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Import the client anew, with the address of the stand-in and no credentials, both of which it reads only then."""
    with pytest.MonkeyPatch.context() as patch:
        for name in [name for name in os.environ if name.startswith("KAGGLE_")]:
            patch.delenv(name)
        patch.setenv("HOME", str(tmp_path_factory.mktemp("home")))
        patch.setenv("KAGGLE_API_ENVIRONMENT", "LOCALHOST")
        forget_client()
        yield
        forget_client()


@pytest.fixture
def archive(tmp_path: Path) -> bytes:
    path = tmp_path / "served.zip"
    archives.write_canonical({f"train/sad/{number}.jpg": os.urandom(CHUNK // 8) for number in range(20)}.items(), path)
    return path.read_bytes()


@pytest.fixture
def server(archive: bytes, monkeypatch: pytest.MonkeyPatch) -> Iterator[Kaggle]:
    with serving(archive) as kaggle:
        monkeypatch.delenv("NO_PROXY", raising=False)
        monkeypatch.delenv("no_proxy", raising=False)
        for name, value in kaggle.environment().items():
            monkeypatch.setenv(name, value)
        yield kaggle


@pytest.fixture
def client_naps(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """The client's own pauses between attempts to resume, recorded and skipped."""
    naps: list[float] = []
    monkeypatch.setattr(time, "sleep", naps.append)
    return naps


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "scratch"


@pytest.fixture
def hash_of_archive(tmp_path: Path, archive: bytes) -> str:
    (tmp_path / "hashed.zip").write_bytes(archive)
    return archives.content_hash(tmp_path / "hashed.zip")


def test_the_pinned_version_is_requested_and_saved(server: Kaggle, folder: Path) -> None:
    path = kaggle.download(DATASET, folder, attempts=1)
    assert path == folder / "faces.zip"
    assert path.read_bytes() == server.archive
    assert server.requests[0].body == {"ownerSlug": "owner", "datasetSlug": "faces", "datasetVersionNumber": 3}


@pytest.mark.usefixtures("server")
def test_a_progress_bar_is_shown(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    kaggle.download(DATASET, folder, attempts=1)
    assert "100%" in capsys.readouterr().err


@pytest.mark.usefixtures("server")
def test_importing_the_client_prints_no_request_to_log_in(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    forget_client()
    kaggle.download(DATASET, folder, attempts=1)
    assert "Authentication" not in capsys.readouterr().out


@pytest.mark.parametrize("faults", [[429], [503], [500, 429, 502, 408]])
def test_a_busy_kaggle_is_tried_again_after_longer_pauses(server: Kaggle, folder: Path, faults: list[int]) -> None:
    server.answer(api=[status(code, "Busy") for code in faults])
    waits: list[float] = []
    path = kaggle.download(DATASET, folder, attempts=5, wait=waits.append)
    assert waits == [1, 2, 4, 8][: len(faults)]
    assert path.read_bytes() == server.archive


def test_the_client_prints_its_output_once_and_not_at_each_attempt(
    server: Kaggle, folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    server.answer(api=[status(503, "Busy")] * 3)
    kaggle.download(DATASET, folder, attempts=4, wait=lambda _: None)
    assert capsys.readouterr().out.count("Dataset URL") == 1


def test_a_closed_connection_is_tried_again(server: Kaggle, folder: Path) -> None:
    server.answer(api=[disconnect], file=[disconnect])
    waits: list[float] = []
    assert kaggle.download(DATASET, folder, attempts=3, wait=waits.append).read_bytes() == server.archive
    assert waits == [1, 2]


def test_a_kaggle_that_stays_busy_is_an_error_after_the_last_attempt(server: Kaggle, folder: Path) -> None:
    server.answer(api=repeat(status(503, "Overloaded")))
    waits: list[float] = []
    with pytest.raises(DownloadError, match=r"HTTP 503 \(Overloaded\) \(attempt 4, the last\); run it") as caught:
        kaggle.download(DATASET, folder, attempts=4, wait=waits.append)
    assert waits == [1, 2, 4]
    assert len(server.requests) == 4
    assert "-S download.source=sample" in str(caught.value)
    assert "data/incoming/" in str(caught.value)


@pytest.mark.usefixtures("server")
def test_an_unreachable_kaggle_names_the_other_sources(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with serving(b"") as gone:
        pass
    monkeypatch.setenv("http_proxy", f"http://127.0.0.1:{gone.port}")
    with pytest.raises(DownloadError, match=r"Kaggle: no connection \(Failed to establish .*refused\)") as caught:
        kaggle.download(DATASET, folder, attempts=1)
    assert "-S download.source=sample" in str(caught.value)
    assert "data/incoming/" in str(caught.value)
    assert "Connection(" not in str(caught.value)


@pytest.mark.parametrize(
    ("code", "advice"),
    [
        (401, "renew or remove your Kaggle token"),
        (403, "accept the dataset's terms"),
        (404, "check owner, name and version"),
        (418, "kaggle.com/docs"),
    ],
)
def test_a_refusal_explains_itself_and_is_not_repeated(server: Kaggle, folder: Path, code: int, advice: str) -> None:
    server.answer(api=repeat(status(code, "No")))
    with pytest.raises(DownloadError, match=rf"^cannot download {DATASET} from Kaggle: HTTP {code} \(No\); .*{advice}"):
        kaggle.download(DATASET, folder, attempts=5)
    assert len(server.requests) == 1


def test_an_interrupted_download_is_resumed(server: Kaggle, folder: Path, client_naps: list[float]) -> None:
    server.answer(file=[cut_after(CHUNK)])
    assert kaggle.download(DATASET, folder, attempts=1).read_bytes() == server.archive
    assert server.ranges() == [None, f"bytes={CHUNK}-"]
    assert len(client_naps) == 1


def test_the_next_call_resumes_an_interrupted_download(server: Kaggle, folder: Path, client_naps: list[float]) -> None:
    server.answer(file=[cut_after(CHUNK), *[disconnect] * 5])
    with pytest.raises(DownloadError, match="run it again later to continue"):
        kaggle.download(DATASET, folder, attempts=1)
    assert kaggle.download(DATASET, folder, attempts=1).read_bytes() == server.archive
    assert server.ranges()[-1] == f"bytes={CHUNK}-"
    assert len(client_naps) == 5


@pytest.mark.usefixtures("client_naps")
def test_an_error_page_never_becomes_part_of_the_archive(server: Kaggle, folder: Path) -> None:
    busy = status(503, "Overloaded")
    server.answer(file=[cut_after(CHUNK), busy, busy])
    waits: list[float] = []
    path = kaggle.download(DATASET, folder, attempts=2, wait=waits.append)
    assert waits == [1]
    assert path.read_bytes() == server.archive


def test_a_download_of_the_expected_content_passes(server: Kaggle, folder: Path, hash_of_archive: str) -> None:
    path = kaggle.download_verified(DATASET, hash_of_archive, folder, attempts=1)
    assert path.read_bytes() == server.archive
    assert len(server.ranges()) == 1


def wrong_zip(archive: bytes) -> bytes:
    return archive.replace(b"train/sad/7.jpg", b"train/sad/6.jpg")


def damaged_zip(archive: bytes) -> bytes:
    return archive[:400] + bytes([archive[400] ^ 255]) + archive[401:]


@pytest.mark.parametrize("spoil", [wrong_zip, damaged_zip])
def test_wrong_bytes_of_the_right_length_are_downloaded_again_once(
    server: Kaggle, folder: Path, hash_of_archive: str, spoil: Callable[[bytes], bytes]
) -> None:
    server.answer(file=[send_instead(spoil(server.archive))])
    path = kaggle.download_verified(DATASET, hash_of_archive, folder, attempts=1)
    assert path.read_bytes() == server.archive
    assert server.ranges() == [None, None]


def test_a_second_wrong_archive_is_an_error_and_is_deleted(server: Kaggle, folder: Path, hash_of_archive: str) -> None:
    expected = "0" * 64
    with pytest.raises(DownloadError, match=f"sha256 {expected}, received {hash_of_archive} twice; .*download.sha256"):
        kaggle.download_verified(DATASET, expected, folder, attempts=1)
    assert server.ranges() == [None, None]
    assert not folder.exists()


@pytest.mark.parametrize(
    ("content", "received"),
    [
        (
            b"<html>Please log in to this network</html>",
            r"received a web page \(does this network ask for a login\?\) twice;",
        ),
        (b"\n <!DOCTYPE html>", "received a web page"),
        (b"not a zip", r"received an unusable archive \(File is not a zip file\) twice;"),
    ],
)
def test_a_file_that_is_not_a_zip_is_an_error_and_is_deleted(
    server: Kaggle, folder: Path, hash_of_archive: str, content: bytes, received: str
) -> None:
    server.answer(api=repeat(page(content)))
    with pytest.raises(DownloadError, match=received) as caught:
        kaggle.download_verified(DATASET, hash_of_archive, folder, attempts=1)
    assert not folder.exists()
    assert str(folder) not in str(caught.value)


def test_an_unsafe_zip_is_an_error_without_the_name_of_the_deleted_file(
    server: Kaggle, folder: Path, tmp_path: Path
) -> None:
    with ZipFile(tmp_path / "unsafe.zip", "w") as archive:
        archive.writestr("../a.jpg", b"")
    server.answer(file=repeat(send_instead((tmp_path / "unsafe.zip").read_bytes())))
    with pytest.raises(DownloadError, match=r"received an unusable archive \(the path '../a.jpg' leads out") as caught:
        kaggle.download_verified(DATASET, "0" * 64, folder, attempts=1)
    assert str(folder) not in str(caught.value)


def test_a_complete_archive_of_an_earlier_run_is_not_downloaded_again(
    server: Kaggle, folder: Path, hash_of_archive: str, capsys: pytest.CaptureFixture[str]
) -> None:
    folder.mkdir()
    (folder / "faces.zip").write_bytes(server.archive)
    kaggle.download_verified(DATASET, hash_of_archive, folder, attempts=1)
    assert "Skipping" in capsys.readouterr().out


def test_a_wrong_archive_of_an_earlier_run_is_replaced(server: Kaggle, folder: Path, hash_of_archive: str) -> None:
    folder.mkdir()
    (folder / "faces.zip").write_bytes(wrong_zip(server.archive))
    path = kaggle.download_verified(DATASET, hash_of_archive, folder, attempts=1)
    assert path.read_bytes() == server.archive


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="expected /dev/full, which only Linux has")
@pytest.mark.usefixtures("server")
def test_a_full_disk_leaves_nothing(folder: Path, client_naps: list[float]) -> None:
    folder.mkdir()
    (folder / "faces.zip").symlink_to("/dev/full")
    with pytest.raises(OSError, match="No space left"):
        kaggle.download_verified(DATASET, "0" * 64, folder, attempts=5)
    assert not folder.exists()
    assert client_naps
