from __future__ import annotations

from itertools import islice
from pathlib import Path

import pytest

from emotion.errors import EmotionError
from emotion.scoring import listing
from emotion.scoring.listing import Totals
from emotion.scoring.places import Place
from emotion.scoring.sources import Source


def sources(count: int) -> list[Source]:
    return [Source(f"photos/{number}.jpg") for number in range(count)]


def test_first_partitions_are_small_and_the_later_ones_large() -> None:
    assert [listing.size_of(number) for number in (0, 31, 32, 63, 64, 10_000)] == [32, 32, 128, 128, 512, 512]


def test_every_picture_is_in_one_partition_and_in_order(tmp_path: Path) -> None:
    out = Place(str(tmp_path))
    totals = listing.write(out, sources(8000))
    rows = [listing.read(out, number).to_pylist()[0] for number in range(totals.partitions)]
    assert totals.pictures == 8000
    assert [row["partition"] for row in rows] == list(range(totals.partitions))
    names = [listing.decode(name) for row in rows for name in row["names"]]
    assert names == [source.name for source in sources(8000)]
    assert all(names[row["first"]] == listing.decode(row["names"][0]) for row in rows)


def test_more_pictures_leave_the_first_partitions_as_they_are() -> None:
    few, many = (list(islice(listing.cut(sources(count)), 40)) for count in (7000, 9000))
    assert few == many


def test_pictures_of_some_partitions_are_counted_without_reading_the_listing() -> None:
    totals = Totals(pictures=32 * 2 + 5, partitions=3)
    assert listing.pictures_in([0, 2], totals) == 37
    assert listing.pictures_in(range(3), totals) == totals.pictures


def test_names_that_are_no_valid_text_come_back_as_they_were(tmp_path: Path) -> None:
    out, name = Place(str(tmp_path)), b"caf\xe9.jpg".decode("utf-8", "surrogateescape")
    listing.write(out, [Source(name)])
    assert listing.decode(listing.read(out, 0).to_pylist()[0]["names"][0]) == name


def test_a_listing_that_is_gone_is_told_in_one_line(tmp_path: Path) -> None:
    with pytest.raises(EmotionError, match=r"there is nothing at .*work/listing/000000.parquet; check the name"):
        listing.read(Place(str(tmp_path)), 5)
