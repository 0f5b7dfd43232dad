"""Gets the pictures of one partition: from this machine's files, from an object store, or out of a table.

Pictures of an object store are fetched ahead, while earlier ones are searched for faces.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Sequence, Set
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Final, NamedTuple

from fsspec.core import url_to_fs

from emotion.errors import EmotionError, one_line
from emotion.scoring.places import is_address
from emotion.scoring.sources import Sources, folder_of, locate
from emotion.scoring.tables import read_rows

WEB: Final = ("http://", "https://")
"""Addresses of many hosts: one that does not answer is a fault of its pictures. A store that fails ends the run."""

AHEAD: Final = 16
"""Pictures that are fetched at once, and in memory."""


class Fetched(NamedTuple):
    """One picture of a partition.

    Attributes:
        place: its place in the partition.
        content: a path on this machine, or the content of the file; None if there is none.
        error: one line that says why there is none.
    """

    place: int
    content: str | bytes | None
    error: str | None = None


def fetch(names: Sequence[str], first: int, sources: Sources, left_out: Set[int]) -> Iterator[Fetched]:
    """Yield the pictures of a partition in order.

    Args:
        names: of all its pictures.
        first: number of the first one in the input.
        sources: where the input lies.
        left_out: places of pictures that are not wanted.

    Raises:
        EmotionError: an object store does not answer, or no longer takes the credentials.
    """
    wanted = [place for place in range(len(names)) if place not in left_out]
    if sources.kind == "bytes":
        yield from _from_table(sources, first, len(names), left_out)
    elif any(is_address(locate(names[place], sources.base)) for place in wanted):
        yield from _fetch_ahead([(place, locate(names[place], sources.base)) for place in wanted])
    else:
        # The predictor reads them in its own threads.
        yield from (Fetched(place, locate(names[place], sources.base)) for place in wanted)


def _from_table(sources: Sources, first: int, count: int, left_out: Set[int]) -> Iterator[Fetched]:
    for place, content in enumerate(read_rows(sources.base, str(sources.column), first, count)):
        if place in left_out:
            continue
        if isinstance(content, str):
            yield _fetch_one(place, locate(content, folder_of(sources.base)))
        else:
            yield Fetched(place, content, None if content is not None else "the row is empty")


def _fetch_ahead(located: Sequence[tuple[int, str]]) -> Iterator[Fetched]:
    waiting: deque[Future[Fetched]] = deque()
    with ThreadPoolExecutor(AHEAD) as pool:
        for place, address in located:
            waiting.append(pool.submit(_fetch_one, place, address))
            if len(waiting) == AHEAD:
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()


def _fetch_one(place: int, address: str) -> Fetched:
    if not is_address(address):
        return Fetched(place, address)
    try:
        files, path = url_to_fs(address)
        return Fetched(place, files.cat_file(path))
    except FileNotFoundError:
        return Fetched(place, None, "no readable file (No such file or directory)")
    except Exception as error:  # whatever a store raises
        reason = one_line(error)
        if not address.startswith(WEB) and not _is_known(address):
            raise EmotionError(f"{address} cannot be read: {reason}; to go on, run the same command again") from error
        return Fetched(place, None, f"no readable file ({reason})")


def _is_known(address: str) -> bool:
    """Tell whether its store still knows a picture. If not, the store is down or the credentials are of no use."""
    try:
        files, path = url_to_fs(address)
        files.invalidate_cache()
        files.info(path)
    except Exception:  # whatever a store raises
        return False
    return True
