"""What stands at the end of a run: the counts as JSON, `summary.md` for people, and lines for the terminal."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from typing import Any, Final

from emotion.errors import EmotionError
from emotion.evaluation import drift
from emotion.evaluation.drift import Reference
from emotion.files import rounded
from emotion.markdown import table
from emotion.report import drift_text
from emotion.scoring.places import Place
from emotion.scoring.settings import Settings
from emotion.scoring.statistics import Statistics

FILE: Final = "manifest.json"
"""Written last: where it stands, the run is complete."""

SUMMARY: Final = "summary.md"

Manifest = Mapping[str, Any]


@dataclass(frozen=True)
class Effort:
    """How long the last run took.

    Attributes:
        seconds: from the first partition until the last.
        pictures: scored in it; those that an earlier run had scored do not count.
        workers: number of actors.
    """

    seconds: float
    pictures: int
    workers: int


def describe(statistics: Statistics, settings: Settings, effort: Effort, test: Reference) -> dict[str, Any]:
    """Return the manifest: counts, shares, faults by reason, speed, distance from the test split, settings."""
    counts = statistics.counts
    return {
        **{name: counts[name] for name in ("pictures", "faces", "without_face", "faults", "uncertain")},
        "labels": _most_common(statistics.labels),
        "faults_by_reason": _most_common(statistics.faults),
        "detectors": _most_common(statistics.detectors),
        "scored_in_the_last_run": effort.pictures,
        "seconds": rounded(effort.seconds),
        "pictures_a_second": rounded(effort.pictures / max(effort.seconds, 1e-9)),
        "workers": effort.workers,
        "drift": _compare(statistics, test),
        "settings": asdict(settings),
    }


def write(out: Place, manifest: Manifest) -> None:
    """Write `summary.md`, then the manifest."""
    out.write(SUMMARY, (summary(manifest) + "\n").encode())
    out.write(FILE, (json.dumps(manifest, indent=2, allow_nan=False) + "\n").encode())


def read(out: Place) -> dict[str, Any] | None:
    """Return the manifest of a complete run; None if the run is not complete."""
    content = out.read(FILE)
    if content is None:
        return None
    try:
        return dict(json.loads(content))
    except ValueError as error:
        raise EmotionError(f"{out.url}/{FILE} is damaged; delete it and run the same command again") from error


def headlines(manifest: Manifest) -> Iterator[str]:
    """Yield what was scored, how fast, and how far it is from the test split."""
    yield (
        f"{_count(manifest['pictures'], 'picture')}: {_count(manifest['faces'], 'face')}, "
        f"{manifest['without_face']:,} without a face, {_count(manifest['faults'], 'fault')}."
    )
    if manifest["faces"]:
        share = manifest["uncertain"] / manifest["faces"]
        yield f"Uncertain: {manifest['uncertain']:,} of {_count(manifest['faces'], 'face')} ({share:.1%})."
    if manifest["scored_in_the_last_run"]:
        yield (
            f"{_count(manifest['scored_in_the_last_run'], 'picture')} scored in {manifest['seconds']:.0f} s by "
            f"{_count(manifest['workers'], 'worker')}: {manifest['pictures_a_second']:.1f} a second."
        )
    yield from drift_text.say(manifest["drift"])


def terminal_table(manifest: Manifest) -> Iterator[str]:
    """Yield a line for each label, and one for each reason of a fault."""
    rows = [*_label_rows(manifest), *_fault_rows(manifest)]
    width = max((len(name) for name, *_ in rows), default=0)
    yield from (f"{name:<{width}}  {count:>12}  {share:>6}" for name, count, share in rows)


def summary(manifest: Manifest) -> str:
    """Return the manifest for people, as Markdown."""
    parts = ["# Scored pictures", "\n".join(f"- {line}" for line in headlines(manifest))]
    if manifest["faces"]:
        parts += ["## Labels", table(["label", "faces", "share"], _label_rows(manifest), numbers=True)]
    if manifest["faults"]:
        heading = ["reason", "pictures", "share"]
        parts += ["## Faults", table(heading, _fault_rows(manifest), numbers=True)]
    return "\n\n".join([*parts, *drift_text.describe(manifest["drift"])])


def _label_rows(manifest: Manifest) -> list[list[str]]:
    return [[name, f"{count:,}", f"{count / manifest['faces']:.1%}"] for name, count in manifest["labels"].items()]


def _fault_rows(manifest: Manifest) -> list[list[str]]:
    pictures = manifest["pictures"]
    return [[name, f"{count:,}", f"{count / pictures:.1%}"] for name, count in manifest["faults_by_reason"].items()]


def _compare(statistics: Statistics, test: Reference) -> dict[str, Any] | None:
    if not len(statistics.sample):
        return None
    measures = statistics.measures()
    size = drift.describe_sizes(measures.pop("edge").tolist())
    compared = drift.compare_measured(measures, statistics.labels, test)
    return {"faces": len(statistics.sample), "size": size, **compared}


def _most_common(counts: Mapping[str, int]) -> dict[str, int]:
    """Return counts from the largest; equal ones by name, so that equal rows give equal text."""
    return dict(sorted(counts.items(), key=lambda item: (-item[1], item[0])))


def _count(number: int, noun: str) -> str:
    return f"{number:,} {noun}{'' if number == 1 else 's'}"
