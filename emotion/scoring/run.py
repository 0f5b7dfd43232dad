"""A whole run, from the options of `emotion score` to the manifest; prints nothing."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, TypeVar

from emotion.evaluation import drift
from emotion.inference.detection import Detection
from emotion.inference.devices import Device
from emotion.inference.network import SHIPPED
from emotion.inference.precision import Precision
from emotion.inference.predictor import Predictor
from emotion.scoring import listing, manifest, output, partition, pipeline, sources, tries
from emotion.scoring.manifest import Effort
from emotion.scoring.output import Begun
from emotion.scoring.places import Place
from emotion.scoring.settings import Settings, facts_of
from emotion.scoring.statistics import Statistics
from emotion.scoring.worker import Job

T = TypeVar("T", Path | None, Detection | Path)


@dataclass(frozen=True)
class Request:
    """What the user wants.

    Attributes:
        source: a folder, a pattern, a table or a prefix.
        out: folder or prefix of the results.
        column: of the table; None for the one that is found.
        limit: number of pictures; None for all.
        resume: whether to go on with an earlier run.
        workers: number of actors; None for one a core or GPU.
        address: of the cluster; None for this machine.
        cropped: whether every picture is one cropped face.
        detector: name of the face detector, or a file with YuNet's weights.
        smallest: height of the smallest face in pixels; None for the detector's own.
        largest: whether only the largest face of a picture counts.
        device: where the network computes.
        precision: that of the network.
        model: file of the network in float32; None for the shipped one.
    """

    source: str
    out: str
    column: str | None = None
    limit: int | None = None
    resume: bool = True
    workers: int | None = None
    address: str | None = None
    cropped: bool = False
    detector: Detection | Path = "yunet"
    smallest: int | None = None
    largest: bool = False
    device: Device = "cpu"
    precision: Precision = "float32"
    model: Path | None = None


@dataclass(frozen=True)
class Prepared:
    """A run whose pictures are listed.

    Attributes:
        request: what the user wants.
        job: what the workers need.
        begun: the listing and what is scored already.
        complete: the manifest of a run that is complete; None if there is work to do.
        lost: number of partitions whose files are gone, though the run was complete.
        left_out: number of files beside the pictures, by suffix.
    """

    request: Request
    job: Job
    begun: Begun
    complete: dict[str, Any] | None = None
    lost: int = 0
    left_out: Counter[str] = field(default_factory=Counter)

    @property
    def pictures(self) -> int:
        """Number of all pictures."""
        return self.begun.totals.pictures

    @property
    def left(self) -> int:
        """Number of pictures that are not scored yet."""
        return self.pictures - listing.pictures_in(self.begun.finished, self.begun.totals)

    @property
    def most_workers(self) -> int:
        """Number of actors beyond which some would have no partition."""
        return max(1, len(self.begun.missing))


def count_kept(prepared: Prepared) -> int:
    """Return the number of pictures whose rows are in the output by now."""
    return listing.pictures_in(partition.finished(prepared.job.out), prepared.begun.totals)


def measure(request: Request) -> Counter[str]:
    """Count the pictures, their bytes, and those whose size is not known; writes nothing."""
    where = sources.describe(request.source, request.column)
    return output.measure(sources.find(request.source, where, Counter(), sized=True), request.limit)


def prepare(request: Request) -> Prepared:
    """Check cluster and output and list the pictures, unless an earlier run did.

    Raises:
        EmotionError: the cluster, the input, the output, the network or the detector cannot be used.
    """
    if request.address:
        pipeline.check_address(request.address)
    where = sources.describe(request.source, request.column)
    settings = _settings_of(request, where.column)
    out, left_out = Place(request.out), Counter[str]()
    begun = output.find_begun(out, settings, resume=request.resume)
    complete = manifest.read(out) if begun else None
    lost = len(begun.missing) if begun and complete else 0
    begun = begun or output.begin(out, settings, sources.find(request.source, where, left_out), where.base)
    where = replace(where, base=begun.base)  # the earlier run may have started in another folder
    device: Device = "gpu" if settings.device == "gpu" else "cpu"  # `auto` is what it found here
    job = Job(out, settings, where, _absolute(request.model), _absolute(request.detector), device)
    return Prepared(request, job, begun, None if lost else complete, lost, left_out)


def score(prepared: Prepared, watch: Callable[[int], object]) -> dict[str, Any]:
    """Score what is missing, write the manifest and return it.

    Args:
        prepared: the run.
        watch: gets the number of pictures of each partition that is scored.

    Raises:
        EmotionError: Ray cannot be started or gives up.
    """
    request, begun, counted = prepared.request, prepared.begun, Statistics()
    tries.forget(prepared.job.out)
    prepared.job.out.delete(manifest.FILE)  # there is one where files of a complete run are gone
    wanted = request.workers and min(request.workers, prepared.most_workers)
    with pipeline.running(request.address, wanted):
        workers = min(prepared.most_workers, pipeline.workers_for(prepared.job.device, wanted))
        start = time.monotonic()
        for number, statistics in pipeline.score(prepared.job, begun.totals.partitions, workers):
            counted.add(statistics)
            if number not in begun.finished:
                watch(statistics.counts["pictures"])
        effort = Effort(time.monotonic() - start, prepared.left, workers)
    result = manifest.describe(counted, prepared.job.settings, effort, drift.read_reference(SHIPPED.parent))
    manifest.write(prepared.job.out, result)
    return result


def _settings_of(request: Request, column: str | None) -> Settings:
    # Loaded here to refuse before Ray starts what its workers would refuse, and to fetch the detector once.
    predictor = Predictor(
        request.model,
        detection=request.detector,
        smallest=request.smallest,
        device=request.device,
        precision=request.precision,
    )
    return Settings(
        input=sources.resolve(request.source),
        column=column,
        limit=request.limit,
        cropped=request.cropped,
        smallest=request.smallest,
        largest=request.largest,
        precision=request.precision,
        **facts_of(predictor, request.model, request.precision),
    )


def _absolute(place: T) -> T:
    """Return a path by which a process that works in another folder finds the file; all else as it is."""
    return place.absolute() if isinstance(place, Path) else place
