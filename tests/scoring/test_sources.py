from __future__ import annotations

import csv
from collections import Counter
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from shut_folders import make_shut_folder

from emotion.errors import EmotionError
from emotion.inference.pictures import find_pictures
from emotion.scoring import sources, tables
from emotion.scoring.sources import Sources


def names_in(text: str, column: str | None = None) -> list[str]:
    return [source.name for source in sources.find(text, sources.describe(text, column), Counter())]


def test_folder_gives_the_pictures_that_predict_finds_in_the_same_order(pictures: Path) -> None:
    assert names_in(str(pictures)) == list(find_pictures(str(pictures)))


def test_files_that_are_no_pictures_are_counted(pictures: Path) -> None:
    left_out: Counter[str] = Counter()
    list(sources.find(str(pictures), Sources("paths", ""), left_out))
    assert left_out == {".txt": 1}


def test_prefix_of_a_store_gives_the_same_pictures_as_the_folder(pictures: Path) -> None:
    prefix = f"file://{pictures}"
    assert names_in(prefix) == [f"file://{name}" for name in find_pictures(str(pictures))]
    assert names_in(f"{prefix}/0*.png") == [f"file://{name}" for name in find_pictures(f"{pictures}/0*.png")]


def test_sizes_are_looked_up_only_on_request(pictures: Path) -> None:
    found = sources.describe(str(pictures), None)
    assert {source.size for source in sources.find(str(pictures), found, Counter())} == {None}
    sized = [source.size for source in sources.find(str(pictures), found, Counter(), sized=True)]
    assert sum(size or 0 for size in sized) == sum(path.stat().st_size for path in pictures.rglob("*.png"))


@pytest.mark.parametrize("name", ["absent", "absent/*.jpg", "file:///absent/prefix"])
def test_input_that_is_not_there_is_told_in_one_line(name: str) -> None:
    with pytest.raises(EmotionError, match=rf"there is (no file or folder|nothing at) {name.replace('*', '.')}"):
        names_in(name)


def test_input_that_cannot_be_listed_is_told_in_one_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    shut = make_shut_folder(tmp_path / "shut", monkeypatch)
    with pytest.raises(EmotionError, match="shut cannot be used: Permission denied"):
        names_in(str(shut))


def test_csv_gives_the_paths_in_its_rows_relative_to_its_folder(tmp_path: Path) -> None:
    table = tmp_path / "list.csv"
    with table.open("w", newline="") as stream:
        csv.writer(stream).writerows([["id", "file"], [1, "b.jpg"], [2, "a.jpg"]])
    assert names_in(str(table)) == ["b.jpg", "a.jpg"]
    where = sources.describe(str(table), None)
    assert sources.locate("b.jpg", where.base) == str(tmp_path / "b.jpg")


def test_address_in_a_table_is_taken_as_it_is() -> None:
    assert sources.locate("s3://bucket/a.jpg", "/photos") == "s3://bucket/a.jpg"
    assert sources.locate("a.jpg", "s3://bucket/photos") == "s3://bucket/photos/a.jpg"


def test_parquet_of_paths_is_read_by_its_column(tmp_path: Path) -> None:
    table = tmp_path / "list.parquet"
    pq.write_table(pa.table({"where": ["b.jpg", "a.jpg"], "n": [1, 2]}), table)
    assert names_in(str(table), "where") == ["b.jpg", "a.jpg"]
    with pytest.raises(EmotionError, match="expected a column path or file or source or url, received where"):
        names_in(str(table))


@pytest.mark.parametrize("kind", [pa.large_string(), pa.string_view(), pa.dictionary(pa.int32(), pa.string())])
def test_paths_may_be_any_kind_of_text(tmp_path: Path, kind: pa.DataType) -> None:
    table = tmp_path / "list.parquet"
    pq.write_table(pa.table({"path": pa.array(["b.jpg", "a.jpg", "b.jpg"]).cast(kind)}), table)
    assert names_in(str(table)) == ["b.jpg", "a.jpg", "b.jpg"]


