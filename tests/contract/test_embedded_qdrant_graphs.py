"""The embedded Qdrant's graphs: built beside the service, with nothing lost, doubled or back from the dead."""

import shutil
import subprocess
import sys
from types import SimpleNamespace

import numpy as np
import psutil
import pytest
import qdrant_edge as edge

from askonce_worker.local import qdrant_rebuild, qdrant_shape, qdrant_upkeep
from askonce_worker.local.qdrant_errors import DiskFull
from askonce_worker.local.qdrant_rebuild import Limits
from askonce_worker.local.qdrant_searches import to_searches
from support.qdrant_parts import PATIENCE, SHAPE, Expected, filled, nearest, opened, settle, step_while, uid


def builders():
    """The processes that build. The tests' servers are children of this one, too."""
    found = [child for child in psutil.Process().children() if child.status() != psutil.STATUS_ZOMBIE]
    return [child for child in found if "askonce_worker.local.qdrant_build" in child.cmdline()]


@pytest.mark.parametrize("seed", range(2))
def test_random_changes_while_graphs_are_built_and_taken_over(tmp_path, monkeypatch, seed):
    monkeypatch.setattr(qdrant_shape, "_FULL_SCAN", seed * 1000)  # 0: all searches walk
    with opened(tmp_path) as shards:
        collection, expected = filled(shards, 1, Expected(seed))
        graphs = set()
        for _ in range(3):
            for _ in range(70):
                expected.change(collection)
                shards.tidy()
                if expected.random.random() < 0.15:
                    expected.check(collection)
            settle(shards)
            expected.check(collection)
            graphs |= {part.name for part in collection.parts if part.built}
        assert len(graphs) > 1, "graphs were built, and again"
    with opened(tmp_path) as shards:
        expected.check(shards.get("c"))


def test_what_a_crash_leaves_at_any_step_can_be_read(tmp_path):
    (tmp_path / "live").mkdir()
    with opened(tmp_path / "live") as shards:
        collection, expected = filled(shards, 300)
        seen = set()

        def crash():
            expected.change(collection)
            state = (
                len(collection.parts),
                bool(collection.building),
                *(p.name for p in (tmp_path / "live" / "c").iterdir()),
            )
            if state in seen:
                return
            seen.add(state)
            shutil.copytree(tmp_path / "live", tmp_path / str(len(seen)), ignore_dangling_symlinks=True)
            with opened(tmp_path / str(len(seen))) as again:
                expected.check(again.get("c"))

        step_while(shards, lambda: not collection.parts[0].built, crash)
        crash()
        assert len(seen) > 3


def test_what_only_the_engines_log_had_is_in_the_graph_that_is_built_after_a_crash(tmp_path):
    (tmp_path / "live").mkdir()
    with opened(tmp_path / "live") as shards:
        _, expected = filled(shards, 300)
        shutil.copytree(tmp_path / "live", tmp_path / "after")
    with opened(tmp_path / "after") as shards:
        settle(shards)
        assert shards.get("c").parts[0].built
        expected.check(shards.get("c"))


def test_a_build_that_is_killed_changes_nothing_and_is_tried_again(tmp_path, monkeypatch):
    monkeypatch.setattr(qdrant_upkeep, "RETRY_FIRST", 0.0)
    with opened(tmp_path) as shards:
        collection, expected = filled(shards, 300)
        step_while(shards, lambda: not builders())
        builders()[0].kill()
        step_while(shards, lambda: collection.building)
        assert not collection.parts[0].built
        expected.check(collection)

        settle(shards)
        assert collection.parts[0].built
        expected.check(collection)
        assert not list(collection.directory.glob("build-*"))


def test_without_room_on_the_disk_nothing_is_built(tmp_path, monkeypatch):
    monkeypatch.setattr(qdrant_rebuild.shutil, "disk_usage", lambda _: SimpleNamespace(free=1 << 20))
    with opened(tmp_path) as shards:
        collection, expected = filled(shards, 300)
        for _ in range(20):
            shards.tidy()
        assert len(collection.parts) == 1
        expected.check(collection)
        with pytest.raises(DiskFull, match="1 MB are left"):
            shards.to_write("c")


