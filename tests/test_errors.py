from __future__ import annotations

from emotion.errors import one_line


def test_control_characters_in_a_file_name_do_not_reach_the_terminal() -> None:
    assert one_line(ValueError("no\nsuch file: \x1b[31mred ü")) == "no such file: \\x1b[31mred ü"
