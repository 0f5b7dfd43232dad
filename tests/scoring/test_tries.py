from __future__ import annotations

from pathlib import Path

from emotion.scoring.places import Place
from emotion.scoring.tries import MOST, Tries, forget


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


def test_deaths_of_an_earlier_run_do_not_count(tmp_path: Path) -> None:
    out = Place(str(tmp_path))
    for _ in range(MOST):
        Tries(out, 7).start(5)
    forget(out)
    assert not Tries(out, 7).again
    assert Tries(out, 7).given_up == set()


def test_nothing_is_forgotten_where_no_run_was(tmp_path: Path) -> None:
    forget(Place(str(tmp_path)))
    assert list(tmp_path.iterdir()) == []
