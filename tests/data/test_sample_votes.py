from __future__ import annotations

from pathlib import Path

import numpy as np

from emotion.data import raters
from emotion.data.raters import VoteTable
from emotion.data.sample_faces import draw_members
from emotion.data.sample_votes import RATERS, draw_table
from emotion.votes import CHOICES, distribution, majority

COUNTS = {"train": 20, "validation": 5, "test": 5}


def drawn(folder: Path, counts: dict[str, int]) -> VoteTable:
    (folder / "votes.csv").write_bytes(draw_table(counts, 7))
    return raters.read(folder / "votes.csv")


def test_every_drawn_face_has_ten_votes(tmp_path: Path) -> None:
    table = drawn(tmp_path, COUNTS)
    assert table.names == [name for name, _ in draw_members(COUNTS, 7)]
    assert set(table.votes.sum(axis=1)) == {RATERS}
    assert {usage for usage, name in zip(table.usages, table.names, strict=True) if usage not in name} == set()


def test_votes_do_not_depend_on_how_many_faces_are_drawn(tmp_path: Path) -> None:
    few, many = drawn(tmp_path, {"train": 1, "validation": 1, "test": 1}), drawn(tmp_path, COUNTS)
    rows = [many.names.index(name) for name in few.names]
    np.testing.assert_array_equal(many.votes[rows], few.votes)


def test_most_raters_see_the_expression_and_some_see_others(tmp_path: Path) -> None:
    table = drawn(tmp_path, COUNTS)
    labels = np.array([CHOICES.index(name.split("/")[1]) for name in table.names])
    assert (majority(table.votes) == labels).mean() > 0.9
    shares = distribution(table.votes, CHOICES[:7])
    assert 0.1 < (shares.max(axis=1) < 1).mean() < 0.9
    assert not table.votes[:, 7:].any()