def test_a_collection_that_is_deleted_while_its_graph_is_built_takes_the_process_along(tmp_path):
    with opened(tmp_path) as shards:
        filled(shards, 300)
        step_while(shards, lambda: not builders())
        [child] = builders()
        assert shards.delete("c")
        assert not child.is_running()
        assert list(tmp_path.iterdir()) == []
        collection, expected = filled(shards, 300)
        settle(shards)
        expected.check(collection)


def test_a_building_process_ends_when_the_server_is_killed(tmp_path):
    program = f"""if True:
        import time, uuid, pathlib, psutil, numpy as np, qdrant_edge as edge
        from askonce_worker.local.qdrant_shape import Shape
        from askonce_worker.local.qdrant_shards import Shards
        shards = Shards(pathlib.Path({str(tmp_path)!r}))
        shards.create("c", Shape(64, "Cosine"))
        vectors = np.random.default_rng(1).standard_normal((40_000, 64))
        points = [edge.Point(uuid.UUID(int=i), v.tolist(), {{}}) for i, v in enumerate(vectors)]
        shards.get("c").upsert(points)
        while not list(pathlib.Path({str(tmp_path)!r}).glob("c/build-*/target/segments/*")):
            time.sleep(shards.tidy())
        print(psutil.Process().children()[0].pid, flush=True)
        time.sleep(600)
    """
    server = subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE, text=True)
    builder = psutil.Process(int(server.stdout.readline()))
    assert "askonce_worker.local.qdrant_build" in builder.cmdline()
    server.kill()
    server.communicate()
    psutil.wait_procs([builder], timeout=PATIENCE)
    assert not builder.is_running() or builder.status() == psutil.STATUS_ZOMBIE


def test_parts_that_have_lost_much_are_built_anew_and_empty_ones_go(tmp_path):
    with opened(tmp_path) as shards:
        collection, expected = filled(shards, 400)
        settle(shards)
        [first] = [part for part in collection.parts if part.built]
        gone = sorted(expected.points)[: int(len(expected.points) * 0.4)]
        collection.delete([uid(i) for i in gone])
        for i in gone:
            del expected.points[i]
        settle(shards)
        assert first not in collection.parts
        assert len({path.name for path in collection.directory.iterdir()}) == len(collection.parts) + 1
        expected.check(collection)

        collection.delete([uid(i) for i in expected.points])
        expected.points.clear()
        settle(shards)
        assert [part.built for part in collection.parts] == [0]
        expected.check(collection)


def test_a_collection_of_an_earlier_release_is_read(tmp_path):
    with opened(tmp_path) as shards:
        collection, expected = filled(shards, 50)
    (tmp_path / "c" / "collection.json").write_text('{"size": 8, "distance": "Cosine"}')
    with opened(tmp_path) as shards:
        expected.check(shards.get("c"))
        assert shards.get("c").shape == SHAPE


def test_a_small_collection_is_one_part_and_starts_no_process(tmp_path):
    with opened(tmp_path, Limits()) as shards:
        collection, expected = filled(shards, 400)
        for _ in range(50):
            shards.tidy()
            assert not builders()
        assert [part.name for part in collection.parts] == ["shard"]
        expected.check(collection)


def test_what_is_near_and_does_not_match_hides_nothing_that_does(tmp_path, monkeypatch):
    """A walk without the filter finds these first, and no others."""
    monkeypatch.setattr(qdrant_shape, "_FULL_SCAN", 0)
    with opened(tmp_path) as shards:
        collection, _ = filled(shards, 300)
        random = np.random.default_rng(1)
        centre, turned = np.eye(SHAPE.size)[:2]
        near = [
            edge.Point(uid(5000 + i), (centre + random.normal(0, 0.01, SHAPE.size)).tolist(), {"n": 20})
            for i in range(60)
        ]
        own = [edge.Point(uid(6000 + i), (centre + turned * (0.3 + i / 100)).tolist(), {"n": 21}) for i in range(2)]
        collection.upsert([*near, *own])
        settle(shards)
        assert collection.parts[0].built
        [found] = collection.search(to_searches([nearest(centre, 21)], SHAPE))
        assert [point.id.int for point in found] == [6000, 6001]
        collection.set_payload([uid(6000)], {"n": 20})
        [found] = collection.search(to_searches([nearest(turned + centre * 3, 21)], SHAPE))
        assert [point.id.int for point in found] == [6001]
