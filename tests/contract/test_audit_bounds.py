"""What is learnt of the hits has bounds: groups that are too many, and a Redis that is nearly full."""

from askonce import Question
from askonce.contract.audit import Label, group_id
from askonce_worker.audit.deciding import PERIOD
from askonce_worker.auditing.recorder import Recorder

QUESTION = Question("q", model="m", namespace="n", job_id="j")
GROUP = group_id("n", "m", None)
LABEL = Label(GROUP, "q", "e", "q", "e", 0.97, 0.01, 0.9, 0.97, 0, 20, "miss", None, "answers", 1.0)


async def test_the_sums_of_groups_that_are_too_many_stand_under_no_name(redis, keys, monkeypatch):
    monkeypatch.setattr("askonce_worker.auditing.recorder.MOST_SUMS", 3)
    recorder = Recorder(redis, keys, worker="w", period=PERIOD)
    for number in [*range(10), *range(10)]:
        recorder.answered(Question("q", model=f"m{number}", namespace="n"), 0)
        await recorder._flush()
    found = await sums_of_hours(redis, keys)
    assert (sum(found.values()), found["|answered"]) == (20, 14)
    assert await redis.hlen(keys.audit.groups) == 10


async def test_a_redis_that_is_nearly_full_gets_sums_and_no_labels(redis, keys):
    recorder = Recorder(redis, keys, worker="w", period=PERIOD)
    recorder.answered(QUESTION, 0)
    await recorder._flush()
    await redis.config_set("maxmemory", int((await redis.info("memory"))["used_memory"] * 1.1))
    try:
        recorder.answered(QUESTION, 0)
        recorder.label(QUESTION, LABEL, waits=True)
        await recorder._flush()
    finally:
        await redis.config_set("maxmemory", 0)
    assert await redis.exists(keys.audit.labels, keys.audit.waiting) == 0
    assert (await sums_of_hours(redis, keys))[f"{GROUP}|answered"] == 2


async def sums_of_hours(redis, keys):
    found = {}
    async for key in redis.scan_iter(keys.audit.seen("*")):
        for name, value in (await redis.hgetall(key)).items():
            found[name.decode()] = found.get(name.decode(), 0) + float(value)
    return found
