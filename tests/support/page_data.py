"""What a month leaves in Redis, made up for the page: counters of three namespaces."""

import math
import random
import time

import orjson
from redis import Redis

from askonce import Question
from askonce.contract.chunk import FUNCTION, pack
from askonce.contract.keys import Keys
from askonce.contract.packed_counters import live_hour

OWNERS = (
    ("shop", "gpt-4o-mini", 1.0),
    ("shop", "gpt-4o", 0.25),
    ("support", "gpt-4o-mini", 0.8),
    ("research", "gpt-4o", 0.3),
)
DAYS = 30


def counters(redis: Redis, keys: Keys, *, days: int = DAYS) -> None:
    """More is asked by day than by night, and from day to day more of it is found."""
    chance, now = random.Random(5), redis.time()[0] // 3600
    pipe = redis.pipeline(transaction=False)
    for hour in range(now - days * 24, now + 1):
        grown = (hour - now + days * 24) / (days * 24)
        by_day = math.exp(-(((hour % 24 - 14) / 6) ** 2)) + 0.15
        for namespace, model, share in OWNERS:
            asked = int(chance.gauss(900, 120) * share * by_day * (0.6 + 0.4 * grown))
            for name, count in _hour(chance, asked, 0.42 + 0.3 * grown + chance.gauss(0, 0.02)).items():
                for bucket in (live_hour(hour), "total"):
                    pipe.hincrby(keys.stats(bucket), f"{name}|{namespace}|{model}", count)
    pipe.execute()


def dead_letters() -> dict[str, bytes]:
    """Two jobs that were given up just now."""
    chunk = orjson.loads(
        pack(
            "shop", 60_000, [Question("Why is it dark?", model="m", job_id="q1").checked(namespace="shop", model=None)]
        )
    )
    record = {"t": None, "f": FUNCTION, "a": [chunk], "k": {}, "et": 1}
    letter = {
        "lane": "bulk",
        "cause": "its workers died three times",
        "tries": 3,
        "at": int(time.time() * 1000),
        "record": record,
    }
    return {f"job-{number}": orjson.dumps(letter) for number in (1, 2)}


def _hour(chance: random.Random, asked: int, hit_rate: float) -> dict[str, int]:
    hits, failed = int(asked * hit_rate), int(asked * 0.002)
    exact, semantic = int(hits * 0.62), int(hits * 0.3)
    joined, llm = hits - exact - semantic, asked - hits - failed
    counts = {"exact": exact, "semantic": semantic, "inflight": joined, "llm": llm, "failed": failed}
    counts |= {"calls": llm + failed, "call_errors": failed, "tokens_in": llm * 420, "tokens_out": llm * 180}
    counts |= {"saved_in": hits * 420, "saved_out": hits * 180, "wrong": int(chance.random() < 0.01)}
    for kind, first, answers in (("hit", 38, exact + semantic), ("joined", 72, joined), ("miss", 80, llm)):
        shape = [math.exp(-(((each - 4) / 3) ** 2)) for each in range(14)]
        counts |= {f"{kind}:{first + at}": int(answers * share / sum(shape)) for at, share in enumerate(shape)}
    return {name: count for name, count in counts.items() if count}
