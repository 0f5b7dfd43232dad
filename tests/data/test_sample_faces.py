from __future__ import annotations

import io
from collections import Counter
from itertools import combinations
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image
from sklearn.linear_model import RidgeClassifier

from emotion.data.archives import members
from emotion.data.sample_faces import ACTION_UNITS, draw_face, draw_members
from emotion.errors import DataError
from emotion.labels import NAMES, OFFICIAL_SPLITS

COUNTS = {"train": 3, "validation": 2, "test": 1}
PLACES = {split: f"{'train' if split == 'train' else 'test'}/{{}}/{name}_" for name, split in OFFICIAL_SPLITS.items()}


def decode(content: bytes) -> NDArray[np.uint8]:
    return np.asarray(Image.open(io.BytesIO(content)))


def test_same_seed_gives_the_same_bytes() -> None:
    assert list(draw_members(COUNTS, 7)) == list(draw_members(COUNTS, 7))


def test_another_seed_gives_other_faces() -> None:
    first, second = dict(draw_members(COUNTS, 7)), dict(draw_members(COUNTS, 8))
    assert first.keys() == second.keys()
    assert not set(first.values()) & set(second.values())


def test_faces_do_not_depend_on_how_many_are_drawn() -> None:
    few = dict(draw_members({"train": 1, "validation": 1, "test": 1}, 7))
    many = dict(draw_members(COUNTS, 7))
    assert few.items() <= many.items()
    assert len(many) == 2 * len(few)


def test_every_class_of_every_split_has_its_count() -> None:
    names = [name for name, _ in draw_members(COUNTS, 7)]
    for split, count in COUNTS.items():
        for expression in NAMES:
            assert sum(name.startswith(PLACES[split].format(expression)) for name in names) == count
    assert len(names) == len(NAMES) * sum(COUNTS.values())


def test_names_are_in_the_official_style() -> None:
    names = [name for name, _ in draw_members(COUNTS, 7)]
    assert names[:2] == ["train/angry/Training_00001.jpg", "train/angry/Training_00008.jpg"]
    assert "test/surprise/PrivateTest_00007.jpg" in names
    numbers = Counter(Path(name).name for name in names)
    assert max(numbers.values()) == 1


def test_members_are_grey_jpegs_of_48_by_48() -> None:
    for _, content in draw_members(COUNTS, 7):
        image = Image.open(io.BytesIO(content))
        assert (image.format, image.mode, image.size) == ("JPEG", "L", (48, 48))


def test_all_faces_are_different() -> None:
    pixels = [decode(content).tobytes() for _, content in draw_members({"train": 6, "validation": 6, "test": 6}, 7)]
    assert len(set(pixels)) == len(pixels) == 6 * 3 * len(NAMES)


def test_faces_are_uint8_with_contrast(faces: tuple[NDArray[np.uint8], NDArray[np.int8]]) -> None:
    pixels, labels = faces
    assert pixels.dtype == np.uint8
    assert pixels.shape == (28, 48, 48)
    assert np.bincount(labels).tolist() == [4] * len(NAMES)
    assert pixels.std(axis=(1, 2)).min() > 10


def test_every_class_has_its_own_action_units() -> None:
    assert tuple(ACTION_UNITS) == NAMES
    assert len({tuple(units) for units in ACTION_UNITS.values()}) == len(NAMES)


@pytest.mark.parametrize(("one", "other"), [*combinations(NAMES, 2)])
def test_an_expression_changes_the_face_and_nothing_around_it(one: str, other: str) -> None:
    first, second = (draw_face(name, np.random.default_rng(4)).astype(int) for name in (one, other))
    difference = np.abs(first - second)
    assert difference[12:42, 12:36].max() > 25
    assert not difference[:, :2].any()
    assert not difference[:, -2:].any()


def test_unknown_expression_is_refused() -> None:
    with pytest.raises(DataError, match=r"expected an expression out of angry.*received 'smug'"):
        draw_face("smug", np.random.default_rng(0))


def test_sample_archive_is_in_kaggles_layout(sample_archive: Path) -> None:
    names = [name for name, _ in members(sample_archive)]
    assert names == sorted(names)
    assert len(names) == 4 * len(NAMES)


def test_linear_classifier_on_pixels_stays_clearly_below_ninety_percent() -> None:
    pixels: dict[str, list[NDArray[np.uint8]]] = {"train": [], "test": []}
    labels: dict[str, list[str]] = {"train": [], "test": []}
    for name, content in draw_members({"train": 150, "validation": 0, "test": 30}, 7):
        folder, expression, _ = name.split("/")
        pixels[folder].append(decode(content).ravel())
        labels[folder].append(expression)
    model = RidgeClassifier(alpha=10).fit(np.array(pixels["train"]) / 255, labels["train"])
    accuracy = model.score(np.array(pixels["test"]) / 255, labels["test"])
    # Guessing gives 0.14. The expressions can be learned, but not from single pixels.
    assert 0.3 < accuracy < 0.75
