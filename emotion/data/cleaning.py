"""Turns the records of an archive into three datasets: chooses classes, collects faults, drops blanks, marks copies.

Knows nothing of archives and file names, which `layouts` reads.
"""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, fields
from typing import Final

import numpy as np
from numpy.typing import NDArray

from emotion.data.copies import count_conflicts, group_copies, mark_duplicates
from emotion.data.messages import EXAMPLES, describe_faults, describe_missing
from emotion.data.records import Fault, Record
from emotion.data.splitting import assign_splits, check_splits, takes_share
from emotion.dataset import Dataset
from emotion.errors import DataError, ImageError
from emotion.images import FACE_SIZE, read_image, to_face
from emotion.labels import OFFICIAL_SPLITS, SPLITS
from emotion.params import Preprocess
from emotion.votes import CHOICES, NO_MAJORITY, majority

BLANK_DEVIATION: Final = 5.0
"""Faces whose grey levels have a smaller standard deviation are blank; FER-2013 has 14."""

NO_VOTES: Final = np.zeros(len(CHOICES), np.uint8)

_USAGES: Final = {split: usage for usage, split in OFFICIAL_SPLITS.items()}

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Cleaned:
    """The result of `clean`.

    Attributes:
        datasets: one for each of `labels.SPLITS`.
        faults: the faces that could not be used; empty unless `on_bad_image` is `drop`.
        left_out: number of faces by folder or class that is not among the chosen classes.
        summary: the headline numbers: `faces` and `duplicates` by split, `dropped` by cause, `converted`,
            `label_conflicts`, and, where raters voted, `votes`: faces with and without votes, and those that most
            raters call no face.
            Duplicates and conflicts are counted before `drop_from_train` removes faces, votes before `not_faces`.
    """

    datasets: dict[str, Dataset]
    faults: list[Fault]
    left_out: dict[str, int]
    summary: dict[str, int | dict[str, int]]


@dataclass
class _Collected:
    """The faces as lists of equal length, and counts of everything else.

    `split` has one list for each value of the setting `split`, with empty text where a face has no split. `by_raters`
    is whether any face was labelled by its votes.
    """

    pixels: list[NDArray[np.uint8]] = field(default_factory=list)
    emotions: list[str] = field(default_factory=list)
    names: list[str] = field(default_factory=list)
    votes: list[NDArray[np.uint8]] = field(default_factory=list)
    split: dict[str, list[str]] = field(default_factory=lambda: {"official": [], "folders": []})
    converted: int = 0
    faults: list[Fault] = field(default_factory=list)
    left_out: Counter[str] = field(default_factory=Counter)
    by_raters: bool = False


@dataclass(frozen=True)
class _Faces:
    """Columns of equal length; `split` holds names of `labels.SPLITS`."""

    pixels: NDArray[np.uint8]
    labels: NDArray[np.int8]
    names: NDArray[np.str_]
    split: NDArray[np.str_]
    votes: NDArray[np.uint8]

    def count(self, classes: Sequence[str]) -> Counter[tuple[str, str]]:
        """Count by split and class."""
        return Counter((split, classes[label]) for split, label in zip(self.split.tolist(), self.labels, strict=True))

    def keep(self, chosen: NDArray[np.bool_]) -> _Faces:
        return _Faces(*(getattr(self, column.name)[chosen] for column in fields(self)))


