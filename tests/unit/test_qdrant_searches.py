"""Searches that are given up, and the watch over a Qdrant that was away."""

import asyncio

import numpy as np

from askonce.contract.unmatched import Unmatched
from askonce_worker.answering.ports import VectorQuery
from askonce_worker.cache.qdrant_searches import QdrantSearches
from askonce_worker.pacing.limits import Waits
from support.worker_process import until


class Back:
    """A Qdrant that answers greetings."""

    async def greeting(self):
        return None


async def test_a_search_that_is_given_up_has_qdrant_asked_whether_it_is_back():
    """Else it would be away for ever, where nothing was under way when it came back."""
    searches = QdrantSearches(Back(), None, now=lambda: 0.0, waits=Waits(bulk=0.0), pause=lambda *_: 0.1)
    now = asyncio.get_running_loop().time()
    searches._line.health.failed(began=now - 1, now=now, pause=60.0, unreachable=True)
    query = VectorQuery("scope", np.zeros(4, dtype=np.float32), 0.9, "")
    assert await searches.search([query]) == [Unmatched.QDRANT_DOWN]

    async def is_back():
        return not searches._line.is_given_up("bulk")

    await until(is_back, what="a greeting")
    await searches.close()
