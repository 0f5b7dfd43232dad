from __future__ import annotations

from emotion import markdown


def test_table_has_a_heading_a_rule_and_a_line_for_each_row() -> None:
    assert markdown.table(("a", "b"), [("1", "2"), ("3", "4")]).splitlines() == [
        "| a | b |",
        "| --- | --- |",
        "| 1 | 2 |",
        "| 3 | 4 |",
    ]


def test_columns_of_numbers_are_aligned_to_the_right() -> None:
    assert markdown.table(("a", "b", "c"), [], numbers=True).splitlines()[1] == "| --- | ---: | ---: |"
