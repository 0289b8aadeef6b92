"""The embedded Qdrant's collections, stepped by hand beside a plain dictionary of what they must hold."""

import random
import time
import uuid
from contextlib import closing

import numpy as np
import pytest
import qdrant_edge as edge
from qdrant_client import grpc as qdrant

from askonce_worker.local.qdrant_rebuild import Limits
from askonce_worker.local.qdrant_searches import to_searches
from askonce_worker.local.qdrant_shape import Shape
from askonce_worker.local.qdrant_shards import Shards

SIZE = 8
SHAPE = Shape(SIZE, "Cosine")
SMALL = Limits(loose=100 * SIZE * 4, part=2000 * SIZE * 4)
"""A graph from 100 points on, of 1,000 at first and 2,000 at most."""
PATIENCE = 60.0


class Expected:
    """What a collection must hold: a plain dictionary beside it."""

    def __init__(self, seed):
        self.random = random.Random(seed)
        self.points = {}

    def ids(self, count):
        """Some that exist, and some that do not yet."""
        known = self.random.sample(sorted(self.points), min(len(self.points), self.random.randint(0, count)))
        return known + [self.random.randrange(2000) for _ in range(count - len(known))]

    def upsert(self, collection):
        chosen = set(self.ids(self.random.randint(1, 40)))
        rng = np.random.default_rng(self.random.randrange(2**32))
        new = {i: (rng.standard_normal(SIZE), {"n": self.random.randrange(10)}) for i in chosen}
        collection.upsert([edge.Point(uid(i), vector.tolist(), payload) for i, (vector, payload) in new.items()])
        self.points.update(new)

    def delete(self, collection):
        chosen = self.ids(self.random.randint(1, 15))
        collection.delete([uid(i) for i in chosen])
        for i in chosen:
            self.points.pop(i, None)

    def delete_by_filter(self, collection):
        n = self.random.randrange(10)
        some = {uid(i) for i in self.ids(60)}
        condition = edge.Filter(must=[where(n), edge.HasIdCondition(some)])
        collection.everywhere(edge.UpdateOperation.delete_points_by_filter(condition))
        self.points = {i: kept for i, kept in self.points.items() if not (kept[1]["n"] == n and uid(i) in some)}

    def set_payload(self, collection):
        chosen = [i for i in self.ids(10) if i in self.points]
        if chosen:
            collection.set_payload([uid(i) for i in chosen], {"n": 3})
        for i in chosen:
            self.points[i] = (self.points[i][0], {"n": 3})

    def set_payload_by_filter(self, collection):
        old, new = self.random.sample(range(10), 2)
        operation = edge.UpdateOperation.set_payload_by_filter(edge.Filter(must=[where(old)]), {"n": new})
        collection.everywhere(operation)
        self.points = {i: (v, {"n": new} if p["n"] == old else p) for i, (v, p) in self.points.items()}

    def change(self, collection):
        kinds = [self.upsert] * 8 + [self.delete] * 3 + [self.delete_by_filter, self.set_payload]
        kinds += [self.set_payload_by_filter] * (self.random.random() < 0.3)
        self.random.choice(kinds)(collection)

    def check(self, collection):
        everything = {"filter": None, "with_payload": True, "with_vector": True}
        found, start = [], None
        while True:
            page, start = collection.scroll(start, 300, **everything)
            found += page
            if start is None:
                break
        assert [r.id.int for r in found] == sorted(self.points)
        assert {r.id.int: r.payload for r in found} == {i: payload for i, (_, payload) in self.points.items()}
        for r in found:
            vector = self.points[r.id.int][0]
            assert np.allclose(r.vector, vector / np.linalg.norm(vector), atol=1e-5)
        assert collection.count(None) == len(self.points)
        self.check_searches(collection)

    def check_searches(self, collection):
        for n in self.random.sample(range(10), 3):
            of_n = [i for i, (_, payload) in self.points.items() if payload["n"] == n]
            assert collection.count(edge.Filter(must=[where(n)])) == len(of_n)
            if of_n:
                i = self.random.choice(of_n)
                [best] = collection.search(to_searches([nearest(self.points[i][0], n)], SHAPE))
                assert best[0].id.int == i
                assert best[0].score == pytest.approx(1, abs=1e-5), "the originals decide the score"


def uid(i):
    return uuid.UUID(int=i)


def where(n):
    return edge.FieldCondition("n", match=edge.MatchValue(n))


def nearest(vector, n):
    """As messages, which are understood together."""
    field = qdrant.FieldCondition(key="n", match=qdrant.Match(integer=n))
    return qdrant.QueryPoints(
        limit=3,
        score_threshold=0.5,
        query=qdrant.Query(nearest=qdrant.VectorInput(dense=qdrant.DenseVector(data=vector))),
        filter=qdrant.Filter(must=[qdrant.Condition(field=field)]),
        params=qdrant.SearchParams(quantization=qdrant.QuantizationSearchParams(rescore=True)),
    )


def opened(root, limits=SMALL):
    return closing(Shards(root, limits))


def step_while(shards, busy, each=lambda: None):
    deadline = time.monotonic() + PATIENCE
    while busy():
        assert time.monotonic() < deadline
        time.sleep(min(shards.tidy(), 0.05))
        each()


def settle(shards):
    """Until no graph is built or due."""
    step_while(shards, lambda: any(shards.get(name).changed or shards.get(name).building for name in shards.names()))


def filled(shards, count, expected=None, name="c"):
    shards.create(name, SHAPE)
    collection = shards.get(name)
    collection.everywhere(edge.UpdateOperation.create_field_index("n", edge.PayloadSchemaType.Integer))
    expected = expected or Expected(1)
    while len(expected.points) < count:
        expected.upsert(collection)
    return collection, expected
