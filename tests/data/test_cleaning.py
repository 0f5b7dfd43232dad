from __future__ import annotations

import os
import re
from collections import Counter
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from small_archives import Members, encode, noise, pictures, row, rows, seed_of, table

from emotion.data.archives import members
from emotion.data.cleaning import Cleaned, clean, find_blank
from emotion.data.copies import count_conflicts, group_copies, mark_duplicates
from emotion.data.layouts import read_records
from emotion.data.records import Record
from emotion.data.splitting import choose_share
from emotion.errors import DataError
from emotion.labels import NAMES, SPLITS
from emotion.params import Preprocess
from emotion.votes import CHOICES

SETTINGS: dict[str, Any] = {
    "split": "official",
    "classes": list(NAMES),
    "validation_fraction": 0.25,
    "seed": 0,
    "on_bad_image": "fail",
    "duplicates": "keep",
    "not_faces": "keep",
    "class_names": {},
}


def settings(**changes: object) -> Preprocess:
    return Preprocess.model_validate({**SETTINGS, **changes})


def cleaned(archive: Members, **changes: object) -> Cleaned:
    return clean(read_records(archive), settings(**changes))


def fails(archive: Members, **changes: object) -> str:
    with pytest.raises(DataError) as caught:
        cleaned(archive, **changes)
    text = str(caught.value)
    assert re.match(
        r"(no faces (of|in)|cannot use \d+ faces?|no official split|no folder named|there are folders) ", text
    )
    assert "; " in text
    assert "\n" not in text
    return text


def sizes(result: Cleaned) -> dict[str, int]:
    return {split: len(faces) for split, faces in result.datasets.items()}


def test_official_split_follows_the_file_names() -> None:
    result = cleaned(pictures(2))
    assert sizes(result) == {"train": 14, "validation": 14, "test": 14}
    assert list(result.datasets) == list(SPLITS)
    assert set(result.datasets["validation"].names[:2]) == {
        "test/angry/PublicTest_0.png",
        "test/angry/PublicTest_1.png",
    }
    assert result.summary == {
        "faces": {"train": 14, "validation": 14, "test": 14},
        "duplicates": {"train": 0, "validation": 0, "test": 0},
        "dropped": {"blank": 0, "undecodable": 0},
        "converted": 0,
        "label_conflicts": 0,
    }


def test_faces_keep_pixels_labels_and_names_together() -> None:
    archive = pictures(2)
    result = cleaned(archive)
    contents = dict(archive)
    for faces in result.datasets.values():
        for pixels, label, name in zip(faces.pixels, faces.labels, faces.names, strict=True):
            assert name.split("/")[1] == faces.classes[label]
            assert encode(Image.fromarray(pixels)) == contents[name]


def test_table_and_pictures_give_the_same_split_sizes() -> None:
    assert sizes(cleaned([("fer2013.csv", table(rows(2)))])) == sizes(cleaned(pictures(2)))


def test_folders_put_a_share_of_each_class_of_train_into_validation() -> None:
    result = cleaned(pictures(8), split="folders")
    assert {split: set(faces.counts().values()) for split, faces in result.datasets.items()} == {
        "train": {6},
        "validation": {2},
        "test": {16},
    }
    assert all(name.startswith("train/") for name in result.datasets["validation"].names)


def test_folders_need_no_official_names() -> None:
    archive = [(name.replace("Training_", "me ").replace("Test_", " "), content) for name, content in pictures(4)]
    assert sizes(cleaned(archive, split="folders")) == {"train": 21, "validation": 7, "test": 56}


def in_folders(**folders: str) -> Members:
    """Return noise of every class in folders named so, four faces of each; `train="Training"` renames `train`."""
    return [
        (f"{folder}/{name}/{number}.png", encode(noise(seed_of(split, name, number))))
        for split, folder in folders.items()
        for name in NAMES
        for number in range(4)
    ]


@pytest.mark.parametrize("folder", ["val", "Valid", "validation", "dev", "eval", "PublicTest"])
def test_folder_for_validation_is_kept_whole(folder: str) -> None:
    result = cleaned(in_folders(train="train", validation=folder, test="test"), split="folders")
    assert sizes(result) == {"train": 28, "validation": 28, "test": 28}
    assert all(name.startswith(folder) for name in result.datasets["validation"].names)


