from __future__ import annotations

import pytest

from emotion.data.class_names import find_class, find_order
from emotion.labels import CSV_CODES


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("Anger", "angry"),
        ("0_angry", "angry"),
        ("00 - Anger", "angry"),
        ("2.Fear", "fear"),
        ("scared", "fear"),
        ("afraid", "fear"),
        ("Surprises", "surprise"),
        ("happy ", "happy"),
        (" Sad", "sad"),
        ("contempt", "contempt"),
        ("joy", "joy"),
        ("3", "3"),
        ("03", "3"),
        ("2 people", "2 people"),
        ("disgust_2", "disgust_2"),
        ("", ""),
    ],
)
def test_class_is_read_as_people_write_it(name: str, expected: str) -> None:
    assert find_class(name, {}) == expected


@pytest.mark.parametrize(("name", "expected"), [("Joy", "happy"), ("anger", "disgust"), ("05", "sad")])
def test_what_a_person_says_goes_before(name: str, expected: str) -> None:
    assert find_class(name, {"joy": "happy", "anger": "disgust", "5": "sad"}) == expected


def test_numbers_from_0_to_6_are_those_of_fer2013() -> None:
    assert list(find_order("0123456").values()) == list(CSV_CODES)


def test_numbers_from_1_to_7_are_those_of_rafdb() -> None:
    order = find_order(["01", "2", "3", "4", "5", "6", "7", "images"])
    assert [order[number] for number in "1234567"] == [
        "surprise",
        "fear",
        "disgust",
        "happy",
        "sad",
        "angry",
        "neutral",
    ]


@pytest.mark.parametrize("numbers", ["01234567", "123456", "012345", ""])
def test_other_numbers_mean_nothing(numbers: str) -> None:
    assert find_order(numbers) == {}