def clean(records: Iterable[Record | Fault], settings: Preprocess) -> Cleaned:
    """Turn an archive's records into datasets.

    Args:
        records: as `layouts.read_records` yields them.
        settings: the section `preprocess` of `params.yaml`.

    Raises:
        DataError: faces cannot be used (all are counted by reason; not raised if `on_bad_image` is `drop`), a chosen
            class has no faces, `split` finds no split for a face, or a split has no faces of a class.
    """
    collected = _collect(records, settings)
    _check_collected(collected, settings)
    arranged = _arrange(collected, settings)
    not_blank = arranged.keep(~find_blank(arranged.pixels))
    drop = _are_no_faces(not_blank.votes) & (settings.not_faces == "drop")
    seen = faces = not_blank.keep(~drop)
    groups = group_copies(faces.pixels)
    duplicate = mark_duplicates(groups, faces.split)
    found: dict[str, int | dict[str, int]] = {
        "duplicates": {split: int(np.sum(duplicate & (faces.split == split))) for split in SPLITS},
        "dropped": _count_dropped(arranged, not_blank, seen, collected),
        "converted": collected.converted,
        "label_conflicts": count_conflicts(groups, faces.labels),
        **_count_votes(not_blank.votes),
    }
    if settings.duplicates == "drop_from_train":
        faces, duplicate = _drop_duplicates(faces, duplicate)
    _check_filled((arranged, not_blank, seen, faces), settings, takes_share(collected.split, settings.split))
    datasets = _divide(faces, duplicate, tuple(settings.classes))
    summary = {"faces": {split: len(dataset) for split, dataset in datasets.items()}, **found}
    return Cleaned(datasets, collected.faults, dict(sorted(collected.left_out.items())), summary)


def find_blank(faces: NDArray[np.uint8]) -> NDArray[np.bool_]:
    """Find blank faces: those with a standard deviation below `BLANK_DEVIATION` grey levels.

    Args:
        faces: uint8, shape (n, 48, 48), grey, 0-255.

    Returns:
        bool, shape (n,).
    """
    # One face at a time, because NumPy would convert all of them to float64, eight times their size.
    return np.array([face.std() < BLANK_DEVIATION for face in faces], dtype=bool)


def _collect(records: Iterable[Record | Fault], settings: Preprocess) -> _Collected:
    collected = _Collected()
    for record in records:
        if isinstance(record, Fault):
            collected.faults.append(record)
            continue
        collected.by_raters |= "contempt" in settings.classes and record.votes is not None
        emotion = _name_expression(record, settings)
        if emotion in settings.classes:
            _add(collected, record, emotion)
        else:
            collected.left_out[emotion] += 1
    return collected


def _name_expression(record: Record, settings: Preprocess) -> str:
    """Return the label of a face. With contempt, which only raters see, it is their majority, as in FER+."""
    if "contempt" not in settings.classes or record.votes is None:
        return record.emotion
    choice = majority(record.votes[None])[0]
    return "no majority" if choice == NO_MAJORITY else CHOICES[choice]


def _add(collected: _Collected, record: Record, emotion: str) -> None:
    try:
        face, converted = _decode(record.content)
    except ImageError as error:
        collected.faults.append(Fault(record.name, error.reason, str(error)))
        return
    collected.pixels.append(face)
    collected.emotions.append(emotion)
    collected.names.append(record.name)
    collected.votes.append(NO_VOTES if record.votes is None else record.votes)
    collected.split["official"].append(record.official or "")
    collected.split["folders"].append(record.folder or "")
    collected.converted += converted


def _decode(content: bytes | NDArray[np.uint8]) -> tuple[NDArray[np.uint8], bool]:
    if isinstance(content, np.ndarray):
        return content, False
    image = read_image(content)
    return to_face(image), image.mode != "L" or image.size != (FACE_SIZE, FACE_SIZE)


def _check_collected(collected: _Collected, settings: Preprocess) -> None:
    if collected.faults and (settings.on_bad_image == "fail" or not collected.names):
        for fault in collected.faults[:EXAMPLES]:
            _log.warning("cannot use %s (%s): %s", fault.name, fault.reason, fault.message)
        raise DataError(describe_faults(collected.faults, settings.on_bad_image == "drop"))
    present = set(collected.emotions)
    missing = [name for name in settings.classes if name not in present]
    if missing:
        raise DataError(describe_missing(missing, collected.left_out, collected.by_raters))
    check_splits(collected.names, collected.split, settings.split)


