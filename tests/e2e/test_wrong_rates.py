"""How many answers were wrong: worked out by a worker, and told by `askonce stats`, --json and Prometheus."""

import asyncio

import orjson
import pytest

from askonce.cli import main
from askonce.contract.audit import encode_group, group_id
from askonce.operator.admin import Admin
from askonce_worker.audit.policy import Policy, encode_policy
from askonce_worker.audit.rate import Seen, estimates
from askonce_worker.upkeep import wrong_rates
from askonce_worker.upkeep.wrong_rates import HOURS, WrongRateReport
from support.asking import settings_for
from support.metrics import free_ports, scrape
from support.worker_process import until, workers

SHOP = ("shop", "gpt-4o-mini", "Classify the message of a customer: {text}")
DESK = ("desk", "gpt-4o-mini", None)
SEEN = {
    SHOP: Seen(2000, 950, 50, 950, 18_050, 190, 3610, 1),
    DESK: Seen(9000, 3000, 150, 2850, 54_150, 0, 0, 0),
}
METRICS = {
    "askonce_wrong_share",
    "askonce_wrong_share_low",
    "askonce_wrong_share_high",
    "askonce_checks",
    "askonce_unjudged_matches",
    "askonce_policy_threshold",
    "askonce_policy_check_chance",
    "askonce_error_budget",
    "askonce_judge_error_share",
    "askonce_judge_spent_today_dollars",
    "askonce_judge_budget_dollars",
    "askonce_policy_gate",
    "askonce_gate_asked",
    "askonce_gate_served",
    "askonce_gate_cost_dollars",
    "askonce_gate_saved_dollars",
}


@pytest.fixture
def report(redis, keys):
    return WrongRateReport(redis, keys, budget=0.01, rate=None, judging=1.0)