def test_folders_with_the_names_of_the_competition_are_the_official_split() -> None:
    result = cleaned(in_folders(train="Training", validation="PublicTest", test="PrivateTest"))
    assert sizes(result) == {"train": 28, "validation": 28, "test": 28}


def test_class_that_the_validation_folder_lacks_is_named() -> None:
    archive = [
        (name, content)
        for name, content in in_folders(train="train", validation="val", test="test")
        if "val/sad" not in name
    ]
    text = fails(archive, split="folders")
    assert text.startswith("no faces of sad in validation (preprocess.split=folders looks in the folder validation);")


@pytest.mark.parametrize(
    ("folders", "expected"),
    [
        (
            {"train": "train", "validation": "validation"},
            "there are folders for train and validation but none named test or testing; rename the validation folder "
            "to test (a share of train is then the validation split), add test/<class>/, or let chance",
        ),
        ({"train": "train"}, "there are folders for train but none named test or testing; add test/<class>/, or"),
    ],
)
def test_folders_without_test_say_what_is_missing(folders: dict[str, str], expected: str) -> None:
    assert fails(in_folders(**folders), split="folders").startswith(expected)


def test_chance_puts_an_equal_share_of_every_class_into_validation_and_test() -> None:
    archive = [(f"{name}/{number}.png", encode(noise(seed_of(name, number)))) for name in NAMES for number in range(8)]
    result = cleaned(archive, split="random")
    assert {split: set(faces.counts().values()) for split, faces in result.datasets.items()} == {
        "train": {4},
        "validation": {2},
        "test": {2},
    }
    names = [name for faces in result.datasets.values() for name in faces.names.tolist()]
    assert sorted(names) == sorted(name for name, _ in archive)
    again, other = cleaned(archive, split="random"), cleaned(archive, split="random", seed=1)
    assert again.datasets["test"].names.tolist() == result.datasets["test"].names.tolist()
    assert other.datasets["test"].names.tolist() != result.datasets["test"].names.tolist()


def test_share_that_leaves_chance_no_training_faces_is_named() -> None:
    archive = [(f"{name}/{number}.png", encode(noise(seed_of(name, number)))) for name in NAMES for number in range(8)]
    expected = "no faces in train (preprocess.split=random with preprocess.validation_fraction=0.5 left none);"
    assert fails(archive, split="random", validation_fraction=0.5).startswith(expected)


def test_table_without_usage_is_split_by_chance_and_else_names_the_table_that_has_it() -> None:
    lines = [row(code, seed=seed_of(code, number))[:2] for code in range(len(NAMES)) for number in range(4)]
    archive = [("test.csv", b"pixels\n1 2 3\n"), ("train.csv", table(lines, "emotion,pixels"))]
    assert sizes(cleaned(archive, split="random")) == {"train": 14, "validation": 7, "test": 7}
    assert "; take icml_face_data.csv of the same zip, which has a column Usage, let chance choose" in fails(archive)


def test_share_is_seeded_and_does_not_depend_on_the_other_classes() -> None:
    archive = pictures(12, ["angry", "happy", "sad"])

    def chosen(classes: list[str], seed: int = 0) -> set[str]:
        result = cleaned(archive, split="folders", classes=classes, seed=seed)
        return set(result.datasets["validation"].names)

    three = chosen(["angry", "happy", "sad"])
    assert chosen(["angry", "happy", "sad"]) == three
    assert chosen(["angry", "happy", "sad"], seed=1) != three
    assert chosen(["sad", "happy"]) == {name for name in three if "/angry/" not in name}


@pytest.mark.parametrize(("faces", "expected"), [(1, 1), (3, 1), (10, 2), (1000, 250)])
def test_share_of_a_class_is_rounded_but_never_empty(faces: int, expected: int) -> None:
    labels = np.zeros(faces, dtype=np.int8)
    assert choose_share(labels, ["angry"], 0.25, 0).sum() == expected


def test_classes_choose_and_order_the_labels() -> None:
    faces = cleaned(pictures(2), classes=["surprise", "angry"]).datasets["train"]
    assert faces.classes == ("surprise", "angry")
    assert faces.counts() == {"surprise": 2, "angry": 2}
    assert [name.split("/")[1] for name in faces.names[faces.labels == 0]] == ["surprise"] * 2


