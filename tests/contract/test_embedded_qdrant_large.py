"""The embedded Qdrant with many points: few graphs, and longer walks through those that are large."""

import numpy as np
import qdrant_edge as edge

from askonce_worker.local import qdrant_shape, qdrant_walks
from askonce_worker.local.qdrant_rebuild import Limits
from askonce_worker.local.qdrant_searches import to_searches
from support.qdrant_parts import SHAPE, filled, nearest, opened, settle, step_while, uid

MERGED = Limits(loose=100 * SHAPE.size * 4, part=800 * SHAPE.size * 4)
"""A graph from 100 points on, of 400 at first and 800 at most."""


def more(collection, expected, count):
    """Points that there were not."""
    ids = range(5000 + len(expected.points), 5000 + len(expected.points) + count)
    vectors = np.random.default_rng(ids[0]).normal(size=(count, SHAPE.size))
    new = {i: (vector, {"n": i % 10}) for i, vector in zip(ids, vectors, strict=True)}
    collection.upsert([edge.Point(uid(i), vector.tolist(), payload) for i, (vector, payload) in new.items()])
    expected.points |= new


def putting_together(collection):
    return bool(collection.building) and all(part.built for part in collection.building)


def test_a_graph_is_made_of_several_when_nothing_has_none(tmp_path):
    with opened(tmp_path, MERGED) as shards:
        collection, expected = filled(shards, 300)
        step_while(shards, lambda: not collection.parts[0].built)
        more(collection, expected, 300)
        settle(shards)
        first, last = collection.parts
        assert (first.built, last.points) == (len(expected.points), 0)
        expected.check(collection)


def test_what_has_no_graph_goes_before_graphs_that_are_put_together(tmp_path):
    with opened(tmp_path, MERGED) as shards:
        collection, expected = filled(shards, 300)
        step_while(shards, lambda: not collection.parts[0].built)
        more(collection, expected, 300)
        step_while(shards, lambda: not putting_together(collection))
        graphs = collection.building
        more(collection, expected, 250)
        step_while(shards, lambda: not collection.building or putting_together(collection))
        assert set(graphs) <= set(collection.parts)
        settle(shards)
        expected.check(collection)


def test_only_what_a_quick_walk_does_not_find_is_looked_for_again(tmp_path, monkeypatch):
    monkeypatch.setattr(qdrant_shape, "_LOOKED_AT", 0)
    monkeypatch.setattr(qdrant_walks, "efforts", lambda built: [64, 200] if built else [64])
    walks, ask = [], qdrant_walks.ask
    with opened(tmp_path) as shards:
        collection, expected = filled(shards, 300)
        more(collection, expected, 10)
        settle(shards)
        monkeypatch.setattr(qdrant_walks, "ask", lambda shard, requests: walks.extend(requests) or ask(shard, requests))
        vector, payload = expected.points[max(expected.points)]
        unlike = nearest(-vector, payload["n"])
        unlike.score_threshold = 0.999
        found, nothing = collection.search(to_searches([nearest(vector, payload["n"]), unlike], SHAPE))
    assert found[0].id == uid(max(expected.points))
    assert nothing == []
    assert sorted(walk.params.hnsw_ef for walk in walks if walk.filter is None) == [64, 64, 200]


def test_larger_graphs_are_walked_longer_and_small_ones_once():
    assert [qdrant_shape.efforts(points) for points in (0, 100_000, 400_000)] == [[128], [128], [64, 1024]]
