"""What the network made of labelled pictures: faces found, right labels, confidence, distance from the test split.

Faces are matched by number, not by place: a picture with two faces and two boxes has all its faces found. Pure
functions of the csv's lines and the results of `Predictor.stream_crops`.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from emotion.evaluation import drift, metrics
from emotion.evaluation.drift import Reference
from emotion.evaluation.intervals import wilson
from emotion.evaluation.labelled_pictures import RESULTS, Fault, LabelledPicture
from emotion.evaluation.metrics import Predictions
from emotion.files import rounded
from emotion.inference.results import Face, Picture

BINS: Final = 10
"""Bins of the calibration error; the pipeline has 15 for its thousands of faces."""

LISTED: Final = 10
"""Pictures that a list in the report names."""

RESAMPLES: Final = 1000


@dataclass(frozen=True)
class PictureResult:
    """A labelled picture and its result.

    Attributes:
        labelled: the line of the csv.
        picture: the result, which has no error.
        crops: what the network saw of each of its faces, uint8 (48, 48), grey, 0-255.
    """

    labelled: LabelledPicture
    picture: Picture
    crops: tuple[NDArray[np.uint8], ...]

    @property
    def counted(self) -> tuple[Face, ...]:
        """The largest faces, no more than a person sees; the others count as false."""
        return self.picture.faces[: self.labelled.faces]

    @property
    def missed(self) -> int:
        """Number of faces that a person sees and the detector does not."""
        return self.labelled.faces - len(self.counted)

    @property
    def false(self) -> int:
        """Number of faces found beyond those that a person sees."""
        return len(self.picture.faces) - len(self.counted)

    @property
    def right(self) -> int:
        """Number of counted faces with the expected label; 0 if none is expected."""
        return sum(face.label == self.labelled.expected for face in self.counted)

    @property
    def right_or_accepted(self) -> int:
        """Number of counted faces with a label that a person accepts."""
        return sum(face.label in self.labelled.accepted for face in self.counted)

    def row(self) -> dict[str, object]:
        """Return the line of the csv and the columns `labelled_pictures.RESULTS`, for a table.

        `label` and `confidence` are those of the largest face. `uncertain`, `right` and `right_or_accepted` are numbers
        of counted faces: None if there are none; the last two also if no class is expected.
        """
        largest = self.counted[0] if self.counted else None
        values = (
            len(self.counted),
            self.missed,
            self.false,
            largest and largest.label,
            largest and rounded(largest.confidence),
            sum(face.uncertain for face in self.counted) if self.counted else None,
            self.right if self.labelled.expected else None,
            self.right_or_accepted if self.labelled.expected else None,
        )
        return {**self.labelled.fields, **dict(zip(RESULTS, values, strict=True))}


def find_unreadable(results: Iterable[PictureResult]) -> list[Fault]:
    """Return the pictures that could not be read, as faults of the csv."""
    return [
        Fault(each.labelled.line, "unreadable picture", f"{each.picture.source}: {each.picture.error}")
        for each in results
        if each.picture.error
    ]


def summarize(
    results: Sequence[PictureResult], classes: tuple[str, ...], threshold: float, reference: Reference
) -> dict[str, Any]:
    """Compute all figures of the report, ready for JSON.

    Args:
        results: at least one.
        classes: class names in the order of the network.
        threshold: the network's, below which a face is uncertain, 0-1.
        reference: the test split.

    Returns:
        `classes`, `detection`, `labels`, `groups`, `uncertain`, `drift`; the last four are None without faces for them.
        A share of 1 is an object with `count`, `of`, `value` and the ends of its 95% interval, `low` and `high`.
    """
    single = [each for each in results if each.labelled.faces == 1 and each.labelled.expected]
    groups = [each for each in results if each.labelled.faces > 1 and each.labelled.expected]
    faces = [face for each in results for face in each.counted]
    return {
        "classes": list(classes),
        "detection": _count_faces(results),
        "labels": _judge_labels(single, classes, reference) if any(each.counted for each in single) else None,
        "groups": _judge_groups(groups) if groups else None,
        "uncertain": _count_uncertain(faces, single, threshold) if faces else None,
        "drift": _measure_drift(results, faces, reference) if faces else None,
    }


def share(count: int, of: int) -> dict[str, Any]:
    """Return a share of 1 with Wilson's 95% interval; None without a total."""
    value, low, high = (rounded(end) if of else None for end in (count / max(of, 1), *wilson(count, of)))
    return {"count": count, "of": of, "value": value, "low": low, "high": high}


