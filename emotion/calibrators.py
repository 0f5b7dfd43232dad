"""What is fitted on validation after training: the adjustment and the temperature of the logits, and the threshold.

Knows nothing of networks and files.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize_scalar
from scipy.special import log_softmax, softmax


def fit_adjustment(values: NDArray[np.float64], strength: float) -> NDArray[np.float64]:
    """Return what is added to the logits, so that rare classes are predicted more often.

    Menon et al., "Long-tail learning via logit adjustment" (ICLR 2021, arXiv:2007.07314), equation 9: a multiple of the
    logarithm of the frequency of each class is subtracted from its logit. Here the frequency is the mean probability
    that the network gives the class.

    Args:
        values: logits, shape (n, classes).
        strength: the multiple; 0 changes nothing.

    Returns:
        Shape (classes,), rounded to 6 decimals, because the last digits depend on the number of threads.
    """
    frequencies = np.maximum(softmax(values, axis=1).mean(axis=0), np.finfo(np.float64).tiny)
    return np.asarray(np.round(-strength * np.log(frequencies), 6), np.float64)


def fit_temperature(values: NDArray[np.float64], targets: NDArray[np.float32]) -> float:
    """Return the temperature that minimises the log loss (Guo et al. 2017, arXiv:1706.04599).

    Args:
        values: logits, shape (n, classes).
        targets: shape (n, classes), rows sum to 1: what the network was taught to predict. One-hot labels make a
            probability mean how often the label is right, and votes what share of the raters choose the class.

    Returns:
        The divisor of the logits, 0.05-20; above 1 if the network is overconfident.
    """

    def loss(log_temperature: float) -> float:
        return -float(np.sum(targets * log_softmax(values / np.exp(log_temperature), axis=1)))

    found = minimize_scalar(loss, bounds=(np.log(0.05), np.log(20)), method="bounded")
    return float(np.exp(found.x))


def fit_threshold(probabilities: NDArray[np.float32], certain: float) -> float:
    """Return the confidence that the given share of these faces reaches; the other faces count as uncertain.

    Args:
        probabilities: calibrated, shape (n, classes), 0-1.
        certain: share of the faces, 0-1.
    """
    return float(np.quantile(probabilities.max(axis=1), 1 - certain))
