"""How far probabilities can be trusted: the effect of the temperature, and of withholding uncertain predictions."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Final

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from emotion.evaluation.agreement import compare_with_votes
from emotion.evaluation.intervals import bootstrap, ratio
from emotion.evaluation.metrics import Predictions, brier_score, headline

COVERAGES: Final = (0.9, 0.8, 0.7, 0.5)
"""Shares of the validation predictions that are kept, besides all of them."""


def uncalibrate(predictions: Predictions, temperature: float) -> Predictions:
    """Undo the temperature scaling of the probabilities.

    Guo et al., "On Calibration of Modern Neural Networks" (ICML 2017), equation 9: p = softmax(logits / T). Hence the
    logits are T * log(p) up to a constant, and softmax(logits) is p ** T, scaled to a sum of 1.

    Args:
        predictions: with calibrated probabilities.
        temperature: the divisor of the logits, above 0.
    """
    powers = predictions.probabilities.astype(np.float64) ** temperature
    return replace(predictions, probabilities=(powers / powers.sum(axis=1, keepdims=True)).astype(np.float32))


def tabulate_calibration(
    predictions: Predictions, votes: NDArray[np.uint8], temperature: float, bins: int
) -> pd.DataFrame:
    """Compare calibrated and uncalibrated probabilities.

    Returns:
        Two rows: calibration error, Brier score and log loss (nats) on the labels; then log loss and calibration error
        on the votes (`log_loss_votes`, `calibration_error_votes`) of `agreement.compare_with_votes`, None without any.
    """
    variants = {"uncalibrated": uncalibrate(predictions, temperature), "calibrated": predictions}
    rows = []
    for name, variant in variants.items():
        figures = headline(variant, bins)
        on_labels = {"calibration_error": figures["calibration_error"], "brier_score": brier_score(variant)}
        on_votes = compare_with_votes(variant, votes, bins)
        rows.append(
            {"probabilities": name, **on_labels, "log_loss": figures["log_loss"]}
            | {f"{figure}_votes": value for figure, value in on_votes.items()}
        )
    return pd.DataFrame(rows)


def choose_thresholds(validation: Predictions, own: float | None) -> dict[str, float]:
    """Choose, for each rule, the smallest probability of a prediction that is kept.

    Args:
        validation: the split whose probabilities set the thresholds.
        own: the threshold of the network, below which a prediction is called uncertain; None without one.

    Returns:
        Thresholds, 0-1, by rule: `100%` keeps every prediction, `90%` and so on the most confident share on validation,
        `uncertain` all but the uncertain.
    """
    thresholds = {f"{share:.0%}": float(np.quantile(validation.confidence, 1 - share)) for share in COVERAGES}
    return {"100%": 0.0, **thresholds, **({} if own is None else {"uncertain": own})}


def tabulate_selective(predictions: Predictions, thresholds: Mapping[str, float]) -> pd.DataFrame:
    """Tabulate accuracy when predictions below a threshold are withheld (selective prediction).

    Returns:
        One row per rule: its threshold, the share of the predictions that are kept (coverage), their accuracy, and both
        ends of its interval. The last three are NaN where no prediction is kept.
    """
    rows = []
    for rule, threshold in thresholds.items():
        kept, correct = predictions.confidence >= threshold, predictions.correct
        counts = np.array([np.sum(kept & correct), np.sum(kept & ~correct), np.sum(~kept)])
        accuracy = _accuracy_of_kept(counts[None])[0]
        rows.append((rule, threshold, kept.mean(), accuracy, *bootstrap(counts, _accuracy_of_kept)))
    return pd.DataFrame(rows, columns=["rule", "threshold", "coverage", "accuracy", "low", "high"])


def _accuracy_of_kept(tables: NDArray[np.int64]) -> NDArray[np.float64]:
    """Divide the correct by all kept predictions, in tables of correct, wrong and withheld ones."""
    return ratio(tables[:, 0], tables[:, :2].sum(axis=1))