def _count_faces(results: Sequence[PictureResult]) -> dict[str, Any]:
    """Count the faces found, missed and false, and name the pictures with most missed and false ones."""
    worst = sorted((each for each in results if each.missed or each.false), key=lambda each: -each.missed - each.false)
    faces = sum(each.labelled.faces for each in results)
    missed = sum(each.missed for each in results)
    return {
        "detectors": sorted({each.picture.detector for each in results if each.picture.detector}),
        "pictures": len(results),
        "faces": faces,
        "found": share(faces - missed, faces),
        "missed": missed,
        "missed_cropped": sum(each.missed > 0 and each.picture.looks_cropped for each in results),
        "false": sum(each.false for each in results),
        "pictures_with_all_found": share(len(results) - len(worst), len(results)),
        "worst": [
            {
                "file": each.labelled.fields["file"],
                "faces": each.labelled.faces,
                "missed": each.missed,
                "false": each.false,
            }
            for each in worst[:LISTED]
        ],
    }


def _judge_labels(single: Sequence[PictureResult], classes: tuple[str, ...], reference: Reference) -> dict[str, Any]:
    """Compare the label of the largest face with the expected one, in pictures of one person."""
    found = [each for each in single if each.counted]
    predictions = _predictions_of(found, classes)
    right = sum(each.right for each in found)
    accepted = sum(each.right_or_accepted for each in found)
    counts = metrics.confusion(predictions)
    faces, confidence, accuracy = metrics.fill_bins(predictions.confidence, predictions.correct, BINS)
    figures = metrics.headline(predictions, BINS)
    return {
        "accuracy_found": share(right, len(found)),
        "accuracy_all": share(right, len(single)),
        "accepted_found": share(accepted, len(found)) if _accept_more(single) else None,
        **{name: figures[name] for name in ("balanced_accuracy", "macro_f1", "top2_accuracy", "log_loss")},
        "test_accuracy": reference.figures["accuracy"],
        "test_accuracy_votes": reference.figures.get("accuracy_votes"),
        "test_accuracy_with_these_classes": _reweigh(counts, classes, reference),
        "most_frequent_class": share(int(counts.sum(axis=1).max()), len(found)),
        "mean_confidence": rounded(predictions.confidence.mean()),
        "calibration_error": figures["calibration_error"],
        "calibration_error_by_chance": _chance_error(predictions),
        "confusion": counts.tolist(),
        "reliability": {"faces": faces.tolist(), "confidence": _list(confidence), "accuracy": _list(accuracy)},
        "recalls": _recalls(counts, classes, reference),
        "mistakes": _most_confident_mistakes(found),
    }


def _predictions_of(found: Sequence[PictureResult], classes: tuple[str, ...]) -> Predictions:
    largest = [each.counted[0] for each in found]
    return Predictions(
        classes=classes,
        actual=np.array([classes.index(str(each.labelled.expected)) for each in found], np.int64),
        probabilities=np.array([[face.probabilities[name] for name in classes] for face in largest], np.float32),
        duplicate=np.zeros(len(found), bool),
        names=np.array([each.labelled.fields["file"] for each in found]),
    )


def _recalls(counts: NDArray[np.int64], classes: Sequence[str], reference: Reference) -> dict[str, Any]:
    known = _recalls_of_test(reference)
    return {
        name: {**share(int(row[place]), int(row.sum())), "test": known.get(name)}
        for place, (name, row) in enumerate(zip(classes, counts, strict=True))
    }