async def has_seen(redis, keys, seen, *, ago=0):
    """Half of it this many hours ago, and half an hour before."""
    now, _ = await redis.time()
    for (namespace, model, template), sums in seen.items():
        group = group_id(namespace, model, template)
        await redis.hset(keys.audit.groups, group, encode_group(namespace, model, template))
        for hour in (now // 3600 - ago, now // 3600 - ago - 1):
            for name in Seen.__slots__:
                await redis.hincrbyfloat(keys.audit.seen(hour), f"{group}|{name}", getattr(sums, name) / 2)


async def read(redis, keys, report):
    await redis.delete(keys.audit.estimates)
    await report.run(1.0)
    async with Admin(f"redis://{host(redis)}/0", key_prefix=keys.prefix) as admin:
        return await admin.wrong_rates()


def host(redis):
    options = redis.connection_pool.connection_kwargs
    return f"{options['host']}:{options['port']}"


async def test_a_worker_tells_stats_and_prometheus(
    valkey_url, embedded_qdrant_url, llm_server, redis, keys, monkeypatch, capsys
):
    monkeypatch.setenv("ASKONCE_REDIS_URL", valkey_url)
    monkeypatch.setenv("ASKONCE_KEY_PREFIX", keys.prefix)
    monkeypatch.setenv("COLUMNS", "80")

    async def said(*words):
        assert await asyncio.to_thread(main, ["stats", *words]) == 0
        return capsys.readouterr().out

    assert "the rate is unknown" in await said()
    assert orjson.loads(await said("--json"))["wrong_rate"] is None
    await has_seen(redis, keys, SEEN)
    day = (await redis.time())[0] // 86_400
    await redis.hset(
        keys.audit.judge(day),
        mapping={"cost": 1.25, "pairs": 40},
    )
    await redis.hset(keys.audit.agreement, mapping={"same:same": 18, "same:different": 1, "different:different": 1})
    sums = {"asked": 110, "cost": 0.02, "served": 60, "saved": 0.3}
    for name, value in sums.items():
        await redis.hset(keys.audit.seen(day * 24), f"{group_id(*SHOP)}|gate_{name}", value)
    served = Policy(version=3, threshold=0.9621, chance=0.05, gate=0.93)
    await redis.set(keys.audit.policy(group_id(*SHOP)), encode_policy(served))
    settings = settings_for(valkey_url, embedded_qdrant_url, llm_server, keys.prefix)
    settings |= {"ASKONCE_ERROR_BUDGET": "0.01", "ASKONCE_JUDGE_MODEL": "m", "ASKONCE_AUDIT_BUDGET": "2"}
    settings |= {"ASKONCE_METRICS_PORT": str(free_ports())}
    async with workers(1, settings):
        metrics = await until(lambda: told(settings), what="the estimates")
    assert metrics.names >= METRICS
    truth, labels = estimates(SEEN), {"of": "answers", "namespace": "shop"}
    for name, value in (("", truth[SHOP].wrong), ("_low", truth[SHOP].low), ("_high", truth[SHOP].high)):
        assert metrics.sum(f"askonce_wrong_share{name}", **labels) == pytest.approx(value / 2000)
    assert metrics.sum("askonce_wrong_share", of="hits", namespace="desk") == pytest.approx(truth[DESK].wrong / 3150)
    assert metrics.sum("askonce_checks", group="all") == 200
    assert metrics.by("askonce_policy_threshold", "namespace", "scorer") == {("shop", "cosine"): 0.9621}
    assert (metrics.sum("askonce_error_budget"), metrics.sum("askonce_judge_error_share")) == (0.01, 0.05)
    assert (metrics.sum("askonce_judge_budget_dollars"), metrics.sum("askonce_judge_spent_today_dollars")) == (2, 1.25)

    assert (metrics.sum("askonce_gate_served"), metrics.sum("askonce_gate_saved_dollars")) == (60, 0.3)
    assert metrics.by("askonce_policy_gate", "namespace") == {("shop",): 0.93}

    found = orjson.loads(await said("--json", "--namespace", "shop"))["wrong_rate"]
    assert (found["gate"], found["groups"][0]["policy"]["gate"]) == (sums, 0.93)
    assert [each["namespace"] for each in found["groups"]] == ["shop"]
    assert found["groups"][0]["of_answers"] == pytest.approx(
        [getattr(truth[SHOP], n) / 2000 for n in ("wrong", "low", "high")]
    )
    table = await said()
    assert max(map(len, table.splitlines())) <= 80
    for part in (
        "wrong hits, last 7 days",
        "0.962",
        "EXCEEDED by",
        "1.25 of 2.00 USD",
        "1 of 20 verdicts",
        "Gate: 110 matches judged for 0.02",
    ):
        assert part in " ".join(table.split()), table


async def told(settings):
    metrics = await scrape(settings)
    return metrics.names & {"askonce_wrong_share"} and metrics


async def test_what_was_seen_is_added_up_over_a_week_and_no_longer(redis, keys, report):
    await has_seen(redis, keys, SEEN, ago=HOURS)
    await has_seen(redis, keys, SEEN, ago=HOURS - 2)
    assert (await read(redis, keys, report)).all.answered == 11_000
    await has_seen(redis, keys, SEEN)  # of hours that it has read before
    rates = await read(redis, keys, report)
    assert (rates.all.answered, rates.all.checks, rates.budget) == (22_000, 400, 0.01)
    doubled = {name: sums + sums for name, sums in SEEN.items()}
    assert [each.wrong for each in rates.groups] == pytest.approx(
        [estimates(doubled)[name].wrong for name in (DESK, SHOP)]
    )
    assert [each.policy for each in rates.groups] == [None, None]


async def test_records_that_cannot_be_read_are_left_out(redis, keys, report):
    await has_seen(redis, keys, SEEN)
    now, _ = await redis.time()
    await redis.hset(keys.audit.seen(now // 3600), mapping={"x|answered": "many", "y": 1, "|": 2, "z|answered": 5})
    await redis.hset(keys.audit.groups, group_id(*DESK), b'{"format":2}')
    await redis.set(keys.audit.policy(group_id(*SHOP)), b"none")
    rates = await read(redis, keys, report)
    assert [(each.namespace, each.policy) for each in rates.groups] == [("shop", None)]
    await redis.set(keys.audit.estimates, b'{"format":2}')
    async with Admin(f"redis://{host(redis)}/0", key_prefix=keys.prefix) as admin:
        assert await admin.wrong_rates() is None


async def test_of_many_groups_the_largest_stand_by_themselves(redis, keys, report, monkeypatch):
    monkeypatch.setattr(wrong_rates, "MOST", 3)
    many = {(f"n{number}", "m", None): Seen(answered=number, unchecked=number / 2) for number in range(1, 7)}
    await has_seen(redis, keys, many)
    rates = await read(redis, keys, report)
    assert [each.namespace for each in rates.groups] == ["n6", "n5"]
    assert rates.all.answered == 21
