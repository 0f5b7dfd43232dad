from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

import numpy as np
import pytest
from small_archives import Members, noise, row, rows, table

from emotion.data.layouts import read_class_names, read_records
from emotion.data.records import Fault, Record
from emotion.errors import DataError
from emotion.labels import CSV_CODES


def records(members: Members) -> list[Record]:
    found = list(read_records(members))
    assert not [record for record in found if isinstance(record, Fault)]
    return [record for record in found if isinstance(record, Record)]


def only_fault(line: list[str]) -> Fault:
    before, fault = read_records([("fer2013.csv", table([row(), line]))])
    assert isinstance(before, Record)
    assert isinstance(fault, Fault)
    return fault


@pytest.mark.parametrize(
    ("name", "emotion", "folder", "official"),
    [
        ("train/angry/Training_10131363.jpg", "angry", "train", "train"),
        ("test/sad/PublicTest_1.jpg", "sad", "test", "validation"),
        ("test/sad/PrivateTest_1.jpg", "sad", "test", "test"),
        ("Training/Training/Happy/Training_1.jpg", "happy", "train", "train"),
        ("Testing/Testing/Suprise/PrivateTest_1.jpg", "surprise", "test", "test"),
        ("fer2013/images/TRAIN/DISGUST/Training_1.JPG", "disgust", "train", "train"),
        ("train/fearful/holiday photo (3).webp", "fear", "train", None),
        ("test/neutral/no suffix", "neutral", "test", None),
        ("my training/test/neutral/x.png", "neutral", "test", None),
        ("Training/test/sad/x.jpg", "sad", "test", None),
        ("Training/train/sad/x.jpg", "sad", "train", None),
        ("test/faces/Train/sad/x.jpg", "sad", "train", None),
        ("angry/Training_1.jpg", "angry", None, "train"),
        ("train/contempt/x.jpg", "contempt", "train", None),
        ("x.jpg", "", None, None),
        ("train/angry/MyTraining_1.jpg", "angry", "train", None),
        ("val/angry/x.jpg", "angry", "validation", None),
        ("faces/Valid/angry/x.jpg", "angry", "validation", None),
        ("validation/0_angry/x.jpg", "angry", "validation", None),
        ("dev/scared/x.jpg", "fear", "validation", None),
        ("eval/Anger /x.jpg", "angry", "validation", None),
        ("train_set/contempt/x.jpg", "contempt", "train", None),
        ("Training/angry/x.jpg", "angry", "train", "train"),
        ("PublicTest/angry/x.jpg", "angry", "validation", "validation"),
        ("privatetest/angry/x.jpg", "angry", "test", "test"),
        ("train/03/x.jpg", "3", "train", None),
    ],
)
def test_class_half_and_official_split_are_read_from_the_name(
    name: str, emotion: str, folder: str | None, official: str | None
) -> None:
    assert records([(name, b"content")]) == [Record(name, emotion, folder, official, b"content")]


@pytest.mark.parametrize("name", ["README", "fer2013/fer2013.bib", "train/labels.txt"])
def test_files_that_are_not_faces_are_skipped(name: str) -> None:
    assert records([(name, b"text")]) == []


def test_any_other_file_in_a_class_folder_is_taken_as_a_face() -> None:
    assert [record.name for record in records([("train/angry/notes.txt", b"text")])] == ["train/angry/notes.txt"]


def test_numbered_folders_are_named_by_their_set_and_by_the_settings() -> None:
    names = [f"train/{number}/x.jpg" for number in range(1, 8)]
    assert read_class_names([*names, "train/labels/9.csv"], {"joy": "happy", 7: "contempt"}) == {
        "1": "surprise",
        "2": "fear",
        "3": "disgust",
        "4": "happy",
        "5": "sad",
        "6": "angry",
        "7": "contempt",
        "joy": "happy",
    }


def test_pictures_in_numbered_folders_are_not_described_by_a_table_beside_them() -> None:
    members = [("train_labels.csv", b"image,label\n"), ("train/1/a.jpg", b"a")]
    (found,) = read_records(members, {"1": "surprise"})
    assert isinstance(found, Record)
    assert (found.name, found.emotion) == ("train/1/a.jpg", "surprise")


@pytest.mark.parametrize(
    ("names", "dataset"),
    [
        (("basic/EmoLabel/list_patition_label.txt", "basic/Image/aligned/train_00001_aligned.jpg"), "RAF-DB"),
        (("train_set/annotations/0_exp.npy", "train_set/images/0.jpg"), "AffectNet"),
        (("data/FER2013Train/fer0000000.png", "data/FER2013Train/label.csv"), "FER\\+"),
        (("YOLO_format/train/images/0.png", "YOLO_format/train/labels/0.txt"), "the YOLO form of AffectNet"),
    ],
)
def test_dataset_with_classes_beside_the_pictures_is_named_with_its_conversion(
    names: Sequence[str], dataset: str
) -> None:
    expected = rf'^this looks like {dataset}, .*; convert it first: see "Other datasets" in docs/data\.md$'
    with pytest.raises(DataError, match=expected):
        records([(name, b"content") for name in names])


def test_label_files_beside_class_folders_or_the_known_table_do_no_harm() -> None:
    label_file = ("list_patition_label.txt", b"")
    assert len(records([("train/angry/1.jpg", b""), label_file])) == 1
    assert len(records([label_file, ("fer2013.csv", table([row()]))])) == 1


