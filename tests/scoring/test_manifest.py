from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from small_pictures import CLASSES, reference

from emotion.scoring import manifest, statistics
from emotion.scoring.manifest import Effort
from emotion.scoring.run import Prepared
from emotion.scoring.statistics import COLUMNS, SAMPLE, Statistics

Prepare = Callable[..., Prepared]


def some(faces: int, seed: int = 0) -> Statistics:
    generator = np.random.default_rng(seed)
    labels = Counter(happy=faces - faces // 4, sad=faces // 4)
    counts = Counter(pictures=faces + 3, faces=faces, without_face=1, faults=2, uncertain=faces // 5)
    sample = generator.random((faces, 1 + len(COLUMNS))) * 100
    return Statistics(counts, labels, Counter({"the file is empty": 2}), Counter(yunet=faces + 1), sample)


@pytest.fixture
def described(prepare: Prepare) -> dict[str, object]:
    return manifest.describe(some(40), prepare().job.settings, Effort(10.0, 43, 2), reference())


def test_manifest_counts_faces_faults_and_speed(described: dict[str, object]) -> None:
    assert described["pictures"] == 43
    assert described["labels"] == {"happy": 30, "sad": 10}
    assert described["faults_by_reason"] == {"the file is empty": 2}
    assert described["pictures_a_second"] == 4.3


def test_distance_from_the_test_split_is_that_of_evaluate(described: dict[str, object]) -> None:
    drift = described["drift"]
    assert isinstance(drift, dict)
    assert set(drift["measures"]) == {"light", "contrast", "sharpness", "confidence"}
    assert drift["classes"][CLASSES[0]] == {"share": 0.75, "test": 0.51}
    assert drift["size"]["q50"] > 0


def test_summary_and_terminal_say_the_same(described: dict[str, object]) -> None:
    text = manifest.summary(described)
    for line in manifest.headlines(described):
        assert f"- {line}" in text
    assert "| happy | 30 | 75.0% |" in text
    assert "| the file is empty | 2 | 4.7% |" in text
    assert "## Distance from the test split" in text
    assert any(line.startswith("happy") and line.endswith("75.0%") for line in manifest.terminal_table(described))


def test_run_without_a_face_has_a_summary(prepare: Prepare) -> None:
    nothing = Statistics(Counter(pictures=2, faults=2), faults=Counter({"the file is empty": 2}))
    described = manifest.describe(nothing, prepare().job.settings, Effort(1.0, 2, 1), reference())
    assert described["drift"] is None
    assert "2 pictures: 0 faces, 0 without a face, 2 faults." in manifest.summary(described)


def test_one_face_is_told_in_the_singular(prepare: Prepare) -> None:
    text = manifest.summary(manifest.describe(some(1), prepare().job.settings, Effort(1.0, 1, 1), reference()))
    assert "\n- One face is too few to compare it with the test split.\n" in text
    assert "\nMeasured on 1 found face. " in text
    assert "1 found faces" not in text


def test_manifest_is_written_after_the_summary(prepare: Prepare, described: dict[str, object]) -> None:
    out = prepare().job.out
    manifest.write(out, described)
    folder = Path(out.path)
    assert json.loads((folder / "manifest.json").read_text()) == described == manifest.read(out)
    assert (folder / "summary.md").stat().st_mtime_ns <= (folder / "manifest.json").stat().st_mtime_ns


def test_partitions_add_up_in_any_order() -> None:
    parts = [some(30, seed) for seed in range(3)]
    one, other = Statistics(), Statistics()
    for part in parts:
        one.add(part)
    for part in reversed(parts):
        other.add(statistics.parse(part.to_json()))
    assert one.counts == other.counts
    assert np.array_equal(one.sample, other.sample)


def test_sample_stays_bounded() -> None:
    total = Statistics()
    for seed in range(3):
        total.add(some(SAMPLE // 2, seed))
    assert len(total.sample) == SAMPLE
    assert total.counts["faces"] == SAMPLE // 2 * 3
