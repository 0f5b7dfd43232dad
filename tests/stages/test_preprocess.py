from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
import yaml
from csv_files import read_csv
from small_archives import Members, encode, noise, pictures, row, rows, table

from emotion import dataset
from emotion.data.archives import write_canonical
from emotion.data.class_names import ORDERS
from emotion.errors import DataError
from emotion.files import read_json, write_csv
from emotion.labels import CSV_CODES, NAMES, SPLITS
from emotion.stage_run import run_as_command
from emotion.votes import HEADER
from stages.preprocess import preprocess

ROOT = Path(__file__).parents[2]
OUTS = [*(f"data/faces/{split}.npz" for split in SPLITS), "metrics/data.json", "plots/data/classes.csv"]
SETTINGS = {
    "split": "official",
    "classes": list(NAMES),
    "validation_fraction": 0.25,
    "seed": 0,
    "on_bad_image": "fail",
    "duplicates": "keep",
    "not_faces": "keep",
    "class_names": {},
}


def prepare(folder: Path, archive: Members, votes: Sequence[Sequence[object]] = (), **changes: object) -> None:
    settings = yaml.safe_load((ROOT / "params.yaml").read_text())
    settings["preprocess"] = {**SETTINGS, **changes}
    (folder / "params.yaml").write_text(yaml.safe_dump(settings))
    write_canonical(archive, folder / "data/raw/faces.zip")
    write_csv(folder / "data/raw/votes.csv", HEADER, votes)