def _recalls_of_test(reference: Reference) -> dict[str, float]:
    right, faces = np.diagonal(reference.confusion), reference.confusion.sum(axis=1)
    return {
        name: rounded(part / whole) for name, part, whole in zip(reference.classes, right, faces, strict=True) if whole
    }


def _reweigh(counts: NDArray[np.int64], classes: Sequence[str], reference: Reference) -> float | None:
    """Return the accuracy that the test split would have with as many faces of each class as there are here."""
    known, faces = _recalls_of_test(reference), counts.sum(axis=1)
    if any(number and name not in known for name, number in zip(classes, faces, strict=True)):
        return None
    weighted = sum(number * known.get(name, 0.0) for name, number in zip(classes, faces, strict=True))
    return rounded(weighted / faces.sum())


def _chance_error(predictions: Predictions) -> float:
    """Return the mean calibration error that so few faces would have if every confidence were exactly right."""
    confidence = predictions.confidence.astype(np.float64)
    bins, generator = metrics.bin_of(confidence, BINS), np.random.default_rng(0)
    # One sample at a time, because all of them take 9 kB a face.
    samples = (generator.random(len(confidence)) < confidence for _ in range(RESAMPLES))
    gaps = [np.bincount(bins, right - confidence, BINS) for right in samples]
    return rounded(np.abs(gaps).sum(axis=1).mean() / len(confidence))


def _most_confident_mistakes(found: Sequence[PictureResult]) -> list[dict[str, object]]:
    wrong = sorted((each for each in found if not each.right), key=lambda each: -each.counted[0].confidence)
    return [
        {
            "file": each.labelled.fields["file"],
            "expected": each.labelled.expected,
            "label": each.counted[0].label,
            "confidence": rounded(each.counted[0].confidence),
            "accepted": bool(each.right_or_accepted),
        }
        for each in wrong[:LISTED]
    ]


def _accept_more(results: Sequence[PictureResult]) -> bool:
    """Tell whether a person accepts another label than the expected one, anywhere."""
    return any(len(each.labelled.accepted) > 1 for each in results)


def _judge_groups(groups: Sequence[PictureResult]) -> dict[str, int | None]:
    """Count the labels in pictures of several people; no interval, as faces of one picture depend on one another."""
    return {
        "pictures": len(groups),
        "found": sum(len(each.counted) for each in groups),
        "right": sum(each.right for each in groups),
        "right_or_accepted": sum(each.right_or_accepted for each in groups) if _accept_more(groups) else None,
    }


def _count_uncertain(faces: Sequence[Face], single: Sequence[PictureResult], threshold: float) -> dict[str, Any]:
    """Return the share of uncertain faces, and the accuracy of the certain and of the uncertain labels."""
    sides = {}
    for name, uncertain in (("certain", False), ("uncertain", True)):
        side = [each for each in single if each.counted and each.counted[0].uncertain is uncertain]
        sides[f"accuracy_{name}"] = share(sum(each.right for each in side), len(side))
    return {"threshold": rounded(threshold), "faces": share(sum(face.uncertain for face in faces), len(faces)), **sides}


def _measure_drift(results: Sequence[PictureResult], faces: Sequence[Face], reference: Reference) -> dict[str, Any]:
    crops = [crop for each in results for crop in each.crops[: each.labelled.faces]]
    edges = [
        max(face.box.width, face.box.height) if face.box else max(each.picture.width, each.picture.height)
        for each in results
        for face in each.counted
    ]
    confidence = np.array([face.confidence for face in faces])
    compared = drift.compare(np.stack(crops), confidence, [face.label for face in faces], reference)
    return {"faces": len(faces), "size": drift.describe_sizes(edges), **compared}


def _list(values: NDArray[np.float64]) -> list[float]:
    return [rounded(value) for value in values]
