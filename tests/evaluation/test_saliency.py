from __future__ import annotations

import os
import subprocess
import sys
from functools import partial
from pathlib import Path

import numpy as np
import pytest
from csv_files import read_csv
from numpy.typing import NDArray
from small_models import write_model
from small_runs import write_settings

from emotion import dataset
from emotion.dataset import Dataset, no_votes
from emotion.evaluation import saliency
from emotion.evaluation.saliency import CENTRES, CORNERS, PATCH, REGIONS, Saliency, measure, region_shares
from emotion.inference.network import Network
from emotion.labels import NAMES

ROOT = Path(__file__).parents[2]
ROWS, COLUMNS = slice(34, 42), slice(16, 32)
"""A mouth: the only part of the face that the network of these tests looks at."""

HAPPY = NAMES.index("happy")


def mouth_weights() -> NDArray[np.float32]:
    weights = np.zeros((48, 48, len(NAMES)), np.float32)
    weights[ROWS, COLUMNS, HAPPY] = 1e-4
    return weights.reshape(-1, len(NAMES))


def smiles(number: int) -> Dataset:
    """Draw noise with bright mouths; label every fourth face sad."""
    pixels = np.random.default_rng(0).integers(20, 120, (number, 48, 48), np.uint8)
    pixels[:, ROWS, COLUMNS] = 250
    labels = np.where(np.arange(number) % 4, HAPPY, NAMES.index("sad")).astype(np.int8)
    names = np.array([f"face{index}.jpg" for index in range(number)])
    return Dataset(pixels, labels, NAMES, names, np.zeros(number, bool), no_votes(number))


@pytest.fixture
def network(tmp_path: Path) -> Network:
    return Network(write_model(tmp_path / "models/emotion.onnx", weights=mouth_weights()))


@pytest.fixture
def measured(network: Network) -> Saliency:
    faces = smiles(40)
    predict = partial(network.probabilities, batch_size=16)
    return measure(predict, faces.pixels, faces.labels, NAMES, limit=20)


def overlaps(centre: int, part: slice) -> bool:
    return any(row in range(part.start, part.stop) for row in range(centre - PATCH // 2, centre + PATCH // 2))


def test_the_map_finds_the_only_region_that_matters(measured: Saliency) -> None:
    matters = np.array([[overlaps(row, ROWS) and overlaps(column, COLUMNS) for column in CENTRES] for row in CENTRES])
    drops = measured.drops[HAPPY]
    assert (drops[matters] > 0.001).all()
    np.testing.assert_array_equal(drops[~matters], 0)
    row, column = np.unravel_index(np.argmax(drops), drops.shape)
    assert CENTRES[row] == 38
    assert CENTRES[column] in {22, 26}


def test_only_correctly_classified_faces_count_up_to_the_limit(measured: Saliency) -> None:
    assert dict(zip(NAMES, measured.faces.tolist(), strict=True)) == {**dict.fromkeys(NAMES, 0), "happy": 20}
    assert np.isnan(np.delete(measured.drops, HAPPY, axis=0)).all()


def test_a_patch_is_covered_with_the_mean_grey_of_its_face() -> None:
    received: list[NDArray[np.uint8]] = []

    def network(faces: NDArray[np.uint8]) -> NDArray[np.float32]:
        received.append(faces)
        return np.full((len(faces), 2), 0.5, np.float32)

    faces = np.zeros((2, 48, 48), np.uint8)
    faces[0, :24] = 200
    faces[1] = 33
    drops = saliency.cover_patches(network, faces, np.array([0, 1]))
    assert drops.shape == (2, len(CORNERS), len(CORNERS))
    assert not drops.any()
    unmodified, *covered = received
    np.testing.assert_array_equal(unmodified, faces)
    assert len(covered) == len(CORNERS) ** 2
    np.testing.assert_array_equal(covered[0][0, :PATCH, :PATCH], 100)
    np.testing.assert_array_equal(covered[0][0, PATCH:24], 200)
    np.testing.assert_array_equal(covered[-1][1], 33)


def test_patches_reach_every_edge_of_the_face() -> None:
    assert CORNERS[0] == 0
    assert CORNERS[-1] + PATCH == 48


def test_regions_divide_the_rows_among_them() -> None:
    assert [row for rows in REGIONS.values() for row in rows] == list(range(48))


def test_negative_drops_do_not_count_in_the_shares_of_the_regions() -> None:
    drops = np.zeros((len(CORNERS), len(CORNERS)))
    drops[CENTRES.index(14), 3] = 0.3
    drops[CENTRES.index(38), 3] = 0.1
    drops[CENTRES.index(6), 3] = -0.5
    shares = region_shares(drops)
    assert shares == pytest.approx({"forehead": 0, "brows_and_eyes": 0.75, "nose_and_cheeks": 0, "mouth": 0.25})
    assert np.isnan(list(region_shares(-drops * (drops > 0)).values())).all()


def test_tables_hold_maps_and_shares_and_leave_classes_without_faces_blank(measured: Saliency, tmp_path: Path) -> None:
    saliency.write(measured, tmp_path)
    patches = read_csv(tmp_path / "metrics/saliency/patches.csv")
    assert len(patches) == len(NAMES) * len(CENTRES) ** 2
    happy = [float(row["drop"]) for row in patches if row["class"] == "happy"]
    np.testing.assert_allclose(happy, measured.drops[HAPPY].ravel(), atol=1e-6)
    assert {row["drop"] for row in patches if row["class"] != "happy"} == {""}
    regions = {row["class"]: row for row in read_csv(tmp_path / "metrics/saliency/regions.csv")}
    assert list(regions) == [*NAMES, "all", "even"]
    assert (regions["sad"]["faces"], regions["sad"]["mouth"]) == ("0", "")
    assert float(regions["happy"]["mouth"]) > 0.6
    assert regions["all"]["mouth"] == regions["happy"]["mouth"]
    assert regions["even"]["mouth"] == "0.3"


def test_a_network_that_is_never_right_gets_blank_tables(tmp_path: Path) -> None:
    def network(faces: NDArray[np.uint8]) -> NDArray[np.float32]:
        return np.tile(np.array([[1, 0]], np.float32), (len(faces), 1))

    faces = np.zeros((3, 48, 48), np.uint8)
    saliency.write(measure(network, faces, np.ones(3, int), ("happy", "sad"), 5), tmp_path)
    regions = read_csv(tmp_path / "metrics/saliency/regions.csv")
    assert [row["faces"] for row in regions] == ["0", "0", "0", ""]


def test_stage_writes_the_same_bytes_again(network: Network, tmp_path: Path) -> None:
    assert network.classes == NAMES
    write_settings(tmp_path, "saliency", "faces_per_class", 3)
    dataset.save(smiles(12), tmp_path / "data/faces/validation.npz")
    command = [sys.executable, "-W", "error", "-m", "stages.saliency"]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    written = []
    for _ in range(2):
        result = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, check=False)
        assert (result.returncode, result.stdout, result.stderr) == (0, "", "")
        written.append({path.name: path.read_bytes() for path in (tmp_path / "metrics/saliency").iterdir()})
    assert written[0] == written[1]
    regions = read_csv(tmp_path / "metrics/saliency/regions.csv")
    assert [row["faces"] for row in regions if row["class"] == "happy"] == ["3"]
