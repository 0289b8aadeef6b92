"""The embedded Qdrant with many points: few graphs, and longer walks through those that are large."""

import numpy as np
import pytest
import qdrant_edge as edge

from askonce_worker.local import qdrant_shape, qdrant_walks
from askonce_worker.local.qdrant_rebuild import Limits
from askonce_worker.local.qdrant_searches import to_searches
from askonce_worker.local.qdrant_shape import Shape
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


def filled_until_graphs_are_put_together(shards):
    collection, expected = filled(shards, 300)
    step_while(shards, lambda: not collection.parts[0].built)
    more(collection, expected, 300)
    step_while(shards, lambda: not putting_together(collection))
    return collection, expected


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
        collection, expected = filled_until_graphs_are_put_together(shards)
        graphs = collection.building
        more(collection, expected, 250)
        step_while(shards, lambda: not collection.building or putting_together(collection))
        assert set(graphs) <= set(collection.parts)
        settle(shards)
        expected.check(collection)


def test_what_has_no_graph_goes_before_those_of_another_collection(tmp_path):
    with opened(tmp_path, MERGED) as shards:
        collection, expected = filled_until_graphs_are_put_together(shards)
        other, expected_there = filled(shards, 550, name="d")
        step_while(shards, lambda: not other.parts[0].built)
        assert len([part for part in collection.parts if part.built]) == 2, "they were not put together before"
        settle(shards)
        expected.check(collection)
        expected_there.check(other)


def test_what_a_walk_has_missed_is_found_on_another_way(tmp_path, monkeypatch):
    monkeypatch.setattr(qdrant_shape, "_FULL_SCAN", 0)
    monkeypatch.setattr(qdrant_shape, "_LARGE", 100)
    shape, vectors = Shape(64, "Cosine"), np.random.default_rng(1).normal(size=(300, 64))
    with opened(tmp_path) as shards:
        shards.create("c", shape)
        collection = shards.get("c")
        collection.everywhere(edge.UpdateOperation.create_field_index("n", edge.PayloadSchemaType.Integer))
        collection.upsert([edge.Point(uid(i), vector.tolist(), {"n": i % 2}) for i, vector in enumerate(vectors)])
        settle(shards)
        assert collection.parts[0].built == len(vectors)
        monkeypatch.setattr(qdrant_walks.Walk, "straight", finding_nothing)
        searches = to_searches([nearest(vectors[i], n) for i in range(20) for n in range(2)], shape)
        found = iter(collection.search(searches))
    for i in range(20):
        of_n = [next(found), next(found)]
        assert of_n[i % 2][0].id == uid(i)
        assert of_n[i % 2][0].score == pytest.approx(1, abs=1e-5)
        assert uid(i) not in {point.id for point in of_n[1 - i % 2]}


def finding_nothing(walk, ef):
    return edge.QueryRequest(query=edge.Query.Nearest(walk.numbers), limit=walk.limit, score_threshold=2.0)