def test_pictures_of_other_classes_are_counted_and_not_decoded() -> None:
    archive = [*pictures(2), ("train/contempt/Training_1.jpg", b"damaged")]
    result = cleaned(archive, classes=["sad", "happy"])
    assert result.left_out == {**{name: 6 for name in NAMES if name not in {"sad", "happy"}}, "contempt": 1}


def test_blank_faces_are_dropped_and_counted() -> None:
    faint = Image.fromarray((np.indices((48, 48)).sum(0) % 2 * 9 + 100).astype(np.uint8))
    kept = Image.fromarray((np.indices((48, 48)).sum(0) % 2 * 10 + 100).astype(np.uint8))
    blank = [
        ("train/sad/Training_a.png", encode(Image.new("L", (48, 48), 7))),
        ("test/sad/PublicTest_b.png", encode(faint)),
    ]
    result = cleaned([*pictures(2), *blank, ("train/sad/Training_c.png", encode(kept))])
    assert sizes(result) == {"train": 15, "validation": 14, "test": 14}
    assert result.summary["dropped"] == {"blank": 2, "undecodable": 0}
    assert "train/sad/Training_c.png" in result.datasets["train"].names


def test_blank_is_a_deviation_under_five() -> None:
    levels = np.indices((48, 48)).sum(0) % 2
    faces = np.stack([levels * 0, levels * 9, levels * 10, levels * 255]).astype(np.uint8)
    assert find_blank(faces).tolist() == [True, True, False, False]


def test_other_sizes_and_colours_are_converted_and_counted() -> None:
    odd = [
        ("train/sad/Training_a.png", encode(noise(1, (200, 100)))),
        ("train/sad/Training_b.png", encode(noise(2, (48, 48), "RGB"))),
        ("train/sad/Training_c.bmp", encode(noise(3), "BMP")),
    ]
    result = cleaned([*pictures(2), *odd])
    assert result.summary["converted"] == 2
    assert result.datasets["train"].pixels.shape == (17, 48, 48)


def copies() -> Members:
    """Return pictures with four copies: train in validation, train in test, validation in test and train in train."""
    faces = dict(pictures(3))
    for target, source in [
        ("test/sad/PublicTest_0.png", "train/sad/Training_0.png"),
        ("test/sad/PrivateTest_0.png", "train/angry/Training_0.png"),
        ("test/sad/PrivateTest_1.png", "test/sad/PublicTest_1.png"),
        ("train/sad/Training_1.png", "train/sad/Training_2.png"),
    ]:
        faces[target] = faces[source]
    return sorted(faces.items())


def duplicates_of(result: Cleaned) -> dict[str, list[str]]:
    return {split: faces.names[faces.duplicate].tolist() for split, faces in result.datasets.items()}


def test_duplicates_are_copies_between_train_and_the_other_splits() -> None:
    result = cleaned(copies())
    assert duplicates_of(result) == {
        "train": ["train/angry/Training_0.png", "train/sad/Training_0.png"],
        "validation": ["test/sad/PublicTest_0.png"],
        "test": ["test/sad/PrivateTest_0.png"],
    }
    assert result.summary["duplicates"] == {"train": 2, "validation": 1, "test": 1}
    assert result.summary["label_conflicts"] == 1


def test_dropped_duplicates_leave_train_and_no_duplicates_remain() -> None:
    kept, result = cleaned(copies()), cleaned(copies(), duplicates="drop_from_train")
    assert set(kept.datasets["train"].names) - set(result.datasets["train"].names) == set(duplicates_of(kept)["train"])
    assert duplicates_of(result) == {"train": [], "validation": [], "test": []}
    assert sizes(result) == {"train": 19, "validation": 21, "test": 21}
    assert result.summary["faces"] == sizes(result)
    assert result.summary["duplicates"] == {"train": 2, "validation": 1, "test": 1}


