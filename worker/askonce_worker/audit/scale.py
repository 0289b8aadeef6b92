"""The 48 bins into which a ledger sorts scores. A threshold is the lower edge of a bin."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

BINS = 48

Edges = NDArray[np.float64]
"""Lower edges of all bins but the last, in descending order: bin 0 has the highest scores, bin 47 those below all."""

WIDEST, RATIO = 0.3, 1.13

COSINE: Edges = 1 - WIDEST * RATIO ** -np.arange(BINS - 2, -1, -1, dtype=np.float64)
"""Steps in the distance from 1, each 13 % longer than the one before, from 0.0011 to 0.3. Embedding models differ in
the scale of their distances, and these steps resolve all of them equally well. (With half the step, they serve 1 to 4 %
more, but more runs exceed the budget: the unused part of a bin is a margin.)"""


def bins_of(scores: NDArray[np.float64] | Sequence[float], edges: Edges) -> NDArray[np.intp]:
    """The bin of each score."""
    return np.searchsorted(-edges, -np.asarray(scores, np.float64), side="left")


def quantile_edges(scores: NDArray[np.float64], weight: NDArray[np.float64]) -> Edges:
    """Edges for scores on an unknown scale: every bin has the same weight.

    Above the threshold few labels stand for many requests. If each bin had the same number of labels, one bin there
    would hold a tenth of the requests, and either all or none of these would be served."""
    order = np.argsort(scores)
    below = np.cumsum(weight[order])
    steps = np.arange(1, BINS) / BINS
    places = np.searchsorted(below, (1 - steps) * below[-1])
    return np.asarray(scores[order][np.minimum(places, len(scores) - 1)], np.float64)
