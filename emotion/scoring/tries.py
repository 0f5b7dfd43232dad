"""Notes which picture a worker has in hand, so that one which kills its worker is left out in the end.

The first time, nobody knows which picture of a partition it was: a note only says that the partition was begun. A
worker that finds this note takes the pictures one by one and writes down each before it starts.
"""

from __future__ import annotations

import json
from collections import Counter
from typing import Final

from emotion.scoring.places import Place

FOLDER: Final = "work/tries"

MOST: Final = 3
"""Workers that one picture may kill in one run, on its own, before it counts as a fault."""


def forget(out: Place) -> None:
    """Delete the notes of earlier runs: a picture that was in hand when a run was stopped did not kill its worker."""
    for name in out.names(FOLDER):
        out.delete(f"{FOLDER}/{name}")


class Tries:
    """The notes on one partition, in the output.

    Attributes:
        again: whether an earlier worker began this partition and did not finish it.
        deaths: number of workers that died with a picture in hand, by its place in the partition.
    """

    def __init__(self, out: Place, partition: int) -> None:
        """Read the note of an earlier worker, count the picture that it had in hand, and leave a note."""
        self._out, self._name = out, f"{FOLDER}/{partition:06}.json"
        found = out.read(self._name)
        self.again = found is not None
        self.deaths: Counter[int] = Counter()
        if found:
            note = json.loads(found)
            self.deaths.update({int(place): count for place, count in note["deaths"].items()})
            if note["picture"] is not None:
                self.deaths[note["picture"]] += 1
        self.start(None)

    @property
    def given_up(self) -> set[int]:
        """The pictures that killed too many workers."""
        return {place for place, count in self.deaths.items() if count >= MOST}

    def start(self, picture: int | None) -> None:
        """Note that a picture, by its place in the partition, is now in hand; None for all of them."""
        note = {"picture": picture, "deaths": self.deaths}
        self._out.write(self._name, json.dumps(note).encode())

    def finish(self) -> None:
        """Delete the note."""
        self._out.delete(self._name)
