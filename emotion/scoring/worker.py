"""Scores partitions: what runs inside each of Ray's actors. Knows nothing of Ray."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pyarrow as pa

from emotion.inference import detection
from emotion.inference.detection import Detection
from emotion.inference.devices import Device
from emotion.inference.predictor import Predictor
from emotion.inference.results import Picture
from emotion.scoring import listing, partition, reading, statistics
from emotion.scoring.partition import Scored
from emotion.scoring.places import Place
from emotion.scoring.reading import Fetched
from emotion.scoring.settings import Settings, check_worker, facts_of
from emotion.scoring.sources import Sources
from emotion.scoring.tries import MOST, Tries

KILLED = f"{MOST} workers died while they had this picture in hand"
"""The fault of a picture that is left out."""


@dataclass(frozen=True)
class Job:
    """What a worker needs to know.

    Attributes:
        out: the output.
        settings: those of the run.
        sources: where the pictures lie.
        model: file of the network, which each machine must have; None for the shipped one.
        detector: name or file of the face detector, likewise.
        device: where the network computes.
    """

    out: Place
    settings: Settings
    sources: Sources
    model: Path | None
    detector: Detection | Path
    device: Device

    @property
    def threads(self) -> int:
        """Threads of one worker: 0 for all, beside a GPU, because the face detector needs the cores."""
        return 0 if self.device == "gpu" else 1

    def predictor(self) -> Predictor:
        """Load the network and the detector."""
        wanted = self.settings
        return Predictor(
            self.model,
            threads=self.threads,
            detection=self.detector,
            smallest=wanted.smallest,
            largest=wanted.largest,
            device=self.device,
            precision=wanted.precision,
        )


class Scorer:
    """Scores one partition after another with one predictor."""

    def __init__(self, job: Job) -> None:
        """Load the predictor.

        Raises:
            EmotionError: this machine has another network, detector or version than the one that started.
        """
        if job.threads:
            detection.limit_threads(job.threads)
        self._job = job
        self._predictor = job.predictor()
        check_worker(facts_of(self._predictor, job.model, job.settings.precision), job.settings)

    def __call__(self, batch: pa.Table) -> pa.Table:
        """Score the partitions in the rows of a listing, unless their files are there.

        Args:
            batch: rows as `listing.SCHEMA` says.

        Returns:
            The columns partition, and statistics as text.
        """
        rows = batch.to_pylist()
        counted = [self._score(row).to_json() for row in rows]
        return pa.table({"partition": [row["partition"] for row in rows], "statistics": counted})

    def _score(self, row: dict[str, Any]) -> statistics.Statistics:
        number, out = row["partition"], self._job.out
        table = partition.read(out, number)
        if table is None:
            tries = Tries(out, number)
            names = [listing.decode(name) for name in row["names"]]
            scored = self._score_all(names, row["first"], tries)
            table = partition.as_table(scored, self._predictor.classes, self._job.settings)
            partition.write(out, number, table)
            tries.finish()
        return statistics.of_table(table, number)

    def _score_all(self, names: list[str], first: int, tries: Tries) -> list[Scored]:
        """Score the pictures of a partition; one at a time after a worker died."""
        results = {place: Scored(Picture(names[place], error=KILLED)) for place in tries.given_up}
        fetched = reading.fetch(names, first, self._job.sources, tries.given_up)
        for place, scored in self._one_by_one(fetched, tries) if tries.again else self._together(fetched):
            results[place] = scored._replace(picture=replace(scored.picture, source=names[place]))
        return [results[place] for place in range(len(names))]

    def _one_by_one(self, fetched: Iterable[Fetched], tries: Tries) -> Iterator[tuple[int, Scored]]:
        for each in fetched:
            tries.start(each.place)
            yield from self._together([each])

    def _together(self, fetched: Iterable[Fetched]) -> Iterator[tuple[int, Scored]]:
        places: list[int] = []
        faults: list[Fetched] = []

        def good() -> Iterator[str | bytes]:
            for each in fetched:
                if each.content is None:
                    faults.append(each)
                else:
                    places.append(each.place)
                    yield each.content

        found = self._predictor.stream_crops(good(), cropped=self._job.settings.cropped or None)
        for number, scored in enumerate(found):
            yield places[number], Scored(*scored)
        yield from ((each.place, Scored(Picture("", error=each.error))) for each in faults)