def test_copies_are_grouped_and_conflicts_counted() -> None:
    faces = np.stack([np.asarray(noise(seed)) for seed in [0, 1, 0, 2, 1, 1, 3, 3]])
    groups = group_copies(faces)
    assert [(groups == group).sum() for group in groups] == [2, 3, 2, 1, 3, 3, 2, 2]
    assert count_conflicts(groups, np.array([5, 1, 4, 0, 1, 2, 6, 6], dtype=np.int8)) == 2
    split = np.array(["train", "test", "test", "train", "validation", "test", "train", "train"])
    assert mark_duplicates(groups, split).tolist() == [True, False, True, False, False, False, False, False]


BAD = [
    ("train/sad/Training_bad1.jpg", encode(noise(1), "JPEG")[:-600]),
    ("train/sad/Training_bad2.jpg", b"a text"),
    *[(f"train/sad/Training_empty{number}.jpg", b"") for number in range(9)],
]


def test_every_bad_picture_is_counted_in_one_error_and_listed_before_it(caplog: pytest.LogCaptureFixture) -> None:
    text = fails([*pictures(2), *BAD])
    assert text.startswith(
        "cannot use 11 faces (not_an_image 10, truncated 1; the first 10 are listed above), the first is "
    )
    assert "train/sad/Training_bad1.jpg: the picture is cut off or damaged (" in text
    assert text.endswith("; replace them, or leave them out with -S preprocess.on_bad_image=drop if other faces remain")
    assert [line.split(" (")[0] for line in caplog.messages] == [f"cannot use {name}" for name, _ in BAD[:10]]
    assert "Training_bad2.jpg (not_an_image): not a picture in a supported format (JPEG," in caplog.messages[1]


def test_bad_pictures_are_dropped_and_listed_on_request() -> None:
    result = cleaned([*pictures(2), *BAD], on_bad_image="drop")
    assert sizes(result) == {"train": 14, "validation": 14, "test": 14}
    assert result.summary["dropped"] == {"blank": 0, "undecodable": 11}
    assert [fault.name for fault in result.faults] == [name for name, _ in BAD]


def test_bad_rows_of_a_table_are_named_by_line(caplog: pytest.LogCaptureFixture) -> None:
    lines = [*rows(2), row(9), ["3", "1 2 3", "Training"]]
    text = fails([("fer2013.csv", table(lines))])
    assert "cannot use 2 faces (short_row 1, wrong_emotion 1; all" in text
    assert "fer2013.csv:44: expected emotion 0 to 6 or the name of a class, received '9'" in text
    assert "fer2013.csv:45 (short_row): expected 2304 pixels, received 3" in caplog.text


def test_official_split_without_official_names_names_the_other_setting() -> None:
    archive = [(name.replace("_", "-"), content) for name, content in pictures(1)]
    text = fails(archive)
    usages = "Training, PublicTest, PrivateTest: in the file name, folder or column Usage"
    assert text.startswith(f"no official split ({usages}) for 21 faces, such as train/angry/")
    assert text.endswith("use -S preprocess.split=folders")


def test_one_name_without_a_split_is_an_error_too() -> None:
    archive = [*pictures(1), ("train/sad/me.png", encode(noise(1)))]
    assert "for 1 face, such as train/sad/me.png; use -S preprocess.split=folders" in fails(archive)


def test_folders_without_train_and_test_name_the_other_setting() -> None:
    archive = [(name.partition("/")[2], content) for name, content in pictures(1)]
    text = fails(archive, split="folders")
    names = "train, training, val, valid, validation, dev, eval, test, testing"
    assert text.startswith(f"no folder named {names} above 21 faces, such as angry/Training_0")
    assert text.endswith("; use -S preprocess.split=official")


@pytest.mark.parametrize("split", ["official", "folders"])
def test_faces_without_any_split_get_the_advice_to_sort_them_into_folders(split: str) -> None:
    archive = [(name.partition("/")[2].replace("_", "-"), content) for name, content in pictures(1)]
    text = fails(archive, split=split)
    advice = "let chance choose validation and test (-S preprocess.split=random), or sort them into train/<class>/ "
    setting = " and use -S preprocess.split=folders" if split == "official" else ""
    assert text.endswith(f"{advice}and test/<class>/{setting}")


