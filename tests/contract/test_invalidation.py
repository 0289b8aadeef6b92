"""Each form of invalidation: what it says, at once; and the data it leaves behind, soon."""

import pytest
from structlog.testing import capture_logs

from askonce import Client, Question
from askonce_worker.matching.never_cache import never_cached
from askonce_worker.upkeep.models import Models
from askonce_worker.upkeep.snapshots import IN_A_ROW
from support.cache import Cache

PLACES = [("m", "n"), ("m", "other"), ("x", "n"), ("x", "other")]
"""Model and namespace of the four entries."""

FORMS = [
    ({"model": "m"}, [("m", "n"), ("m", "other")]),
    ({"namespace": "n"}, [("m", "n"), ("x", "n")]),
    ({"model": "m", "namespace": "n"}, [("m", "n")]),
    ({"all": True}, PLACES),
]


@pytest.fixture
async def cache(valkey_url, qdrant_url, prefix):
    cache = Cache(valkey_url, qdrant_url, prefix)
    yield cache
    await cache.aclose()


@pytest.fixture
async def client(cache, valkey_url):
    async with Client(valkey_url, key_prefix=cache.prefix) as client:
        yield client


async def found(client, texts=("a",)):
    """Of which places the cache has an answer."""
    return [
        (model, namespace)
        for model, namespace in PLACES
        for text in texts
        if await client.lookup(Question(text, model=model, namespace=namespace)) is not None
    ]


async def fill(cache):
    return {place: (await cache.put("a", model=place[0], namespace=place[1]))[0] for place in PLACES}


@pytest.mark.parametrize(("form", "gone"), FORMS)
async def test_each_form_says_exactly_what_it_says_and_at_once(cache, client, form, gone):
    await fill(cache)
    assert await found(client) == PLACES

    await client.invalidate(**form)

    assert await found(client) == [place for place in PLACES if place not in gone]


@pytest.mark.parametrize(("form", "gone"), FORMS)
async def test_the_data_is_deleted_on_both_sides_and_nothing_else(cache, client, form, gone):
    entries = await fill(cache)
    await client.invalidate(**form)

    await cache.stale().run(5)

    assert await cache.holds([name for place, name in entries.items() if place not in gone])


@pytest.mark.parametrize("form", [{}, {"all": True, "model": "m"}, {"all": True, "namespace": "n"}])
async def test_a_form_that_says_nothing_clear_is_refused(client, form):
    with pytest.raises(ValueError, match="invalidate what"):
        await client.invalidate(**form)


@pytest.mark.parametrize("form", [{"model": ""}, {"namespace": ""}, {"model": "m", "namespace": ""}, {"model": "a\nb"}])
async def test_what_no_question_can_name_is_refused(cache, client, form):
    with pytest.raises(ValueError, match="namespace must be|model's name"):
        await client.invalidate(**form)
    assert not await cache.redis.exists(cache.keys.epochs)


async def test_what_was_asked_before_is_not_cached_after(cache, client):
    stale_stamp = "0.0.0.0"
    await client.invalidate(model="m")
    [question] = [Question("a", model="m", namespace="n")]
    [fingerprint] = await cache.put("a", vectors=False, stamp=stale_stamp)

    assert fingerprint == question.fingerprint
    assert await client.lookup(question) is None
    assert await cache.holds([])


async def test_a_new_answer_is_cached_again_and_survives_the_sweep(cache, client):
    await fill(cache)
    await client.invalidate(all=True)
    [fingerprint] = await cache.put("a")

    await cache.stale().run(5)

    assert await found(client) == [("m", "n")]
    assert await cache.holds([fingerprint])


async def test_a_calm_sweep_takes_a_page_and_an_urgent_one_goes_on(cache, client):
    entries = await cache.put(*map(str, range(1500)), vectors=False)
    await cache.stale().run(5)
    await cache.redis.delete(*(cache.keys.entry(name) for name in entries))

    await cache.stale().run(5)
    left = await cache.redis.zcard(cache.keys.touched)
    assert 0 < left < 1500

    await client.invalidate(all=True)
    await cache.stale().run(5)
    assert await cache.holds([])


async def test_a_sweep_that_ends_early_is_gone_on_with(cache, client):
    await cache.put(*map(str, range(1500)), vectors=False)
    await client.invalidate(all=True)

    left = []
    while not left or left[-1]:
        await cache.stale().run(0)
        left.append(await cache.redis.zcard(cache.keys.touched))

    assert len(left) > 2
    assert left == sorted(left, reverse=True)


async def test_invalidations_of_others_keep_no_sweep_from_its_end(cache, client):
    await cache.put(*map(str, range(1000)), vectors=False)
    await client.invalidate(model="m")
    await cache.put(*(f"new {number}" for number in range(3000)), vectors=False)

    for number in range(30):
        await client.invalidate(namespace=f"other-{number}")
        await cache.stale().run(0)

    assert await cache.redis.zcard(cache.keys.touched) == 3000


