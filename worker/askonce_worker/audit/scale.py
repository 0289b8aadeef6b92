"""The 48 bins that a ledger sorts scores into. A threshold is the lower edge of a bin."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

BINS = 48

Edges = NDArray[np.float64]
"""Lower edges of all bins but the last, descending: bin 0 has the highest scores, bin 47 those below all edges."""

WIDEST, RATIO = 0.3, 1.13

COSINE: Edges = 1 - WIDEST * RATIO ** -np.arange(BINS - 2, -1, -1, dtype=np.float64)
"""Steps in the distance from 1, each 13 % longer than the one before, from 0.0011 to 0.3: embedding models differ in
the scale of their distances, and this resolves all of them alike. (Half as long, they serve 1 to 4 % more, and more
runs end above the budget: the part of a bin that is given away is a margin.)"""


def bins_of(scores: NDArray[np.float64] | Sequence[float], edges: Edges) -> NDArray[np.intp]:
    """The bin of each score."""
    return np.searchsorted(-edges, -np.asarray(scores, np.float64), side="left")


def quantile_edges(scores: NDArray[np.float64], weight: NDArray[np.float64]) -> Edges:
    """Edges for scores on no scale known before: as much weight in each bin.

    Above the threshold few labels stand for many requests. If bins had as many labels each, one of them there would
    hold a tenth of the requests, and all of these would be served or none.
    """
    order = np.argsort(scores)
    below = np.cumsum(weight[order])
    steps = np.arange(1, BINS) / BINS
    places = np.searchsorted(below, (1 - steps) * below[-1])
    return np.asarray(scores[order][np.minimum(places, len(scores) - 1)], np.float64)