@pytest.mark.parametrize(
    ("archive", "found"),
    [
        (
            [("cats/1.jpg", b""), ("cats/2.jpg", b""), ("dogs/1.jpg", b"")],
            "no faces of angry, happy; found instead: cats (2), dogs (1); name the folders",
        ),
        ([("1.jpg", b"")], "no faces of angry, happy; found instead: no class folder (1);"),
        ([("README", b"")], "no faces of angry, happy; name the folders"),
        (pictures(1, ["sad"]), "no faces of angry, happy; found instead: sad (3);"),
        ([*pictures(1, ["angry"]), ("train/joy/1.png", b"")], "no faces of happy; found instead: joy (1);"),
    ],
)
def test_missing_class_lists_the_folders_found_and_the_known_names(archive: Members, found: str) -> None:
    text = fails(archive, classes=["angry", "happy"])
    assert found in text
    assert "name the folders after the classes (afraid, anger, angry, contempt, " in text


def test_numbers_without_a_known_order_get_the_mapping_to_write() -> None:
    archive = [(f"train/{number}/x.png", b"") for number in range(8)]
    mapping = "{0: neutral, 1: happy, 2: sad, 3: surprise, 4: fear, 5: disgust, 6: angry, 7: contempt}"
    assert f"such as preprocess.class_names: {mapping} (AffectNet's numbers)," in fails(archive)
    archive = [*pictures(1, ["sad"]), ("train/joy/x.png", b""), ("train/rage/x.png", b"")]
    text = fails(archive, classes=["angry", "happy", "sad"])
    assert "preprocess.class_names: {joy: angry, rage: happy} (with your meanings)," in text


def test_folders_that_are_no_class_are_counted_and_ten_named() -> None:
    text = fails([(f"train/person{number:02}/x.png", b"") for number in range(12)])
    assert "person09 (1) and 2 more; name the folders" in text


def test_nothing_left_after_dropping_is_an_error_that_does_not_advise_to_drop() -> None:
    text = fails(BAD, on_bad_image="drop")
    assert "cannot use 11 faces (not_an_image 10, truncated 1;" in text
    assert text.endswith("; no face remains, replace them")


@pytest.mark.parametrize(
    ("left_out", "empty"),
    [
        (
            "test/sad/PublicTest",
            "no faces of sad in validation (preprocess.split=official looks for PublicTest in names or Usage); ",
        ),
        ("PublicTest", "no faces in validation (preprocess.split=official looks for PublicTest in names"),
        (
            "test/",
            "Usage), in test (preprocess.split=official looks for PrivateTest in names or Usage); every split",
        ),
    ],
)
def test_empty_class_is_named_with_its_split_and_the_setting(left_out: str, empty: str) -> None:
    assert empty in fails([(name, content) for name, content in pictures(2) if left_out not in name])


@pytest.mark.parametrize(
    ("archive", "changes", "empty"),
    [
        (pictures(1), {}, "no faces in train (preprocess.validation_fraction=0.25 took all of them);"),
        (
            [(name, content) for name, content in pictures(2) if "test/sad" not in name],
            {},
            "no faces of sad in test (preprocess.split=folders looks in the folder test);",
        ),
        (
            [(name, content) for name, content in pictures(2) if "train/" not in name],
            {},
            "no faces in train (preprocess.split=folders looks in the folder train), in validation (pre",
        ),
        (
            [(name, encode(noise(seed_of(name.split("/")[1], name[-5])))) for name, _ in pictures(2)],
            {"split": "official", "duplicates": "drop_from_train"},
            "no faces in train (preprocess.duplicates=drop_from_train dropped all of them);",
        ),
    ],
)
def test_setting_that_empties_a_split_is_named(archive: Members, changes: dict[str, Any], empty: str) -> None:
    assert empty in fails(archive, **{"split": "folders", **changes})


def test_class_with_only_blank_faces_is_empty() -> None:
    archive = [*pictures(2, NAMES[1:]), ("train/angry/Training_1.png", encode(Image.new("L", (48, 48), 7)))]
    assert "no faces of angry in train (all are blank), of angry in validation (preprocess.split" in fails(archive)


def voted(name: str, **counts: int) -> Record:
    """Return the record of a picture of noise with votes, by choice; `_` stands for a space."""
    (record,) = read_records([(name, encode(noise(seed_of(name))))])
    assert isinstance(record, Record)
    votes = np.array([counts.get(choice.replace(" ", "_"), 0) for choice in CHOICES], np.uint8)
    return replace(record, votes=votes)