def files_of(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def run(folder: Path) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-W", "error", "-m", "stages.preprocess"]
    return subprocess.run(
        command, cwd=folder, env={**os.environ, "PYTHONPATH": str(ROOT)}, capture_output=True, text=True, check=False
    )


@pytest.fixture(autouse=True)
def _no_arguments(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(sys, "argv", ["preprocess"])
    monkeypatch.chdir(tmp_path)


def failure(folder: Path) -> str:
    """Run the stage as a command; it must end with one line and write nothing."""
    before = files_of(folder)
    with pytest.raises(SystemExit) as caught:
        run_as_command(preprocess)
    text = str(caught.value.code)
    assert text.startswith("preprocess: ")
    assert "\n" not in text
    assert files_of(folder) == before
    return text


def test_command_writes_all_its_outputs(tmp_path: Path) -> None:
    prepare(tmp_path, pictures(2))
    before = set(files_of(tmp_path))
    result = run(tmp_path)
    assert (result.returncode, result.stdout, result.stderr) == (0, "", "")
    assert set(files_of(tmp_path)) - before == set(OUTS)
    train = dataset.load(tmp_path / "data/faces/train.npz")
    assert train.classes == NAMES
    assert train.names[0] == "train/angry/Training_0.png"
    summary = read_json(tmp_path / "metrics/data.json")
    assert list(summary) == ["faces", "duplicates", "dropped", "converted", "label_conflicts"]
    assert summary["faces"] == {"train": 14, "validation": 14, "test": 14}
    counts = read_csv(tmp_path / "plots/data/classes.csv")
    assert counts[0] == {"split": "train", "class": "angry", "faces": "2"}
    assert len(counts) == len(SPLITS) * len(NAMES)


def test_votes_are_in_the_dataset_files_and_counted(tmp_path: Path) -> None:
    voted = ("Training", "train/angry/Training_0.png", 0, 0, 0, 3, 6, 0, 0, 0, 1, 0)
    no_face = ("PublicTest", "test/sad/PublicTest_1.png", *[0] * 9, 10)
    prepare(tmp_path, pictures(2), (voted, no_face))
    preprocess()
    train = dataset.load(tmp_path / "data/faces/train.npz")
    assert train.votes[train.names == "train/angry/Training_0.png"].tolist() == [[0, 0, 0, 3, 6, 0, 0, 0, 1, 0]]
    assert train.votes.sum() == 10
    assert read_json(tmp_path / "metrics/data.json")["votes"] == {"with": 2, "without": 40, "no_face": 1}


def test_same_archive_gives_the_same_bytes_whatever_the_order_of_its_members(tmp_path: Path) -> None:
    outs = []
    for archive in (pictures(4), pictures(4)[::-1]):
        prepare(tmp_path, archive, split="folders")
        preprocess()
        outs.append({name: files_of(tmp_path)[name] for name in OUTS})
    assert outs[0] == outs[1]


def test_dropped_faces_and_left_out_classes_are_printed(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    archive = [*pictures(2), ("train/sad/Training_x.jpg", b"text"), ("train/contempt/Training_1.jpg", b"")]
    prepare(tmp_path, archive, on_bad_image="drop")
    preprocess()
    assert capsys.readouterr().out.splitlines() == [
        "dropped train/sad/Training_x.jpg (not_an_image): "
        "not a picture in a supported format (JPEG, PNG, WebP, BMP, TIFF, GIF, AVIF, HEIC)",
        "left out contempt (1)",
    ]


def test_ten_dropped_faces_are_printed_and_the_others_counted(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    bad = [(f"train/sad/Training_x{number:03}.jpg", b"text") for number in range(25)]
    prepare(tmp_path, [*pictures(2), *bad], on_bad_image="drop")
    preprocess()
    *listed, last = capsys.readouterr().out.splitlines()
    assert [line.split(" (")[0] for line in listed] == [f"dropped {name}" for name, _ in bad[:10]]
    assert last == "dropped 15 more (not_an_image 15)"


def test_numbered_folders_are_read_and_what_they_were_taken_for_is_printed(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    codes = {name: code for code, name in enumerate(CSV_CODES)}
    archive = [(f"{half}/{codes[name]}/{file}", content) for half, name, file, content in _parts(pictures(2))]
    prepare(tmp_path, archive)
    preprocess()
    assert dataset.load(tmp_path / "data/faces/train.npz").counts() == dict.fromkeys(NAMES, 2)
    assert capsys.readouterr().out == (
        "class folders: 0 is angry, 1 is disgust, 2 is fear, 3 is happy, 4 is sad, 5 is surprise, 6 is neutral "
        "(as in FER-2013)\n"
    )


def test_numbers_that_the_setting_does_not_name_are_told_apart_also_when_the_stage_fails(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    numbers = {name: number for number, name in ORDERS["RAF-DB"].items()}
    archive = [(f"{half}/{numbers[name]}/{file}", content) for half, name, file, content in _parts(pictures(2))]
    prepare(tmp_path, archive, class_names={1: "neutral"})
    with pytest.raises(DataError, match="no faces of surprise"):
        preprocess()
    assert capsys.readouterr().out == (
        "class folders: 2 is fear, 3 is disgust, 4 is happy, 5 is sad, 6 is angry, 7 is neutral (as in RAF-DB); "
        "1 is neutral (preprocess.class_names)\n"
    )


def test_setting_says_what_a_folder_means(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    archive = [(name.replace("/happy/", "/Joy/"), content) for name, content in pictures(2)]
    prepare(tmp_path, archive, class_names={"joy": "happy"})
    preprocess()
    assert dataset.load(tmp_path / "data/faces/train.npz").counts()["happy"] == 2
    assert capsys.readouterr().out == "class folders: joy is happy (preprocess.class_names)\n"


def _parts(archive: Members) -> list[tuple[str, str, str, bytes]]:
    return [(*name.split("/"), content) for name, content in archive]  # type: ignore[misc]


def changed(number: int, value: str) -> Members:
    line = row()
    line[number] = value
    return [("fer2013.csv", table([*rows(2), line]))]


@pytest.mark.parametrize(
    ("archive", "expected"),
    [
        (
            [*pictures(2), ("train/sad/Training_x.jpg", encode(noise(1), "JPEG")[:-500])],
            "cannot use 1 face (truncated 1;",
        ),
        ([*pictures(2), ("train/sad/Training_x.jpg", b"a text\n")], "cannot use 1 face (not_an_image 1;"),
        (pictures(2, NAMES[1:]), "no faces of angry; name the folders"),
        ([("cats/1.jpg", b""), ("dogs/1.jpg", b"")], "sad, surprise; found instead: cats (1), dogs (1)"),
        ([("fer2013.csv", b"emotion,Usage\n")], "add pixels"),
        ([("fer2013.csv", b"emotion,pixels,Usage\n")], "fer2013.csv has no rows below the header"),
        (changed(1, "1 2 3"), "fer2013.csv:44: expected 2304 pixels, received 3"),
        (changed(1, "x " + row()[1].partition(" ")[2]), "fer2013.csv:44: expected pixels from 0 to 255, received 'x'"),
        (
            changed(1, "256 " + row()[1].partition(" ")[2]),
            "fer2013.csv:44: expected pixels from 0 to 255, received '256'",
        ),
        (changed(0, "9"), "fer2013.csv:44: expected emotion 0 to 6 or the name of a class, received '9'"),
        ([(name.replace("_", ""), content) for name, content in pictures(2)], "use -S preprocess.split=folders"),
    ],
)
def test_bad_archive_ends_in_one_line(tmp_path: Path, archive: Members, expected: str) -> None:
    prepare(tmp_path, archive)
    assert expected in failure(tmp_path)


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"split": "offical"}, "preprocess.split: expected 'official', 'folders' or 'random', received 'offical'"),
        ({"validation_fraction": 1.5}, "preprocess.validation_fraction: expected a number > 0 and < 1, received 1.5"),
        ({"classes": ["angry", "bored"]}, "preprocess.classes.1: expected 'angry', "),
        ({"class_names": {"joy": "joyful"}}, "preprocess.class_names.joy: expected 'angry', "),
        ({"clases": []}, "preprocess.clases: unknown key (did you mean classes?)"),
    ],
)
def test_bad_setting_ends_in_one_line(tmp_path: Path, changes: dict[str, Any], expected: str) -> None:
    prepare(tmp_path, pictures(1), **changes)
    assert expected in failure(tmp_path)


def test_missing_archive_ends_in_one_line(tmp_path: Path) -> None:
    prepare(tmp_path, pictures(1))
    (tmp_path / "data/raw/faces.zip").unlink()
    assert "data/raw/faces.zip" in failure(tmp_path)


def test_command_lists_every_bad_picture_and_ends_with_exit_code_and_line(tmp_path: Path) -> None:
    bad = [(f"train/sad/Training_x{number}.jpg", b"text") for number in range(9)]
    prepare(tmp_path, [*pictures(2), *bad])
    result = run(tmp_path)
    assert result.returncode == 1
    assert result.stdout == ""
    *listed, line = result.stderr.splitlines()
    assert [text.split(" (")[0] for text in listed] == [f"cannot use {name}" for name, _ in bad]
    assert line.startswith("preprocess: cannot use 9 faces (not_an_image 9; all are listed above)")


def test_stage_does_not_import_the_heavy_packages() -> None:
    heavy = "tensorflow keras pandas sklearn cv2"
    script = f"import sys, stages.preprocess; print(*set({heavy.split()}) & set(sys.modules))"
    result = subprocess.run([sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True, check=True)
    assert result.stdout.strip() == ""
