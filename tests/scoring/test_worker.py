from __future__ import annotations

import io
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from PIL import Image
from shut_folders import make_shut_folder
from small_models import write_int8

from emotion.errors import EmotionError
from emotion.files import sha256_of
from emotion.inference.formats import csv_text
from emotion.inference.pictures import find_pictures
from emotion.inference.predictor import Predictor
from emotion.scoring import listing, partition, statistics, worker
from emotion.scoring.places import Place
from emotion.scoring.run import Prepared
from emotion.scoring.tries import MOST, Tries
from emotion.scoring.worker import Scorer

Prepare = Callable[..., Prepared]


def score_all(prepared: Prepared, scorer: Scorer | None = None) -> statistics.Statistics:
    """Score all partitions as Ray's actors do."""
    scorer, total = scorer or Scorer(prepared.job), statistics.Statistics()
    for number in range(prepared.begun.totals.partitions):
        found = scorer(listing.read(prepared.job.out, number)).to_pylist()
        total.add(statistics.parse(found[0]["statistics"]))
    return total


def rows_in(out: Place) -> list[dict[str, Any]]:
    return [row for number in sorted(partition.finished(out)) for row in _table(out, number).to_pylist()]


def _table(out: Place, number: int) -> pa.Table:
    table = partition.read(out, number)
    assert table is not None
    return table


def test_int8_scores_with_the_file_beside_the_network_and_is_another_setting(prepare: Prepare, tmp_path: Path) -> None:
    model = write_int8(tmp_path)
    prepared = prepare(model=model, precision="int8")
    assert prepared.job.settings.network == sha256_of(tmp_path / "emotion.int8.onnx")
    score_all(prepared)
    assert max(row["happy"] or 0 for row in rows_in(prepared.job.out)) > 0.2  # float32 gives all classes the same
    with pytest.raises(EmotionError, match=r"other settings .*precision int8, not float32"):
        prepare(model=model)


def test_rows_are_those_of_predict(prepare: Prepare, pictures: Path, model: Path) -> None:
    prepared = prepare()
    score_all(prepared)
    predictor = Predictor(model, detection="haar")
    paths = list(find_pictures(str(pictures)))
    expected = [row for picture in predictor.predict(paths) for row in picture.rows(predictor.classes)]
    found = rows_in(prepared.job.out)
    assert [{key: row[key] for key in expected[0]} for row in found] == [
        {key: pytest.approx(value, abs=1e-6) if isinstance(value, float) else value for key, value in row.items()}
        for row in expected
    ]
    header = csv_text(predictor.predict(paths[:1]), predictor.classes).splitlines()[0]
    assert list(found[0])[: len(expected[0])] == header.split(",")


def test_counts_agree_with_the_rows(prepare: Prepare) -> None:
    counted = score_all(prepare())
    assert counted.counts == {"pictures": 42, "faces": 40, "faults": 2, "uncertain": counted.counts["uncertain"]}
    assert counted.faults == {"the file is empty": 1, "not a picture in a supported format": 1}
    assert counted.labels.total() == 40
    assert len(counted.sample) == 40


def test_file_of_a_partition_names_the_settings(prepare: Prepare) -> None:
    prepared = prepare()
    score_all(prepared)
    assert _table(prepared.job.out, 0).schema.metadata[b"emotion"].decode() == prepared.job.settings.to_json()


def test_finished_partition_is_counted_and_not_scored_again(prepare: Prepare, monkeypatch: pytest.MonkeyPatch) -> None:
    prepared = prepare()
    scorer, first = Scorer(prepared.job), score_all(prepared)
    monkeypatch.setattr(Predictor, "stream_crops", None)
    assert score_all(prepared, scorer).to_json() == first.to_json()


def test_damaged_file_of_a_partition_is_written_again(prepare: Prepare) -> None:
    prepared = prepare()
    score_all(prepared)
    path = Path(prepared.job.out.path, "faces/part-000001.parquet")
    whole = path.read_bytes()
    path.write_bytes(whole[:-100])
    score_all(prepared)
    assert path.read_bytes() == whole


