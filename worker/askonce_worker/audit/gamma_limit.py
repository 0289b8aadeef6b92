"""Confidence limits of a weighted Poisson sum, such as the wrong hits that a sample of checks stands for.

M. P. Fay and E. J. Feuer, "Confidence intervals for directly standardized rates", Statistics in Medicine 16, 1997: the
sum is approximated by a gamma variable of the same mean and variance. Its quantiles come from the chi-square's, by
E. B. Wilson and M. M. Hilferty, "The distribution of chi-square", PNAS 17, 1931.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray

Z_90 = 1.281552
"""One-sided 90 %."""
Z_95 = 1.959964
"""Two-sided 95 %."""
Z_99 = 2.575829
"""Two-sided 99 %."""


def gamma_quantile(mean: Any, variance: Any, z: float) -> NDArray[np.float64]:
    """The quantile at normal deviate `z` of the gamma variable with this mean and variance, both above 0."""
    mean, variance = np.asarray(mean, np.float64), np.asarray(variance, np.float64)
    freedom = 2 * mean * mean / variance
    a = 2 / (9 * freedom)
    return np.asarray(mean * np.maximum(0.0, 1 - a + z * np.sqrt(a)) ** 3)


def upper_limit(total: Any, squares: Any, weight: Any, z: float = Z_90) -> NDArray[np.float64]:
    """The upper limit of sums of weighted events.

    total, squares: the sums of the events' weights and of their squares. weight: that of one more event, which may have
    been missed by chance.
    """
    return gamma_quantile(np.asarray(total) + weight, np.asarray(squares) + weight * weight, z)
