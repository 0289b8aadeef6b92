"""Ridge logistic regression, fitted for all folds at once."""

import numpy as np
from numpy.typing import NDArray

Rows = NDArray[np.float32]
Weights = NDArray[np.float32]

STEPS = 12
SURE = 30.0
"""Log odds beyond which nothing changes."""


def fit(rows: Rows, right: NDArray[np.bool_], parts: NDArray[np.bool_], ridge: Rows) -> Weights:
    """The weights, one column per fit.

    Each step goes to the maximum of a quadratic lower bound of the likelihood, so none overshoots. (D. Böhning and B.
    G. Lindsay, "Monotonicity of quadratic-approximation algorithms", Ann. Inst. Statist. Math. 40, 1988.)

    Args:
        rows: Standardised features, one row per label.
        right: The labels.
        parts: A mask of each fit's rows, one column per fit.
        ridge: The penalty on the square of each feature's weight. It is scaled by a fit's share of the rows. Otherwise
            fits with fewer rows would give smaller scores.
    """
    columns = range(parts.shape[1])
    ridges = ridge[:, None] * parts.mean(axis=0, dtype=np.float32)
    products = rows.T @ rows
    inverses = [_inverse(products, rows[~parts[:, at]], ridges[:, at]) for at in columns]
    weights = np.zeros((rows.shape[1], parts.shape[1]), np.float32)
    target = right.astype(np.float32)[:, None]
    for _ in range(STEPS):
        odds = np.clip(rows @ weights, -SURE, SURE)
        slopes = rows.T @ ((target - 1 / (1 + np.exp(-odds))) * parts) - ridges * weights
        for at in columns:
            weights[:, at] += inverses[at] @ slopes[:, at]
    return weights


def _inverse(products: Rows, left_out: Rows, ridge: Rows) -> Rows:
    """products: of all rows. left_out: the few rows that a fit does not have."""
    return np.linalg.inv((products - left_out.T @ left_out) / 4 + np.diag(ridge))
