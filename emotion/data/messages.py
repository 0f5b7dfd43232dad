"""What a person is told about faces that cannot be used: what is wrong, how many, and what to do."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Final

from emotion.data.class_names import AFFECTNET, SPELLINGS, find_counting, plain
from emotion.data.public_names import SPLIT_FOLDERS
from emotion.data.records import Fault
from emotion.errors import some
from emotion.labels import OFFICIAL_SPLITS

EXAMPLES: Final = 10
"""Faults that are listed; the others are only counted."""

SHOWN: Final = 3
"""Number of names that an error message quotes as examples."""

RANDOM: Final = "let chance choose validation and test (-S preprocess.split=random)"

_ROW: Final = re.compile(r"\.csv:\d+$", re.IGNORECASE)


def describe_faults(faults: Sequence[Fault], dropped: bool) -> str:
    """Return an error message with the number of faults by reason, and the first; the caller has logged some of them.

    Args:
        faults: at least one.
        dropped: whether such faces are left out already (`preprocess.on_bad_image`), so that no face remains.
    """
    listed = "all are listed above" if len(faults) <= EXAMPLES else f"the first {EXAMPLES} are listed above"
    advice = "" if dropped else ", or leave them out with -S preprocess.on_bad_image=drop if other faces remain"
    return (
        f"cannot use {_count(len(faults), 'face')} ({count_reasons(faults)}; {listed}), "
        f"the first is {faults[0].name}: {faults[0].message}; {'no face remains, ' if dropped else ''}"
        f"replace them{advice}"
    )


def count_reasons(faults: Iterable[Fault]) -> str:
    """Return the number of faults by reason, such as `not_an_image 10, truncated 1`."""
    reasons = Counter(fault.reason for fault in faults)
    return ", ".join(f"{reason} {count}" for reason, count in sorted(reasons.items()))


def describe_class_names(class_names: Mapping[str, str], chosen: Mapping[str | int, str]) -> Iterator[str]:
    """Yield a line that says what class folders are taken for, and who says so; none where their names say it.

    Args:
        class_names: as `layouts.read_class_names` returns them.
        chosen: the setting `preprocess.class_names`.
    """
    said = {plain(name) for name in chosen}
    assumed = {name: emotion for name, emotion in class_names.items() if name not in said}
    parts = [f"{_list_meanings(assumed)} (as in {find_counting(assumed)})"] if assumed else []
    if said:
        meanings = _list_meanings({name: class_names[name] for name in class_names if name in said})
        parts.append(f"{meanings} (preprocess.class_names)")
    if parts:
        yield f"class folders: {'; '.join(parts)}"


def _list_meanings(class_names: Mapping[str, str]) -> str:
    return ", ".join(f"{name} is {emotion}" for name, emotion in class_names.items())


def describe_cleaning(faults: Sequence[Fault], left_out: Mapping[str, int]) -> Iterator[str]:
    """Yield what a person should know of faces that were cleaned: what was dropped and left out.

    Args:
        faults: the faces that were dropped.
        left_out: number of faces by folder or class that is not among the chosen classes.
    """
    for fault in faults[:EXAMPLES]:
        yield f"dropped {fault.name} ({fault.reason}): {fault.message}"
    if len(faults) > EXAMPLES:
        yield f"dropped {len(faults) - EXAMPLES:,} more ({count_reasons(faults[EXAMPLES:])})"
    if left_out:
        yield f"left out {_list_counts(left_out)}"


def describe_missing(classes: Sequence[str], left_out: Mapping[str, int], by_raters: bool) -> str:
    """Return an error message for classes without a face, with the other names found and the names that are known.

    Args:
        classes: those without a face.
        left_out: number of faces by folder or class that is not among the chosen classes.
        by_raters: whether labels are the raters' majorities, as they are with contempt.
    """
    others = _list_counts(left_out)
    facts = f"no faces of {', '.join(classes)}{'; found instead: ' if others else ''}{others}; "
    if by_raters:
        return (
            f"{facts}with contempt among the classes, labels are the raters' majorities, and no face has the majority "
            f"{' or '.join(classes)}; leave contempt out with -S preprocess.classes, and the labels are those of the "
            "archive"
        )
    unknown = sorted(name for name in left_out if name and name not in SPELLINGS)
    return (
        f"{facts}name the folders after the classes ({', '.join(sorted(SPELLINGS))}), "
        f"{_advise_mapping(unknown, classes)}or choose classes with -S preprocess.classes"
    )


def _advise_mapping(unknown: Sequence[str], classes: Sequence[str]) -> str:
    """Name the setting that says what folders mean; numbers from 0 to 7 get those of AffectNet, as an example."""
    if not unknown:
        return ""
    if unknown == [str(number) for number in range(len(AFFECTNET))]:
        meaning, whose = dict(zip(unknown, AFFECTNET, strict=True)), " (AffectNet's numbers)"
    else:
        meaning, whose = dict(zip(unknown, classes, strict=False)), " (with your meanings)"
    written = ", ".join(f"{name}: {emotion}" for name, emotion in meaning.items())
    return f"say in params.yaml what they mean, such as preprocess.class_names: {{{written}}}{whose}, "


def describe_unassigned(names: Sequence[str], split: str, other: str | None) -> str:
    """Return an error message for faces that belong to no split.

    Args:
        names: of those faces.
        split: value of the setting `preprocess.split`.
        other: another value of it that gives every face a split by its folder or name; None if there is none.
    """
    faces = f"{_count(len(names), 'face')}, such as {', '.join(names[:SHOWN])}"
    usages = ", ".join(OFFICIAL_SPLITS)
    facts = {
        "official": f"no official split ({usages}: in the file name, folder or column Usage) for {faces}",
        "folders": f"no folder named {', '.join(SPLIT_FOLDERS)} above {faces}",
    }
    if other:
        return f"{facts[split]}; use -S preprocess.split={other}"
    set_too = "" if split == "folders" else " and use -S preprocess.split=folders"
    table = "take icml_face_data.csv of the same zip, which has a column Usage, " if _ROW.search(names[0]) else ""
    return f"{facts[split]}; {table}{RANDOM}, or sort them into train/<class>/ and test/<class>/{set_too}"


def describe_no_test(own_validation: bool) -> str:
    """Return an error message for folders of which none is the test split.

    Args:
        own_validation: whether there is a folder for validation.
    """
    there = "train and validation" if own_validation else "train"
    rename = "rename the validation folder to test (a share of train is then the validation split), "
    return (
        f"there are folders for {there} but none named test or testing; {rename if own_validation else ''}"
        f"add test/<class>/, or {RANDOM}"
    )


def _list_counts(left_out: Mapping[str, int]) -> str:
    return some(f"{name or 'no class folder'} ({count})" for name, count in sorted(left_out.items()))


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"
