"""The state of an output: new, begun by an earlier run, or complete."""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from itertools import islice
from pathlib import PurePosixPath
from typing import Final

from emotion.errors import EmotionError, some
from emotion.scoring import listing, partition
from emotion.scoring.listing import Totals
from emotion.scoring.places import Place
from emotion.scoring.settings import FILE, Settings, check_same
from emotion.scoring.sources import Source

OWN: Final = PurePosixPath(FILE).parts[0]
"""The folder that a run makes first."""

LISTED: Final = re.compile(rf"{listing.FOLDER}(/\d+\.parquet)?|{FILE}")
"""What lies in it when a run is stopped while it lists."""


@dataclass(frozen=True)
class Begun:
    """A run that can be gone on with.

    Attributes:
        totals: pictures and partitions of its listing.
        base: folder or prefix to which the names in the listing belong.
        finished: the partitions that are scored.
    """

    totals: Totals
    base: str
    finished: frozenset[int] = frozenset()

    @property
    def missing(self) -> frozenset[int]:
        """The partitions that are not scored."""
        return frozenset(range(self.totals.partitions)) - self.finished


def find_begun(out: Place, settings: Settings, *, resume: bool) -> Begun | None:
    """Look for an earlier run with these settings; None if the output is new.

    Raises:
        EmotionError: the output holds results with other settings, or other files; or results, and `resume` is False.
    """
    content = out.read(FILE)
    if content is None:
        if others := sorted(_find_others(out)):
            raise EmotionError(f"{out.url} holds other files ({some(others, 3)}); choose a new folder for the results")
        return None
    if not resume:
        raise EmotionError(f"{out.url} holds results already; choose another folder, or leave out --no-resume")
    try:
        earlier = json.loads(content)
        totals, base, written = Totals(**earlier["totals"]), earlier["base"], earlier["settings"]
    except (ValueError, KeyError, TypeError) as error:
        raise EmotionError(f"{out.url}/{FILE} is damaged; choose another folder for the results") from error
    check_same(out.url, written, settings)
    return Begun(totals, base, frozenset(partition.finished(out)))


def _find_others(out: Place) -> set[str]:
    """Return what lies in an output that has no settings, except what a run leaves that is stopped while it lists."""
    names = out.names()
    if OWN not in names:
        return names
    inside = {f"{folder}/{name}" for folder in (OWN, listing.FOLDER) for name in out.names(folder)}
    others = {name for name in inside if not LISTED.fullmatch(name.replace("/.", "/").replace(".partial", ""))}
    return (names - {OWN}) | (others if inside else {OWN})


def begin(out: Place, settings: Settings, sources: Iterable[Source], base: str) -> Begun:
    """List the pictures and write the listing; the settings are written last, when the listing is whole.

    Raises:
        EmotionError: there are no pictures.
    """
    totals = listing.write(out, islice(sources, settings.limit))
    if not totals.pictures:
        raise EmotionError(f"there are no pictures in {settings.input}; choose another folder")
    content = {"settings": asdict(settings), "totals": asdict(totals), "base": base}
    out.write(FILE, json.dumps(content, indent=2).encode())
    return Begun(totals, base)


def measure(sources: Iterable[Source], limit: int | None) -> Counter[str]:
    """Count the pictures, their bytes, and those whose size is not known."""
    found: Counter[str] = Counter()
    for source in islice(sources, limit):
        found.update(pictures=1, bytes=source.size or 0, unknown=source.size is None)
    return found
