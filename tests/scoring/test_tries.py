from __future__ import annotations

from pathlib import Path

from emotion.scoring.places import Place
from emotion.scoring.tries import MOST, Tries


def test_first_try_blames_no_picture(tmp_path: Path) -> None:
    first = Tries(Place(str(tmp_path)), 7)
    assert not first.again
    again = Tries(Place(str(tmp_path)), 7)
    assert again.again
    assert again.given_up == set()


def test_picture_in_hand_at_three_deaths_is_given_up(tmp_path: Path) -> None:
    out = Place(str(tmp_path))
    Tries(out, 7)
    for death in range(MOST):
        tries = Tries(out, 7)
        assert tries.deaths[5] == death
        tries.start(4)
        tries.start(5)
    assert Tries(out, 7).given_up == {5}


def test_finished_partition_leaves_no_note(tmp_path: Path) -> None:
    out = Place(str(tmp_path))
    Tries(out, 7).finish()
    assert not Tries(out, 7).again