def _arrange(collected: _Collected, settings: Preprocess) -> _Faces:
    classes: list[str] = list(settings.classes)
    labels = np.array([classes.index(emotion) for emotion in collected.emotions], dtype=np.int8)
    split = assign_splits(labels, collected.split, settings)
    return _Faces(np.stack(collected.pixels), labels, np.array(collected.names), split, np.stack(collected.votes))


def _check_filled(steps: Sequence[_Faces], settings: Preprocess, shared: bool) -> None:
    """Refuse a split without faces of a class, and say why there are none.

    Args:
        steps: all faces, those that are not blank, those that raters call a face, and those without dropped duplicates.
        settings: of the stage.
        shared: whether faces of train moved to validation.
    """
    counts = [step.count(settings.classes) for step in steps]
    causes: dict[tuple[str, str], list[str]] = {}
    for split in SPLITS:
        for name in settings.classes:
            if not counts[-1][split, name]:
                causes.setdefault((split, _why_empty(split, name, counts, settings, shared)), []).append(name)
    if causes:
        facts = [f"{_name_missing(split, names, settings.classes)} ({why})" for (split, why), names in causes.items()]
        raise DataError(
            f"no faces {', '.join(facts)}; every split needs faces of every class: "
            "add pictures, change that setting or leave classes out with -S preprocess.classes"
        )


def _name_missing(split: str, names: Sequence[str], classes: Sequence[str]) -> str:
    return f"in {split}" if len(names) == len(classes) else f"of {', '.join(names)} in {split}"


def _why_empty(
    split: str, name: str, counts: Sequence[Counter[tuple[str, str]]], settings: Preprocess, shared: bool
) -> str:
    arranged, not_blank, seen, _ = counts
    if seen[split, name]:
        return "preprocess.duplicates=drop_from_train dropped all of them"
    if not_blank[split, name]:
        return "preprocess.not_faces=drop dropped all of them"
    if arranged[split, name]:
        return "all are blank"
    if settings.split == "official":
        return f"preprocess.split=official looks for {_USAGES[split]} in names or Usage"
    if settings.split == "random":
        return f"preprocess.split=random with preprocess.validation_fraction={settings.validation_fraction} left none"
    if shared and split == "train" and arranged["validation", name]:
        return f"preprocess.validation_fraction={settings.validation_fraction} took all of them"
    return f"preprocess.split=folders looks in the folder {'train' if shared and split != 'test' else split}"


def _count_dropped(arranged: _Faces, not_blank: _Faces, seen: _Faces, collected: _Collected) -> dict[str, int]:
    dropped = {"blank": len(arranged.names) - len(not_blank.names), "undecodable": len(collected.faults)}
    not_faces = len(not_blank.names) - len(seen.names)
    return dropped | ({"no_face": not_faces} if not_faces else {})


def _count_votes(votes: NDArray[np.uint8]) -> dict[str, dict[str, int]]:
    """Count the faces with votes, without any, and those that most raters call no face; nothing without any vote."""
    voted = votes.any(axis=1)
    counts = {"with": int(voted.sum()), "without": int((~voted).sum()), "no_face": int(_are_no_faces(votes).sum())}
    return {"votes": counts} if voted.any() else {}


def _are_no_faces(votes: NDArray[np.uint8]) -> NDArray[np.bool_]:
    found: NDArray[np.bool_] = majority(votes) == CHOICES.index("no face")
    return found


def _drop_duplicates(faces: _Faces, duplicate: NDArray[np.bool_]) -> tuple[_Faces, NDArray[np.bool_]]:
    kept = faces.keep(~(duplicate & (faces.split == "train")))
    # Without their copies in train, the faces of validation and test are no longer duplicates.
    return kept, np.zeros(len(kept.names), dtype=bool)


def _divide(faces: _Faces, duplicate: NDArray[np.bool_], classes: tuple[str, ...]) -> dict[str, Dataset]:
    datasets = {}
    for split in SPLITS:
        here = faces.split == split
        part = faces.keep(here)
        datasets[split] = Dataset(part.pixels, part.labels, classes, part.names, duplicate[here], part.votes)
    return datasets
