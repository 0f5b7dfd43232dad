"""Pictures and results in an object store: a real S3 server on loopback."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import boto3
import moto.settings
import pytest
from s3_server import serving_s3

from emotion.errors import EmotionError
from emotion.scoring import listing, partition, sources
from emotion.scoring.places import Place
from emotion.scoring.run import Prepared
from emotion.scoring.worker import Scorer

pytestmark = pytest.mark.filterwarnings("ignore:datetime.datetime.utcnow:DeprecationWarning")

BUCKET = "photos"

Prepare = Callable[..., Prepared]


@pytest.fixture(scope="module")
def server() -> Iterator[str]:
    with pytest.MonkeyPatch.context() as patch, serving_s3(patch, BUCKET) as address:
        yield address


@pytest.fixture
def prefix(server: str, pictures: Path) -> str:  # noqa: ARG001  the server must run
    """Put the pictures into the bucket; return their prefix."""
    client = boto3.client("s3")
    for path in pictures.rglob("*.*"):
        client.put_object(Bucket=BUCKET, Key=f"new/{path.relative_to(pictures)}", Body=path.read_bytes())
    for name in ("Thumbs.db", "__MACOSX/photo.jpg", "deep/.DS_Store"):
        client.put_object(Bucket=BUCKET, Key=f"new/{name}", Body=b"")
    return f"s3://{BUCKET}/new"


def rows_in(out: Place) -> list[dict[str, Any]]:
    tables = [partition.read(out, number) for number in sorted(partition.finished(out))]
    return [row for table in tables if table is not None for row in table.to_pylist()]


def test_pictures_are_read_from_a_bucket_and_rows_written_into_it(
    prefix: str, prepare: Prepare, pictures: Path, tmp_path: Path
) -> None:
    there, here = prepare(source=prefix, out=f"s3://{BUCKET}/results"), prepare(out=str(tmp_path / "here"))
    for prepared in (there, here):
        scorer = Scorer(prepared.job)
        for number in range(prepared.begun.totals.partitions):
            scorer(listing.read(prepared.job.out, number))
    rows, expected = rows_in(there.job.out), rows_in(here.job.out)
    assert [row.pop("source") for row in rows] == [row.pop("source").replace(str(pictures), prefix) for row in expected]
    assert [row["confidence"] for row in rows] == pytest.approx([row["confidence"] for row in expected], abs=1e-6)
    assert [row["error"] for row in rows] == [row["error"] for row in expected]
    assert there.job.out.names("work/tries") == set()
    assert prepare(source=prefix, out=f"s3://{BUCKET}/results").left == 0


def test_sizes_come_with_the_names(prefix: str) -> None:
    left_out: Counter[str] = Counter()
    found = list(sources.find(prefix, sources.describe(prefix, None), left_out))
    assert len(found) == 42
    assert ".db" not in left_out
    assert all(source.size is not None for source in found)


def test_prefix_that_is_not_there_is_one_line(server: str) -> None:  # noqa: ARG001  the server must run
    for place in (f"s3://{BUCKET}/absent", "s3://no-such-bucket/absent"):
        with pytest.raises(EmotionError, match=rf"there is nothing at {place}; check the name"):
            list(sources.find(place, sources.describe(place, None), Counter()))


def test_store_that_no_longer_answers_ends_the_run_and_leaves_no_false_faults(
    prefix: str, prepare: Prepare, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    prepared = prepare(source=prefix, out=str(tmp_path / "out"))
    scorer, rows = Scorer(prepared.job), listing.read(prepared.job.out, 0)
    with monkeypatch.context() as patch:
        patch.setattr(moto.settings, "INITIAL_NO_AUTH_ACTION_COUNT", 0)  # the credentials are refused from now on
        with pytest.raises(EmotionError, match=r"cannot be read: .*; to go on, run the same command again"):
            scorer(rows)
    assert partition.finished(prepared.job.out) == set()
    scorer(rows)
    assert not [row for row in rows_in(prepared.job.out) if "no readable file" in str(row["error"])]


def test_wrong_credentials_are_one_line(prefix: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(moto.settings, "INITIAL_NO_AUTH_ACTION_COUNT", 0)  # every request is checked now
    with pytest.raises(EmotionError) as raised:
        list(sources.find(prefix, sources.describe(prefix, None), Counter()))
    assert "cannot be used: " in str(raised.value)
    assert str(raised.value).endswith("; check the credentials")
    with pytest.raises(EmotionError, match="check the credentials"):
        Place(f"s3://{BUCKET}/results").write("a", b"")
