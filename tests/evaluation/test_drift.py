from __future__ import annotations

import tracemalloc
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image, ImageFilter
from scipy.ndimage import convolve
from small_pictures import CLASSES, reference

from emotion.errors import DataError
from emotion.evaluation import drift
from emotion.inference.network import SHIPPED

Drawn = tuple[NDArray[np.uint8], NDArray[np.int8]]


def measures_of(light: float, confidence: float = 0.75) -> dict[str, str | None]:
    """Compare ten equal faces, of this light and with a contrast of 55, with the test split."""
    pattern = np.tile(np.array([[-55, 55], [55, -55]]), (24, 24))
    faces = np.repeat((light + pattern).astype(np.uint8)[None], 10, axis=0)
    compared = drift.compare(faces, np.full(10, confidence), ["happy"] * 10, reference())
    return {name: each["reading"] for name, each in compared["measures"].items()}


def test_measures_of_a_face_computed_by_hand() -> None:
    grey = np.full((1, 48, 48), 100, np.uint8)
    assert {name: values.tolist() for name, values in drift.measure(grey).items()} == {
        "light": [100],
        "contrast": [0],
        "sharpness": [0],
    }
    halves = np.repeat(np.array([50, 150], np.uint8), 24)[None, None, :].repeat(48, axis=1)
    found = drift.measure(halves)
    assert (found["light"][0], found["contrast"][0]) == (100, 50)
    # The Laplacian is 100 and -100 in two of 46 columns.
    assert found["sharpness"][0] == pytest.approx(2 * 100**2 / 46)


def test_many_faces_are_measured_like_a_few_and_in_little_memory() -> None:
    faces = np.random.default_rng(0).integers(0, 256, (3 * drift.AT_ONCE + 1, 48, 48), np.uint8)
    tracemalloc.start()
    measured = drift.measure(faces)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 40_000 * len(faces)
    for index in (0, drift.AT_ONCE, -1):
        alone = drift.measure(faces[index][None])
        assert {name: values[index] for name, values in measured.items()} == {
            name: values[0] for name, values in alone.items()
        }


def test_sharpness_is_the_variance_of_scipys_laplacian(faces: Drawn) -> None:
    kernel = [[0, 1, 0], [1, -4, 1], [0, 1, 0]]
    expected = [convolve(face.astype(float), kernel)[1:-1, 1:-1].var() for face in faces[0]]
    assert drift.measure(faces[0])["sharpness"] == pytest.approx(expected)


def test_blurred_faces_are_less_sharp_and_no_darker(faces: Drawn) -> None:
    blurred = np.stack([np.asarray(Image.fromarray(face).filter(ImageFilter.GaussianBlur(2))) for face in faces[0]])
    before, after = drift.measure(faces[0]), drift.measure(blurred)
    assert np.all(after["sharpness"] < 0.5 * before["sharpness"])
    assert after["light"] == pytest.approx(before["light"], abs=3)


@pytest.mark.parametrize(
    ("light", "reading"),
    [
        (60, "darker than 95% of the test faces"),
        (100, "darker than 75% of the test faces"),
        (130, None),
        (160, "brighter than 75% of the test faces"),
        (190, "brighter than 95% of the test faces"),
    ],
)
def test_reading_says_where_the_median_stands(light: int, reading: str | None) -> None:
    assert measures_of(light)["light"] == reading


def test_reading_of_confidence_and_sharpness() -> None:
    readings = measures_of(130, confidence=0.5)
    assert readings["confidence"] == "less confidently classified than 75% of the test faces"
    assert readings["contrast"] is None
    assert readings["sharpness"] == "sharper than 95% of the test faces"


def test_share_outside_the_range_of_the_test_split_counts_both_sides(faces: Drawn) -> None:
    confidence = np.array([0.1, 0.35, 0.5, 0.95, 0.99])
    compared = drift.compare(faces[0][:5], confidence, ["happy"] * 5, reference())
    assert compared["measures"]["confidence"]["outside"] == 0.4


def test_distance_of_the_class_shares_is_0_for_equal_ones_and_known_by_hand(faces: Drawn) -> None:
    equal = ["happy"] * 51 + ["neutral"] * 27 + ["sad"] * 22
    pixels, confidence = np.resize(faces[0], (100, 48, 48)), np.full(100, 0.8)
    assert drift.compare(pixels, confidence, equal, reference())["distance"] == 0
    compared = drift.compare(pixels, confidence, ["happy"] * 100, reference())
    assert compared["distance"] == 0.49
    assert compared["classes"]["sad"] == {"share": 0.0, "test": 0.22}


def test_distance_by_chance_is_that_of_95_of_100_samples_and_falls_with_their_size(faces: Drawn) -> None:
    generator, shares = np.random.default_rng(5), np.array([0.51, 0.27, 0.22])
    bounds = []
    for number in (20, 200):
        pixels, predicted = np.resize(faces[0], (number, 48, 48)), ["happy"] * number
        bounds.append(drift.compare(pixels, np.full(number, 0.8), predicted, reference())["distance_by_chance"])
        samples = generator.multinomial(number, shares, 1000) / number
        assert np.mean(np.abs(samples - shares).sum(axis=1) / 2 <= bounds[-1]) == pytest.approx(0.95, abs=0.03)
    assert bounds[1] < 0.5 * bounds[0]


def test_class_that_the_test_split_lacks_is_listed(faces: Drawn) -> None:
    compared = drift.compare(faces[0][:2], np.full(2, 0.8), ["happy", "fear"], reference())
    assert compared["classes"]["fear"] == {"share": 0.5, "test": 0.0}


def test_sizes_have_quantiles_and_a_share_below_the_networks_input() -> None:
    sizes = drift.describe_sizes([20, 47, 48, 100])
    assert (sizes["q50"], sizes["smaller"]) == (47.5, 0.5)


def test_reference_is_read_as_it_was_written(tmp_path: Path, faces: Drawn) -> None:
    confidence = np.linspace(0.2, 1, len(faces[0]), dtype=np.float32)
    drift.write_reference(tmp_path / "test_faces.csv", faces[0], confidence)
    (tmp_path / "test_confusion.csv").write_text("actual,happy,sad\nhappy,3,1\nsad,0,2\n")
    (tmp_path / "test.json").write_text('{"accuracy": 0.7}')
    found = drift.read_reference(tmp_path)
    assert found.quantiles["light"]["q50"] == pytest.approx(np.median(faces[0].mean((1, 2))), abs=1e-6)
    assert found.quantiles["confidence"]["q95"] == pytest.approx(0.96, abs=1e-6)
    assert found.classes == ("happy", "sad")
    assert found.confusion.tolist() == [[3, 1], [0, 2]]
    assert found.figures["accuracy"] == 0.7


def test_shipped_reference_is_of_the_shipped_network() -> None:
    found = drift.read_reference(SHIPPED.parent)
    assert list(found.quantiles) == list(drift.READINGS)
    accuracy = np.trace(found.confusion) / found.confusion.sum()
    assert accuracy == pytest.approx(found.figures["accuracy"], abs=1e-6)
    assert set(CLASSES) < set(found.classes)


@pytest.mark.parametrize("content", [None, "measure,q05\nlight,1\n", "measure,q05,q25,q50,q75,q95\nlight,1,2,x,4,5\n"])
def test_damaged_reference_is_refused(tmp_path: Path, content: str | None) -> None:
    if content:
        (tmp_path / "test_faces.csv").write_text(content)
    with pytest.raises(DataError, match=r"the facts about the test split in .* cannot be read .*; install again"):
        drift.read_reference(tmp_path)