def test_after_a_death_the_pictures_are_taken_one_by_one_with_the_same_rows(prepare: Prepare, tmp_path: Path) -> None:
    smooth, killed = prepare(), prepare(out=str(tmp_path / "killed"))
    score_all(smooth)
    Tries(killed.job.out, 0)
    score_all(killed)
    expected, found = rows_in(smooth.job.out), rows_in(killed.job.out)
    assert [row["source"] for row in found] == [row["source"] for row in expected]
    assert [row["confidence"] for row in found] == pytest.approx([row["confidence"] for row in expected], abs=1e-6)
    assert killed.job.out.names("work/tries") == set()


def test_picture_that_killed_three_workers_becomes_a_fault_and_is_not_read(prepare: Prepare) -> None:
    prepared = prepare()
    Tries(prepared.job.out, 0)
    for _ in range(MOST):
        Tries(prepared.job.out, 0).start(3)
    score_all(prepared)
    rows = rows_in(prepared.job.out)
    assert [number for number, row in enumerate(rows) if row["error"] == worker.KILLED] == [3]
    assert rows[3]["status"] == "error"
    assert len(rows) == 42


def test_pictures_inside_a_table_are_scored(prepare: Prepare, pictures: Path, tmp_path: Path) -> None:
    paths = sorted(pictures.glob("*.png"))
    table = tmp_path / "photos.parquet"
    pq.write_table(pa.table({"image": [path.read_bytes() for path in paths] + [None]}), table, row_group_size=7)
    prepared = prepare(source=str(table))
    counted = score_all(prepared)
    assert counted.counts["faces"] == 30
    assert counted.faults["the row is empty"] == 1
    assert rows_in(prepared.job.out)[0]["source"] == f"{table}#0"


def test_pictures_that_a_table_names_beside_its_own_are_scored(
    prepare: Prepare, pictures: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    paths = ["pictures/01.png", str(pictures / "02.png"), f"file://{pictures}/03.png", "absent.png", ""]
    rows: list[dict[str, Any]] = [{"bytes": None, "path": path} for path in paths]
    rows.append({"bytes": (pictures / "05.png").read_bytes(), "path": "elsewhere.png"})
    pq.write_table(pa.table({"image": rows}), tmp_path / "photos.parquet")
    prepared = prepare(source=str(tmp_path / "photos.parquet"))
    monkeypatch.chdir("/")
    counted = score_all(prepared)
    assert counted.counts["faces"] == 4
    assert counted.faults == {"no readable file": 1, "the row is empty": 1}


def test_folder_that_cannot_be_read_is_a_fault_that_names_it(
    prepare: Prepare, pictures: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shut = make_shut_folder(pictures / "shut", monkeypatch)
    prepared = prepare()
    assert score_all(prepared).faults["no readable folder"] == 1
    assert rows_in(prepared.job.out)[-1]["source"] == str(shut)
    assert rows_in(prepared.job.out)[-1]["error"] == "no readable folder (Permission denied)"


def test_pictures_behind_an_address_are_fetched(prepare: Prepare, pictures: Path) -> None:
    prepared = prepare(source=f"file://{pictures}")
    (pictures / "01.png").unlink()
    counted = score_all(prepared)
    assert counted.counts["faces"] == 39
    assert counted.faults["no readable file"] == 1


@pytest.mark.slow
def test_picture_of_a_hundred_megapixels_is_scored(prepare: Prepare, pictures: Path) -> None:
    Image.new("L", (10_000, 10_000), 128).save(pictures / "huge.png")
    counted = score_all(prepare())
    assert counted.counts["without_face"] == 1
    assert counted.counts["faults"] == 2


def test_bomb_is_a_fault_and_not_fatal(prepare: Prepare, pictures: Path) -> None:
    buffer = io.BytesIO()
    Image.new("1", (30_000, 30_000)).save(buffer, "PNG")
    (pictures / "bomb.png").write_bytes(buffer.getvalue())
    counted = score_all(prepare())
    assert counted.faults["expected at most 100000000 pixels"] == 1


def test_worker_with_another_network_refuses(prepare: Prepare) -> None:
    other = replace(prepare().job, model=None)
    with pytest.raises(
        EmotionError, match=r"a worker differs from the machine that started \(network [0-9a-f]{12}, not"
    ):
        Scorer(other)
