"""Learns a scorer from a group's own labels."""

from dataclasses import dataclass

import numpy as np

from askonce_worker.audit import logistic
from askonce_worker.audit.matches import PLAIN, Floats, Vectors
from askonce_worker.audit.records import Records

LEAST = 300
"""Minimum number of labels."""
FOLDS = 8
RIDGE = 100.0
PLAIN_RIDGE = 1.0
"""Weaker, because cosine, margin and density are always informative, while a component of the vectors rarely is."""


@dataclass(frozen=True, slots=True)
class Learnt:
    """weights: one per feature of a match. scores: one per record, from a fit that has not seen it."""

    weights: Vectors
    scores: Floats


def learn(records: Records) -> Learnt | None:
    """None if there are too few labels, or all are the same."""
    count = len(records)
    if count < LEAST or records.right.all() or not records.right.any():
        return None
    rows = records.matches.features()
    mean, spread = _standardise(rows)
    fold = np.arange(count) % FOLDS
    parts = fold[:, None] != np.arange(FOLDS + 1)  # the last fit has all
    ridge = np.full(rows.shape[1], RIDGE, np.float32)
    ridge[:PLAIN] = PLAIN_RIDGE
    weights = logistic.fit(rows, records.right, parts, ridge)
    scores = (rows @ weights)[np.arange(count), fold]
    return Learnt(_unstandardised(weights[:, -1], mean, spread), scores.astype(np.float64))


def _standardise(rows: Vectors) -> tuple[Vectors, Vectors]:
    """Standardise all features but the constant, in place. Returns the means and standard deviations."""
    mean, spread = rows.mean(axis=0), rows.std(axis=0)
    mean[0], spread[spread == 0] = 0, 1
    rows -= mean
    rows /= spread
    return mean, spread


def _unstandardised(weights: Vectors, mean: Vectors, spread: Vectors) -> Vectors:
    raw = weights / spread
    raw[0] -= raw @ mean
    return raw
