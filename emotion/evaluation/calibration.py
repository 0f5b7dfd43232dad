"""Whether a probability can be believed: what the temperature does, and what it gains to decline the unsure faces."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Final

import numpy as np
from numpy.typing import NDArray

from emotion.evaluation.intervals import bootstrap, ratio
from emotion.evaluation.metrics import Predictions, brier_score, headline
from emotion.files import rounded

COVERAGES: Final = (0.9, 0.8, 0.7, 0.5)
"""Shares of the validation faces that the selective figures keep, beside all of them."""


def uncalibrate(predictions: Predictions, temperature: float) -> Predictions:
    """Take the temperature out of the probabilities again.

    Guo et al., "On Calibration of Modern Neural Networks" (ICML 2017), equation 9: p = softmax(logits / T). Then the
    logits are T * log(p) up to a constant, and softmax(logits) is p ** T, scaled to a sum of 1.

    Args:
        predictions: with calibrated probabilities.
        temperature: the divisor of the logits, above 0.
    """
    powers = predictions.probabilities.astype(np.float64) ** temperature
    return replace(predictions, probabilities=(powers / powers.sum(axis=1, keepdims=True)).astype(np.float32))


def calibration_rows(predictions: Predictions, temperature: float, bins: int) -> list[tuple[str | float | None, ...]]:
    """Tabulate what the temperature does: which probabilities, calibration error, Brier score and log loss (nats)."""
    rows: list[tuple[str | float | None, ...]] = []
    for name, some in (("uncalibrated", uncalibrate(predictions, temperature)), ("calibrated", predictions)):
        figures = headline(some, bins)
        rows.append((name, figures["calibration_error"], rounded(brier_score(some)), figures["log_loss"]))
    return rows


def choose_thresholds(validation: Predictions, own: float | None) -> dict[str, float]:
    """Choose how probable an answer must be to be kept, by rule.

    Args:
        validation: the answers that decide.
        own: the threshold that travels with the network, which calls an answer below it uncertain; None without one.

    Returns:
        Thresholds, 0-1: the rule `100%` keeps every face of any split, `90%` and so on the surest ones of validation,
        `uncertain` all but the uncertain.
    """
    thresholds = {f"{share:.0%}": float(np.quantile(validation.confidence, 1 - share)) for share in COVERAGES}
    return {"100%": 0.0, **thresholds, **({} if own is None else {"uncertain": own})}


def selective_rows(predictions: Predictions, thresholds: Mapping[str, float]) -> list[tuple[str | float, ...]]:
    """Tabulate accuracy on the faces that stay when less probable answers are declined.

    Returns:
        One row per rule: its name, its threshold, the share of the faces that it keeps, the accuracy on them and both
        ends of that accuracy's interval; the last three are "" where it keeps none.
    """
    rows: list[tuple[str | float, ...]] = []
    for rule, threshold in thresholds.items():
        kept = predictions.confidence >= threshold
        counts = np.array([np.sum(kept & predictions.right), np.sum(kept & ~predictions.right), np.sum(~kept)])
        figures = (_kept_accuracy(counts[None])[0], *bootstrap(counts, _kept_accuracy))
        shown = ("" if np.isnan(figure) else rounded(figure) for figure in figures)
        rows.append((rule, rounded(threshold), rounded(kept.mean()), *shown))
    return rows


def _kept_accuracy(tables: NDArray[np.int64]) -> NDArray[np.float64]:
    return ratio(tables[:, 0], tables[:, :2].sum(axis=1))
