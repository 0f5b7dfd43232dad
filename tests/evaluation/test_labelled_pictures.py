from __future__ import annotations

from pathlib import Path

import pytest

from emotion.errors import DataError
from emotion.evaluation.labelled_pictures import EXAMPLES, LabelledPicture, read
from emotion.labels import NAMES


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder with pictures, which are found but not read."""
    for name in ("a.jpg", "b c.jpg", "deep/d.jpg", "owner+name/e.jpg", "owner/other/f.jpg"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()
    return tmp_path


def pictures(folder: Path, text: str | bytes, below: Path | None = None) -> list[LabelledPicture]:
    path = folder / "labels.csv"
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return read(path, below, NAMES)


def refusal(folder: Path, text: str | bytes) -> str:
    with pytest.raises(DataError) as caught:
        pictures(folder, text)
    message = str(caught.value)
    assert message.startswith(str(folder / "labels.csv"))
    assert len(message.splitlines()) == 1
    return message.removeprefix(f"{folder / 'labels.csv'} ").replace(f"{folder}/", "")


def test_columns_are_read_and_others_kept(folder: Path) -> None:
    first, second = pictures(
        folder, "file,faces,expected,accepted,pose\na.jpg,1,happy,sad|fear surprise,front\ndeep/d.jpg,14,,,\n"
    )
    assert (first.line, first.path, first.faces, first.expected) == (2, folder / "a.jpg", 1, "happy")
    assert first.accepted == {"happy", "sad", "fear", "surprise"}
    assert first.fields["pose"] == "front"
    assert (second.faces, second.expected, second.accepted) == (14, None, frozenset())


def test_number_of_faces_is_1_where_the_column_or_the_value_is_missing(folder: Path) -> None:
    assert [each.faces for each in pictures(folder, "file,expected\na.jpg,sad\n")] == [1]
    assert [each.faces for each in pictures(folder, "file,expected,faces\na.jpg,sad,\n")] == [1]


@pytest.mark.parametrize("separator", [",", ";", "\t"])
def test_csv_of_a_spreadsheet_is_read_with_its_mark_separator_line_ends_and_capitals(
    folder: Path, separator: str
) -> None:
    lines = [["File", "Faces", "Expected", "Note"], ["b c.jpg", "1", "Happy ", '"x,y;z\t"'], ["", "", "", ""]]
    text = "\r\n".join(separator.join(line) for line in lines)
    (found,) = pictures(folder, b"\xef\xbb\xbf" + text.encode())
    assert (found.path, found.expected, found.fields["note"]) == (folder / "b c.jpg", "happy", "x,y;z")


def test_repository_is_a_folder_with_a_plus_or_a_nested_one(folder: Path) -> None:
    found = pictures(folder, "repository,file,expected\nowner/name,e.jpg,\nowner/other,f.jpg,\n,a.jpg,\n")
    assert [each.path.relative_to(folder).as_posix() for each in found] == [
        "owner+name/e.jpg",
        "owner/other/f.jpg",
        "a.jpg",
    ]


def test_files_are_searched_in_the_folder_that_is_given(folder: Path, tmp_path_factory: pytest.TempPathFactory) -> None:
    elsewhere = tmp_path_factory.mktemp("csv")
    (found,) = pictures(elsewhere, "file,expected\nd.jpg,sad\n", folder / "deep")
    assert found.path == folder / "deep/d.jpg"


def test_all_faults_are_told_at_once_with_their_lines(folder: Path) -> None:
    lines = [
        "file,faces,expected,accepted",
        "a.jpg,1,joy,",
        "gone.jpg,x,sad,",
        "a.jpg,1,sad,",
        "b c.jpg,1",
        ",1,sad,",
        "b c.jpg,0,sad,",
        "deep/d.jpg,1,,sad",
        "owner+name/e.jpg,1,sad happy,",
    ]
    assert refusal(folder, "\n".join(lines)) == (
        "has 9 faults (unknown class 1, no file 2, number of faces 1, duplicate 1, number of values 1, "
        "class without a face 1, accepted alone 1, several classes 1): "
        f"line 2: expected one of {', '.join(NAMES)}, received 'joy'; "
        "line 3: there is no file gone.jpg; line 3: expected a whole number of faces, received 'x'; "
        "line 4: a.jpg is already on line 2; line 5: expected 4 values, received 2; line 6: the field file is empty; "
        "line 7: expected is sad, but faces is 0; line 8: accepted is sad, but expected is empty; "
        "line 9: expected one class, received sad, happy; use accepted; correct the csv"
    )


def test_many_faults_are_counted_and_the_first_quoted(folder: Path) -> None:
    lines = [f"gone{number}.jpg,sad" for number in range(EXAMPLES + 3)]
    message = refusal(folder, "\n".join(["file,expected", *lines]))
    assert message.startswith("has 13 faults (no file 13): line 2: ")
    assert message.count("there is no file") == EXAMPLES
    assert message.endswith("; and 3 more; correct the csv")


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", 'the columns "file" and "expected" are needed, and it has no header; add "file" and "expected"'),
        (
            "name,faces\na.jpg,1\n",
            'are needed, and it has only "name" and "faces"; add "file" and "expected"',
        ),
        ("file,expected,x,x\na.jpg,,1,2\n", 'there is more than one column "x"; rename them'),
        ("file,expected,label\na.jpg,,1\n", 'the results have a column "label" too; rename yours'),
        ("file,expected\n", "there is no line below the header"),
        ("file,expected\n./a.jpg,\na.jpg,\n", "line 3: a.jpg is already on line 2"),
        ("file,expected\n" + "a" * 5000 + ",\n", "line 2: there is no file aaa"),
        ("file,expected,faces\na.jpg,,1.0\n", "expected a whole number of faces, received '1.0'"),
    ],
)
def test_fault_of_a_csv_is_told_in_one_line(folder: Path, text: str, expected: str) -> None:
    assert expected in refusal(folder, text)


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        (b'file,expected\n"a.jpg,sad\n', "unexpected end of data"),
        (b"\xff\xfef\x00", "is not UTF-8 text (invalid start"),
    ],
)
def test_file_that_is_no_csv_is_refused(folder: Path, content: bytes, expected: str) -> None:
    path = folder / "labels.csv"
    path.write_bytes(content)
    with pytest.raises(DataError) as caught:
        read(path, None, NAMES)
    assert expected in str(caught.value)


def test_missing_csv_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"cannot read .*absent\.csv \(No such file or directory\); choose a csv"):
        read(tmp_path / "absent.csv", None, NAMES)