def records_of(archive: Members) -> list[Record]:
    return [record for record in read_records(archive) if isinstance(record, Record)]


def test_votes_stay_with_their_faces() -> None:
    faces = [*records_of(pictures(2)), voted("train/sad/Training_9.png", sad=7, neutral=3)]
    train = clean(faces, settings()).datasets["train"]
    assert train.votes[train.names == "train/sad/Training_9.png"].tolist() == [[3, 0, 0, 7, 0, 0, 0, 0, 0, 0]]
    assert train.votes.sum() == 10


def test_faces_with_votes_without_and_those_that_show_none_are_counted() -> None:
    faces = [*records_of(pictures(1)), voted("train/sad/Training_8.png", no_face=9, sad=1)]
    result = clean([*faces, voted("test/sad/PublicTest_9.png", sad=10)], settings())
    assert result.summary["votes"] == {"with": 2, "without": 21, "no_face": 1}
    assert "votes" not in clean(records_of(pictures(1)), settings()).summary


def test_pictures_in_which_most_raters_saw_no_face_can_be_dropped() -> None:
    faces = [
        *records_of(pictures(1)),
        voted("train/sad/Training_8.png", no_face=9),
        voted("train/sad/Training_9.png", sad=9),
    ]
    kept, dropped = clean(faces, settings()), clean(faces, settings(not_faces="drop"))
    assert kept.summary["dropped"] == {"blank": 0, "undecodable": 0}
    assert dropped.summary["dropped"] == {"blank": 0, "undecodable": 0, "no_face": 1}
    assert set(kept.datasets["train"].names) - set(dropped.datasets["train"].names) == {"train/sad/Training_8.png"}
    assert dropped.summary["votes"] == kept.summary["votes"]


def test_class_in_which_raters_saw_no_face_is_empty() -> None:
    faces = [record for record in records_of(pictures(1)) if record.name != "train/sad/Training_0.png"]
    with pytest.raises(DataError, match=r"of sad in train \(preprocess.not_faces=drop dropped all of them\)"):
        clean([*faces, voted("train/sad/Training_8.png", no_face=9)], settings(not_faces="drop"))


def test_with_contempt_the_label_is_the_raters_majority() -> None:
    classes = [*NAMES, "contempt"]
    parts = ("train/sad/Training_{}.png", "test/sad/PublicTest_{}.png", "test/sad/PrivateTest_{}.png")
    faces = [voted(part.format(number), **{name: 10}) for part in parts for number, name in enumerate(classes)]
    faces += [voted("train/sad/Training_20.png", sad=5, fear=5), voted("train/sad/Training_21.png", unknown=10)]
    faces += records_of(pictures(1))
    result = clean(faces, settings(classes=classes))
    train = result.datasets["train"]
    assert train.counts() == dict.fromkeys(NAMES, 2) | {"contempt": 1}
    assert [train.classes[label] for label in train.labels[train.votes.any(axis=1)]] == classes
    assert result.left_out == {"no majority": 1, "unknown": 1}


def test_class_that_no_majority_of_the_raters_names_gets_the_advice_to_leave_contempt_out() -> None:
    classes = [*NAMES, "contempt"]
    faces = [voted(f"train/sad/Training_{number}.png", **{name: 10}) for number, name in enumerate(NAMES)]
    faces += [voted("train/sad/Training_20.png", sad=5, fear=5)]
    with pytest.raises(DataError) as caught:
        clean(faces, settings(classes=classes))
    assert str(caught.value) == (
        "no faces of contempt; found instead: no majority (1); with contempt among the classes, labels are the raters' "
        "majorities, and no face has the majority contempt; leave contempt out with -S preprocess.classes, and the "
        "labels are those of the archive"
    )
    with pytest.raises(DataError, match=r"no faces of contempt; with contempt among the classes, labels are"):
        clean(faces[:-1], settings(classes=classes))


def test_missing_contempt_of_faces_without_votes_gets_the_advice_to_name_the_folder() -> None:
    text = fails(pictures(1), classes=[*NAMES, "contempt"])
    assert text.startswith("no faces of contempt; name the folders after the classes (afraid, ")


