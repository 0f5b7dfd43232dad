"""Weights with fewer significant bits: the files of a network then compress to less than two thirds.

Git, wheels and web pages hold compressed files, and the last bits of a weight are noise that does not compress.
"""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray

SIGNIFICANT_BITS: Final = 11
"""As many as float16 has, but with the range of float32."""


def shorten(weights: NDArray[np.float32]) -> NDArray[np.float32]:
    """Round to `SIGNIFICANT_BITS`, which changes each weight by at most one part in 2,048.

    Args:
        weights: any shape, finite.

    Returns:
        The same shape.

    Examples:
        >>> shorten(np.array([1.0001, -3.14159, 0.0], np.float32))
        array([ 1.      , -3.140625,  0.      ], dtype=float32)
    """
    fraction, exponent = np.frexp(weights)
    steps = 2.0**SIGNIFICANT_BITS
    return np.ldexp(np.round(fraction * steps) / steps, exponent).astype(np.float32)