def test_members_are_read_one_at_a_time() -> None:
    def members() -> Iterator[tuple[str, bytes]]:
        yield "train/angry/a.jpg", b"a"
        raise AssertionError("the second member was read too early")

    assert next(read_records(members())).name == "train/angry/a.jpg"


def test_table_gives_the_pixels_codes_and_splits_of_its_rows() -> None:
    lines = [row(code, usage, seed=code) for code, usage in enumerate(["Training", "PublicTest", "PrivateTest"] * 2)]
    found = records([("fer2013.csv", table([*lines, row(6)]))])
    assert [record.emotion for record in found] == list(CSV_CODES)
    assert [record.official for record in found[:3]] == ["train", "validation", "test"]
    assert [record.folder for record in found[:3]] == ["train", "test", "test"]
    assert [record.name for record in found[:2]] == ["fer2013.csv:2", "fer2013.csv:3"]
    assert np.asarray(found[4].content).dtype == np.uint8
    np.testing.assert_array_equal(found[4].content, np.asarray(noise(4)))


@pytest.mark.parametrize(
    "header", ["emotion, Usage, pixels", "\ufeffEmotion,Usage,Pixels", '"emotion","Usage","pixels"']
)
def test_header_may_have_blanks_quotes_another_order_and_a_byte_order_mark(header: str) -> None:
    lines = [[emotion, usage, f'"{numbers}"'] for emotion, numbers, usage in rows(1)]
    assert len(records([("icml_face_data.csv", table(lines, header).replace(b"\n", b"\r\n"))])) == 21


def test_known_table_is_chosen_among_others() -> None:
    members = [
        ("icml_face_data.csv", table([row(3)])),
        ("test.csv", b"pixels\n1 2 3\n"),
        ("train.csv", table([row(4)])),
    ]
    assert [record.emotion for record in records(members)] == ["happy"]


def test_table_of_another_name_is_read_when_it_is_the_only_one() -> None:
    assert len(records([("my/faces.CSV", table([row()])), ("my/README.md", b"")])) == 1


def test_table_beside_pictures_is_not_read() -> None:
    members = [("labels.csv", b"file,label\n"), ("train/angry/a.jpg", b"a")]
    assert [record.name for record in records(members)] == ["train/angry/a.jpg"]


@pytest.mark.parametrize("names", [("a.csv", "b.csv"), ("fer2013.csv", "icml_face_data.csv")])
def test_several_tables_are_an_error_that_names_them(names: tuple[str, str]) -> None:
    with pytest.raises(DataError, match=rf"^found 2 tables \({names[0]}, {names[1]}\); leave only one, named fer2013"):
        records([(name, table([row()])) for name in names])


def cut(line: list[str]) -> list[str]:
    return [line[0], line[1].rsplit(" ", 1)[0], line[2]]


def longer(line: list[str]) -> list[str]:
    return [line[0], line[1] + " 7", line[2]]


def with_pixel(value: str) -> Callable[[list[str]], list[str]]:
    return lambda line: [line[0], value + line[1][line[1].index(" ") :], line[2]]


@pytest.mark.parametrize(
    ("change", "reason", "message"),
    [
        (cut, "short_row", "expected 2304 pixels, received 2303"),
        (longer, "long_row", "expected 2304 pixels, received 2305"),
        (lambda line: line[:2], "short_row", "expected 3 columns, received 2"),
        (with_pixel("x"), "wrong_pixel", "expected pixels from 0 to 255, received 'x'"),
        (with_pixel("256"), "wrong_pixel", "expected pixels from 0 to 255, received '256'"),
        (with_pixel("-1"), "wrong_pixel", "expected pixels from 0 to 255, received '-1'"),
        (with_pixel("1.5"), "wrong_pixel", "expected pixels from 0 to 255, received '1.5'"),
        (
            lambda line: ["9", *line[1:]],
            "wrong_emotion",
            "expected emotion 0 to 6 or the name of a class, received '9'",
        ),
        (lambda line: ["-1", *line[1:]], "wrong_emotion", "the name of a class, received '-1'"),
        (lambda line: ["", *line[1:]], "wrong_emotion", "the name of a class, received ''"),
        (lambda line: [*line[:2], "Probe"], "wrong_usage", "expected Usage Training or PublicTest or Priv"),
    ],
)
def test_bad_row_is_a_fault_with_its_line(change: Callable[[list[str]], list[str]], reason: str, message: str) -> None:
    fault = only_fault(change(row()))
    assert (fault.name, fault.reason) == ("fer2013.csv:3", reason)
    assert message in fault.message


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"emotion,Usage\n3,Training\n", "line 1: .* received emotion, Usage; add pixels"),
        (b"a,b\n", "line 1: .* received a, b; add emotion and pixels"),
        (b"", "line 1: .* received nothing; add emotion"),
        (b"emotion,pixels,Usage\n\n", r"^fer2013\.csv has no rows below the header; download or export"),
        (b'emotion,pixels,Usage\n3,"' + b"1 " * 100_000, r"^fer2013\.csv, line 2: not valid csv \(field larger"),
    ],
)
def test_table_that_cannot_be_read_is_an_error_with_its_line(content: bytes, message: str) -> None:
    with pytest.raises(DataError, match=message):
        records([("fer2013.csv", content)])
