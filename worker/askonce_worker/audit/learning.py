"""A scorer learnt from a group's own labels."""

from dataclasses import dataclass

import numpy as np

from askonce_worker.audit import logistic
from askonce_worker.audit.matches import PLAIN, Floats, Vectors
from askonce_worker.audit.records import Records

LEAST = 300
"""Labels."""
FOLDS = 8
RIDGE = 100.0
PLAIN_RIDGE = 1.0
"""Cosine, margin and density always tell something; a component of the vectors seldom does."""


@dataclass(frozen=True, slots=True)
class Learnt:
    """weights: of a match's features. scores: of the records, each by a fit that has not seen it."""

    weights: Vectors
    scores: Floats


def learn(records: Records) -> Learnt | None:
    """None if the labels are too few, or of one kind."""
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
    """In place, all but the constant. Returns what was taken off, and what it was divided by."""
    mean, spread = rows.mean(axis=0), rows.std(axis=0)
    mean[0], spread[spread == 0] = 0, 1
    rows -= mean
    rows /= spread
    return mean, spread


def _unstandardised(weights: Vectors, mean: Vectors, spread: Vectors) -> Vectors:
    raw = weights / spread
    raw[0] -= raw @ mean
    return raw
