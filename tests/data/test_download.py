from __future__ import annotations

import hashlib
import io
import json
import os
import shutil
import subprocess
import sys
import tarfile
from collections.abc import Callable, Iterator
from itertools import repeat
from pathlib import Path
from typing import Any
from zipfile import ZipFile

import pytest
import yaml
from csv_files import read_csv
from kaggle_server import Kaggle, main, serving, status

from emotion.data import archives, ferplus
from emotion.data import download as sources
from emotion.errors import DataError
from emotion.stage_run import run_as_command
from emotion.votes import HEADER
from stages.download import download

ROOT = Path(__file__).parents[2]
FACES = {"train/sad/Training_1.jpg": b"1", "test/happy/PrivateTest_2.jpg": b"22"}


@pytest.fixture
def workspace(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty project with the real settings, no votes, one attempt and a sample of 14 + 7 + 7 faces."""
    folder = tmp_path / "workspace"
    (folder / "data/incoming").mkdir(parents=True)
    (folder / "data/incoming/.gitkeep").touch()
    monkeypatch.chdir(folder)
    monkeypatch.setattr(sys, "argv", ["download"])
    choose(votes="none", attempts=1, sample={"train": 2, "validation": 1, "test": 1, "seed": 7})
    return folder


def choose(**changes: Any) -> None:
    path = Path("params.yaml")
    settings = yaml.safe_load((path if path.exists() else ROOT / path).read_text())
    settings["download"].update(changes)
    settings["train"]["votes"] = 0
    path.write_text(yaml.safe_dump(settings))


def line_of_failure() -> str:
    """Run the stage as a command that must fail, and return its error message of one line."""
    with pytest.raises(SystemExit) as caught:
        run_as_command(download)
    line = str(caught.value.code)
    assert line.startswith("download: ")
    assert "\n" not in line
    return line


def source() -> dict[str, Any]:
    content: dict[str, Any] = json.loads(Path("data/raw/source.json").read_text())
    return content


def raw_members() -> dict[str, bytes]:
    return dict(archives.members(Path("data/raw/faces.zip")))


def put_zip(folder: Path) -> None:
    with ZipFile(folder / "mine.zip", "w") as archive:
        for name, content in FACES.items():
            archive.writestr(name, content)


def put_tar(folder: Path) -> None:
    with tarfile.open(folder / "mine.tar.gz", "w:gz") as archive:
        for name, content in FACES.items():
            entry = tarfile.TarInfo(name)
            entry.size = len(content)
            archive.addfile(entry, io.BytesIO(content))


def put_folder(folder: Path) -> None:
    for name, content in FACES.items():
        (folder / "mine" / name).parent.mkdir(parents=True)
        (folder / "mine" / name).write_bytes(content)


@pytest.mark.usefixtures("workspace")
def test_sample_is_drawn_the_same_every_time() -> None:
    choose(source="sample")
    download()
    first = Path("data/raw/faces.zip").read_bytes(), source()
    download()
    assert (Path("data/raw/faces.zip").read_bytes(), source()) == first


@pytest.mark.usefixtures("workspace")
def test_sample_is_described_in_source_json() -> None:
    choose(source="sample")
    download()
    sha256 = archives.content_hash(Path("data/raw/faces.zip"))
    assert source() == {"source": "sample", "dataset": "sample faces", "sha256": sha256, "members": 28}


@pytest.mark.parametrize("put", [put_zip, put_tar, put_folder])
def test_incoming_imports_the_only_archive(workspace: Path, put: Callable[[Path], None]) -> None:
    choose(source="incoming")
    put(workspace / "data/incoming")
    download()
    assert raw_members() == FACES
    assert source()["source"] == "incoming"
    assert source()["dataset"].startswith("mine")
    assert source()["members"] == len(FACES)


@pytest.mark.parametrize("put", [put_zip, put_tar, put_folder])
def test_incoming_of_the_pinned_content_has_the_title_of_the_pinned_dataset(
    workspace: Path, put: Callable[[Path], None]
) -> None:
    put(workspace / "data/incoming")
    pinned = archives.content_hash(sources.find_archive(workspace / "data/incoming"))
    choose(source="incoming", sha256=pinned)
    download()
    title = "FER-2013 (msambare/fer2013, version 1)"
    assert source() == {"source": "incoming", "dataset": title, "sha256": pinned, "members": len(FACES)}


@pytest.mark.usefixtures("workspace")
def test_without_votes_their_csv_is_a_header() -> None:
    choose(source="sample")
    download()
    assert Path("data/raw/votes.csv").read_text() == ",".join(HEADER) + "\n"


@pytest.mark.usefixtures("workspace")
def test_sample_has_drawn_votes_and_the_same_faces() -> None:
    choose(source="sample")
    download()
    faces = Path("data/raw/faces.zip").read_bytes()
    choose(votes="ferplus")
    download()
    assert {line["Image name"] for line in read_csv(Path("data/raw/votes.csv"))} == set(raw_members())
    assert Path("data/raw/faces.zip").read_bytes() == faces


def test_votes_beside_an_incoming_archive_are_no_second_archive(
    workspace: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    choose(source="incoming", votes="ferplus")
    put_zip(workspace / "data/incoming")
    (workspace / "data/incoming/fer2013new.csv").write_bytes(b"votes")
    monkeypatch.setattr(ferplus, "SHA256", hashlib.sha256(b"votes").hexdigest())
    download()
    assert raw_members() == FACES
    assert Path("data/raw/votes.csv").read_bytes() == b"votes"


def test_votes_are_not_downloaded_for_pictures_of_the_user(workspace: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    choose(source="incoming", votes="ferplus")
    put_zip(workspace / "data/incoming")
    monkeypatch.setattr(ferplus, "download", lambda *_: pytest.fail("the votes are downloaded"))
    download()
    assert Path("data/raw/votes.csv").read_text() == ",".join(HEADER) + "\n"


@pytest.mark.parametrize("names", [["train.csv"], ["train.csv", "test.csv"], ["fer2013.csv"]])
def test_votes_are_not_downloaded_for_a_table_without_usage(
    workspace: Path, monkeypatch: pytest.MonkeyPatch, names: list[str]
) -> None:
    choose(source="incoming", votes="ferplus")
    for name in names:
        (workspace / "data/incoming" / name).write_bytes(b"emotion,pixels\n0,1 2 3 usage\n")
    monkeypatch.setattr(ferplus, "download", lambda *_: pytest.fail("the votes are downloaded"))
    download()
    assert Path("data/raw/votes.csv").read_text() == ",".join(HEADER) + "\n"


@pytest.mark.parametrize("form", ["pinned", "csv", "other name", "UTF-16"])
def test_votes_are_downloaded_for_fer2013_of_the_user(
    workspace: Path, monkeypatch: pytest.MonkeyPatch, form: str
) -> None:
    if form != "pinned":
        (workspace / "data/incoming" / f"{'fer2013' if form == 'csv' else 'mine'}.csv").write_bytes(
            "emotion,pixels,Usage\n".encode("utf-16" if form == "UTF-16" else "utf-8")
        )
    else:
        put_zip(workspace / "data/incoming")
        choose(sha256=archives.content_hash(workspace / "data/incoming/mine.zip"))
    choose(source="incoming", votes="ferplus")
    monkeypatch.setattr(ferplus, "download", lambda *_: b"votes")
    download()
    assert Path("data/raw/votes.csv").read_bytes() == b"votes"


def test_incoming_imports_a_csv_as_a_member(workspace: Path) -> None:
    choose(source="incoming")
    (workspace / "data/incoming/fer2013.csv").write_bytes(b"emotion,pixels,Usage\n")
    download()
    assert raw_members() == {"fer2013.csv": b"emotion,pixels,Usage\n"}


@pytest.mark.parametrize("names", [[], ["a.zip", "b.csv"]])
def test_incoming_needs_exactly_one_archive(workspace: Path, names: list[str]) -> None:
    choose(source="incoming")
    for name in names:
        (workspace / "data/incoming" / name).touch()
    found = ", ".join(names) or "no archive"
    expected = (
        "put exactly one archive there (a .zip, .tar.gz or .csv file or a folder); "
        "folders that belong together go into one folder, or are named train, validation and test"
    )
    assert line_of_failure() == f"download: data/incoming/ holds {found}; {expected}"
    assert not Path("data/raw").exists()


@pytest.mark.parametrize(
    "files",
    [
        ("train/sad/1.jpg", "test/sad/2.jpg"),
        ("Training/sad/1.jpg", "PublicTest/sad/2.jpg", "PrivateTest/sad/3.jpg", "README.md"),
        ("train_set/sad/1.jpg", "val/sad/2.jpg", "test/sad/3.jpg"),
        ("icml_face_data.csv", "test.csv", "train.csv"),
        ("train/sad/1.jpg",),
    ],
)
def test_an_archive_unpacked_straight_into_incoming_is_taken_as_a_whole(
    workspace: Path, files: tuple[str, ...]
) -> None:
    choose(source="incoming")
    for name in files:
        (workspace / "data/incoming" / name).parent.mkdir(parents=True, exist_ok=True)
        (workspace / "data/incoming" / name).write_bytes(name.encode())
    (workspace / "data/incoming/fer2013new.csv").write_bytes(b"votes")
    download()
    assert raw_members() == {name: name.encode() for name in files}
    assert source()["dataset"] == "incoming"


def test_files_of_operating_systems_are_ignored_in_incoming_and_in_its_folders(workspace: Path) -> None:
    choose(source="incoming")
    for name in ("train/sad/1.jpg", "test/sad/2.jpg", "__MACOSX/train/sad/._1.jpg", "test/Thumbs.db", ".DS_Store"):
        (workspace / "data/incoming" / name).parent.mkdir(parents=True, exist_ok=True)
        (workspace / "data/incoming" / name).write_bytes(name.encode())
    download()
    assert list(raw_members()) == ["test/sad/2.jpg", "train/sad/1.jpg"]
    (workspace / "data/incoming/desktop.ini").touch()
    shutil.rmtree(workspace / "data/incoming/train")
    shutil.move(workspace / "data/incoming/test", workspace / "data/incoming/mine")
    assert sources.find_archive(workspace / "data/incoming").name == "mine"


@pytest.mark.parametrize("names", [("train", "mine"), ("train", "test", "faces.zip")])
def test_folders_that_may_not_belong_together_are_refused(workspace: Path, names: tuple[str, ...]) -> None:
    choose(source="incoming")
    for name in names:
        path = workspace / "data/incoming" / name
        path.touch() if path.suffix else path.mkdir()
    assert line_of_failure().startswith(f"download: data/incoming/ holds {', '.join(sorted(names))}; put exactly one ")


def test_many_files_in_incoming_are_counted_and_ten_named(workspace: Path) -> None:
    choose(source="incoming")
    for number in range(12):
        (workspace / f"data/incoming/{number:02}.jpg").touch()
    assert "holds 00.jpg, 01.jpg," in line_of_failure()
    assert "09.jpg and 2 more; put" in line_of_failure()


def test_votes_are_not_downloaded_for_a_list_of_labels_beside_pictures(
    workspace: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    choose(source="incoming", votes="ferplus")
    put_folder(workspace / "data/incoming")
    (workspace / "data/incoming/mine/train_labels.csv").write_bytes(b"image,label\n")
    monkeypatch.setattr(ferplus, "download", lambda *_: pytest.fail("the votes are downloaded"))
    download()
    assert Path("data/raw/votes.csv").read_text() == ",".join(HEADER) + "\n"


def test_a_damaged_archive_leaves_no_partial_file(workspace: Path) -> None:
    choose(source="incoming")
    put_zip(workspace / "data/incoming")
    path = workspace / "data/incoming/mine.zip"
    path.write_bytes(path.read_bytes().replace(b"22", b"33"))
    assert "mine.zip: the archive is damaged (" in line_of_failure()
    assert list(Path("data/raw").iterdir()) == []


def test_an_unsafe_archive_leaves_no_partial_file(workspace: Path) -> None:
    choose(source="incoming")
    with ZipFile(workspace / "data/incoming/mine.zip", "w") as archive:
        archive.writestr("../../params.yaml", "")
    assert "mine.zip: the path '../../params.yaml' leads out of the archive; do not" in line_of_failure()
    assert list(Path("data/raw").iterdir()) == []


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="expected /dev/full, which only Linux has")
@pytest.mark.parametrize("name", ["faces.zip", "source.json"])
def test_a_full_disk_is_one_line_and_leaves_no_partial_file(workspace: Path, name: str) -> None:
    choose(source="sample")
    temporary = workspace / "data/raw" / f".{Path(name).stem}.partial{Path(name).suffix}"
    temporary.parent.mkdir()
    temporary.symlink_to("/dev/full")
    assert f"No space left on device: 'data/raw/{name}'; " in line_of_failure()
    assert not (workspace / "data/raw" / name).exists()
    assert not list((workspace / "data/raw").glob(".*"))


@pytest.mark.usefixtures("workspace")
def test_settings_are_checked_first() -> None:
    choose(source="kagle")
    assert "download.source: expected 'kaggle', 'sample' or 'incoming', received 'kagle'" in line_of_failure()


def test_title_of_a_known_and_of_an_unknown_dataset() -> None:
    assert sources.title_of("msambare/fer2013/1") == "FER-2013 (msambare/fer2013, version 1)"
    assert sources.title_of("someone/faces/12") == "someone/faces, version 12"


def test_a_missing_incoming_folder_is_an_empty_one(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="/incoming/ holds no archive; put exactly one"):
        sources.find_archive(tmp_path / "incoming")


# The tests below run the stage as dvc.yaml does, in a process of its own, with the real client of Kaggle.


@pytest.fixture
def server(workspace: Path) -> Iterator[Kaggle]:
    path = workspace.parent / "served.zip"
    archives.write_canonical(FACES.items(), path)
    choose(sha256=archives.content_hash(path))
    with serving(path.read_bytes()) as kaggle:
        yield kaggle


def run_stage(server: Kaggle, home: Path) -> subprocess.CompletedProcess[str]:
    home.mkdir(exist_ok=True)
    personal = ("XDG_", "KAGGLE_API_TOKEN", "KAGGLE_USERNAME", "KAGGLE_KEY", "KAGGLE_CONFIG_DIR")
    inherited = {name: value for name, value in server.environment().items() if not name.startswith(personal)}
    return subprocess.run(
        [sys.executable, "-m", "stages.download"],
        env={**inherited, "HOME": str(home), "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=False,
    )


def test_kaggle_download_becomes_the_canonical_zip_and_nothing_else(server: Kaggle, tmp_path: Path) -> None:
    result = run_stage(server, tmp_path / "home")
    assert result.returncode == 0, result.stderr
    assert "100%" in result.stderr
    assert Path("data/raw/faces.zip").read_bytes() == server.archive
    assert source() == {
        "source": "kaggle",
        "dataset": "FER-2013 (msambare/fer2013, version 1)",
        "sha256": archives.content_hash(Path("data/raw/faces.zip")),
        "members": len(FACES),
    }
    assert not list(Path("build").iterdir())
    assert not list((tmp_path / "home").iterdir())


def test_credentials_of_the_user_are_used(server: Kaggle, tmp_path: Path) -> None:
    settings = tmp_path / "home/.config/kaggle/kaggle.json"
    settings.parent.mkdir(parents=True)
    settings.write_text('{"username": "someone", "key": "secret"}')
    settings.chmod(0o600)
    assert run_stage(server, tmp_path / "home").returncode == 0
    assert server.requests[0].headers["Authorization"].startswith("Basic ")


def test_a_kaggle_failure_is_one_line_without_traceback(server: Kaggle, tmp_path: Path) -> None:
    server.answer(api=repeat(status(404, "Dataset not found")))
    result = run_stage(server, tmp_path / "home")
    assert result.returncode == 1
    assert result.stderr.splitlines() == [
        "download: cannot download msambare/fer2013/1 from Kaggle: HTTP 404 (Dataset not found); "
        "check owner, name and version of download.dataset, or do without Kaggle: "
        "dvc exp run -S download.source=sample (drawn faces) "
        "or dvc exp run -S download.source=incoming (the archive in data/incoming/)"
    ]
    assert not Path("data/raw").exists()


def test_votes_that_cannot_be_had_are_one_line(server: Kaggle, tmp_path: Path) -> None:
    choose(votes="ferplus")
    server.answer(votes=repeat(status(503, "Busy")))
    result = run_stage(server, tmp_path / "home")
    assert result.returncode == 1
    assert result.stderr.splitlines()[-1] == (
        f"download: cannot download fer2013new.csv from 127.0.0.1:{server.port}: HTTP 503 (Service Unavailable) "
        "(attempt 1, the last); run it again later to continue, or put fer2013new.csv of github.com/microsoft/FERPlus "
        "into data/incoming/, or do without votes: -S download.votes=none -S train.votes=0"
    )
    assert "Traceback" not in result.stderr
    # The next run continues with the archive of Kaggle that is there.
    assert Path("build/download/msambare/fer2013/1/fer2013.zip").read_bytes() == server.archive


def test_the_stand_in_server_runs_a_command_and_returns_its_exit_code(tmp_path: Path) -> None:
    (tmp_path / "archive.zip").write_bytes(b"")
    program = "import os, sys; sys.exit(3 if os.environ['KAGGLE_API_ENVIRONMENT'] == 'LOCALHOST' else 4)"
    assert main([str(tmp_path / "archive.zip"), "--", sys.executable, "-c", program]) == 3


def test_the_stand_in_server_serves_the_votes_of_a_file(tmp_path: Path) -> None:
    (tmp_path / "archive.zip").write_bytes(b"")
    (tmp_path / "votes.csv").write_bytes(b"votes")
    program = "import os, requests; assert requests.get(os.environ['EMOTION_VOTES_URL']).content == b'votes'"
    files = [str(tmp_path / "archive.zip"), str(tmp_path / "votes.csv")]
    assert main([*files, "--", sys.executable, "-c", program]) == 0


@pytest.mark.fer2013
@pytest.mark.skipif("FER2013_ARCHIVE" not in os.environ, reason="FER2013_ARCHIVE is not set")
@pytest.mark.usefixtures("workspace")
def test_the_real_archive_passes_through(tmp_path: Path) -> None:
    settings = yaml.safe_load((ROOT / "params.yaml").read_text())["download"]
    with serving(Path(os.environ["FER2013_ARCHIVE"]).read_bytes()) as server:
        result = run_stage(server, tmp_path / "home")
    assert result.returncode == 0, result.stderr
    assert source()["sha256"] == settings["sha256"]
    assert source()["members"] == 35_887