@pytest.mark.parametrize("snapshot", ["m" * 3000, ["no", "name"]])
async def test_whatever_an_api_calls_itself_its_answers_are_swept(cache, client, snapshot):
    await cache.put("a", snapshot=snapshot)
    await client.invalidate(all=True)

    await cache.stale().run(5)

    assert await cache.holds([])


async def test_what_is_never_cached_is_swept_however_it_got_there(cache, client):
    await client.store(Question("What is the weather today?", model="m", namespace="n"), "sunny")
    kept = await cache.put("What is weather?", vectors=False)

    await cache.stale(never=never_cached("")).run(5)

    assert (await cache.sides())[0] == set(kept)


async def test_retired_models_are_swept_by_alias_and_by_snapshot(cache):
    await cache.put("a", model="old-alias", snapshot="s-1")
    await cache.put("a", model="alias", snapshot="old-snapshot")
    kept = await cache.put("a", model="alias", namespace="other", snapshot="s-2")

    await cache.stale(retired=["old-alias", "old-snapshot"]).run(5)

    assert await cache.holds(kept)


async def answered(cache, snapshot, times, text="more"):
    """So many answers of this snapshot. Returns their entries."""
    return await cache.put(*(f"{text} {n} {snapshot}" for n in range(times)), model="alias", snapshot=snapshot)


async def test_a_new_snapshot_that_stays_takes_the_old_ones_entries_with_it(cache):
    sweep = cache.stale(stays=0)
    await answered(cache, "alias-1", 1)
    other = await cache.put("old", model="another", snapshot="alias-1")
    await sweep.run(5)
    new = await answered(cache, "alias-2", IN_A_ROW - 1)
    await sweep.run(5)
    assert len((await cache.sides())[0]) == 1 + IN_A_ROW, "it has not answered often enough"
    new += await answered(cache, "alias-2", 1, "last")

    await sweep.run(5)

    assert await cache.holds([*other, *new])


async def test_a_change_counts_only_after_a_while_however_many_answers_there_were(cache):
    sweep = cache.stale()
    entries = await answered(cache, "alias-1", 1)
    await sweep.run(5)
    entries += await answered(cache, "alias-2", 5 * IN_A_ROW)

    await sweep.run(5)

    assert await cache.holds(entries)


async def test_a_router_is_no_upgrade_and_is_reported_once(cache):
    sweep, entries = cache.stale(stays=0), []
    with capture_logs() as logged:
        for count in range(6):
            entries += await answered(cache, f"alias-{count % 2 + 1}", 2 * IN_A_ROW, f"{count}")
            await sweep.run(5)
    assert [line["event"] for line in logged].count("model.flapping") == 1

    assert len((await cache.sides())[0]) >= 5 * 2 * IN_A_ROW, "at most the very first change was taken for one"
    kept = (await cache.sides())[0]
    with capture_logs() as logged:
        for count in range(6, 12):
            await answered(cache, f"alias-{count % 2 + 1}", 2 * IN_A_ROW, f"{count}")
            await sweep.run(5)
    assert kept <= (await cache.sides())[0]
    assert not [line for line in logged if line["event"].startswith("model.")], "it was reported before"


async def test_entries_keep_the_snapshot_that_made_them(cache):
    [first] = await answered(cache, "alias-1", 1)
    [second] = await answered(cache, "alias-2", 1)
    for name, snapshot in ((first, b"alias-1"), (second, b"alias-2")):
        assert b'"snapshot":"%b"' % snapshot in await cache.redis.get(cache.keys.entry(name))


@pytest.mark.parametrize("policy", ["keep", "warn"])
async def test_what_was_superseded_stands_once_upgrades_are_to_be_left_alone(cache, policy):
    old = await answered(cache, "alias-1", 1)
    await cache.stale(stays=0).run(5)
    new = await answered(cache, "alias-2", IN_A_ROW)
    superseded = Models(cache.redis, cache.keys, on_upgrade="invalidate", stays=0).superseded
    assert await superseded() == {"alias": {"alias-1"}}

    await cache.stale(on_upgrade=policy, stays=0).run(5)

    assert await cache.holds([*old, *new])


@pytest.mark.parametrize("policy", ["keep", "warn"])
async def test_an_upgrade_may_be_left_alone(cache, policy):
    sweep = cache.stale(on_upgrade=policy, stays=0)
    entries = await answered(cache, "alias-1", 1)
    await sweep.run(5)
    entries += await answered(cache, "alias-2", 2 * IN_A_ROW)

    await sweep.run(5)

    assert await cache.holds(entries)