@pytest.fixture(scope="module")
def fer2013() -> Path:
    if "FER2013_ARCHIVE" not in os.environ:
        pytest.skip("FER2013_ARCHIVE is not set")
    return Path(os.environ["FER2013_ARCHIVE"])


@pytest.fixture(scope="module")
def whole(fer2013: Path) -> Cleaned:
    """Read the archive once, blank faces kept."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("emotion.data.cleaning.BLANK_DEVIATION", -1.0)
        return clean(read_records(members(fer2013)), settings())


@pytest.fixture(scope="module")
def decoded(whole: Cleaned) -> list[Record]:
    """The records of the archive, already decoded."""
    return [
        Record(name, faces.classes[label], name.partition("/")[0], split, pixels)
        for split, faces in whole.datasets.items()
        for name, label, pixels in zip(faces.names.tolist(), faces.labels, faces.pixels, strict=True)
    ]


@pytest.fixture(scope="module")
def official(decoded: list[Record]) -> Cleaned:
    return clean(decoded, settings())


# Faces of every class in the archive, in class order; those of BLANK are dropped.
COUNTS = {
    "train": [3995, 436, 4097, 7215, 4965, 4830, 3171],
    "validation": [467, 56, 496, 895, 607, 653, 415],
    "test": [491, 55, 528, 879, 626, 594, 416],
}
BLANK = {
    "train": {"angry": 7, "happy": 1, "neutral": 2, "sad": 1, "surprise": 1},
    "validation": {"angry": 1, "happy": 1},
    "test": {},
}


@pytest.mark.fer2013
@pytest.mark.parametrize("split", SPLITS)
def test_fer2013_has_its_faces_less_the_blank_ones(official: Cleaned, split: str) -> None:
    whole = Counter(dict(zip(NAMES, COUNTS[split], strict=True)))
    assert official.datasets[split].counts() == whole - Counter(BLANK[split])


@pytest.mark.fer2013
def test_fer2013_has_its_duplicates_and_conflicts(official: Cleaned) -> None:
    assert official.summary["duplicates"] == {"train": 692, "validation": 279, "test": 288}
    assert np.sum(~official.datasets["test"].duplicate) == 3301
    assert official.summary["label_conflicts"] == 56


@pytest.mark.fer2013
def test_fer2013_drops_its_blank_faces_and_nothing_else(whole: Cleaned, official: Cleaned) -> None:
    assert official.summary["dropped"] == {"blank": 14, "undecodable": 0}
    assert whole.summary["dropped"] == {"blank": 0, "undecodable": 0}
    assert whole.summary["converted"] == 0
    assert whole.left_out == {}


@pytest.mark.fer2013
def test_fer2013_has_its_groups_of_copies_with_the_blank_faces(whole: Cleaned) -> None:
    groups = group_copies(np.concatenate([faces.pixels for faces in whole.datasets.values()]))
    sizes = np.bincount(groups)
    assert np.sum(sizes > 1) == 1516
    assert np.sum(sizes[sizes > 1]) == 3369
    assert whole.summary["label_conflicts"] == 57
    assert whole.summary["duplicates"] == {"train": 703, "validation": 280, "test": 288}
    assert {split: list(faces.counts().values()) for split, faces in whole.datasets.items()} == COUNTS


@pytest.mark.fer2013
def test_fer2013_in_folders_without_disgust_has_7067_test_faces(decoded: list[Record]) -> None:
    six = [name for name in NAMES if name != "disgust"]
    result = clean(decoded, settings(split="folders", classes=six, validation_fraction=0.125))
    # The two blank faces of PublicTest are in the folder test.
    assert len(result.datasets["test"]) == 7067 - 2
    assert result.left_out == {"disgust": 547}
    assert result.summary["dropped"] == {"blank": 14, "undecodable": 0}


@pytest.mark.fer2013
def test_fer2013_without_its_duplicates_in_train(decoded: list[Record]) -> None:
    result = clean(decoded, settings(duplicates="drop_from_train"))
    assert len(result.datasets["train"]) == 28697 - 692
    assert not any(faces.duplicate.any() for faces in result.datasets.values())
