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


def quantile_edges(scores: NDArray[np.float64]) -> Edges:
    """Edges for scores on no scale known before: as many in each bin."""
    steps = np.arange(1, BINS) / BINS
    return np.asarray(np.quantile(scores, 1 - steps, method="higher"), np.float64)