def test_suffix_of_a_table_may_have_capitals(tmp_path: Path) -> None:
    (tmp_path / "LIST.CSV").write_text("file\nb.jpg\n")
    assert names_in(str(tmp_path / "LIST.CSV")) == ["b.jpg"]


@pytest.mark.parametrize("name", ["*.parquet", "data.parquet"])
def test_several_tables_are_refused_in_one_line(tmp_path: Path, name: str) -> None:
    (tmp_path / "data.parquet").mkdir()
    with pytest.raises(EmotionError, match="is more than one table; give one"):
        sources.describe(str(tmp_path / name), None)


def test_row_without_a_path_is_told_in_one_line(tmp_path: Path) -> None:
    (tmp_path / "list.csv").write_text('path\na.jpg\n""\n')
    with pytest.raises(EmotionError, match="has a row without a path"):
        names_in(str(tmp_path / "list.csv"))


@pytest.mark.parametrize("as_struct", [False, True])
def test_pictures_inside_a_parquet_file_are_numbered_and_read_back(tmp_path: Path, as_struct: bool) -> None:
    table = tmp_path / "photos.parquet"
    content = [str(number).encode() for number in range(50)]
    values = [{"bytes": each, "path": None} for each in content] if as_struct else content
    pq.write_table(pa.table({"image": values}), table, row_group_size=20)
    assert sources.describe(str(table), None) == Sources("bytes", str(table), "image")
    assert names_in(str(table))[:2] == [f"{table}#0", f"{table}#1"]
    for first, count in ((0, 50), (15, 10), (39, 3), (41, 9)):
        assert list(tables.read_rows(str(table), "image", first, count)) == content[first : first + count]


@pytest.mark.parametrize("kind", [pa.large_binary(), pa.binary(99), pa.dictionary(pa.int32(), pa.binary())])
def test_pictures_may_be_any_kind_of_bytes(tmp_path: Path, kind: pa.DataType) -> None:
    table, content = tmp_path / "photos.parquet", [b"a" * 99, b"b" * 99]
    pq.write_table(pa.table({"image": pa.array(content).cast(kind)}), table)
    assert sources.describe(str(table), None).kind == "bytes"
    assert list(tables.read_rows(str(table), "image", 0, 2)) == content


def test_column_of_hashes_holds_no_pictures(tmp_path: Path) -> None:
    hashes = pa.array([bytes(32)], pa.binary(32))
    pq.write_table(pa.table({"sha256": hashes, "image": [b"picture"]}), tmp_path / "photos.parquet")
    assert sources.describe(str(tmp_path / "photos.parquet"), None).column == "image"


def test_size_of_pictures_that_a_table_only_names_is_not_known(tmp_path: Path) -> None:
    table = tmp_path / "photos.parquet"
    rows = [{"bytes": None, "path": "a.jpg"}] * 2 + [{"bytes": bytes(50_000), "path": None}] * 2
    column = pa.array(rows, pa.struct([("bytes", pa.binary()), ("path", pa.string())]))
    pq.write_table(pa.table({"image": column}), table, row_group_size=2, compression="none", use_dictionary=False)
    sizes = [source.size for source in sources.find(str(table), sources.describe(str(table), None), Counter())]
    assert sizes[:2] == [None, None]
    assert all(50_000 <= (size or 0) < 55_000 for size in sizes[2:])


def test_column_of_a_folder_is_refused(pictures: Path) -> None:
    with pytest.raises(EmotionError, match="--column path is for a table"):
        sources.describe(str(pictures), "path")


def test_folder_of_many_names_is_listed_without_opening_a_file(tmp_path: Path) -> None:
    for number in range(2000):
        (tmp_path / f"{number}.jpg").touch()
    assert len(names_in(str(tmp_path))) == 2000
