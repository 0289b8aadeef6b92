"""What `askonce-worker check` reports about Redis data (vectors, workers, dead letters) and lifetimes."""

from typing import Any

from redis.asyncio import Redis

from askonce.contract.keys import LANES, Keys
from askonce_worker.cache.qdrant_messages import collection_prefix, is_of_model
from askonce_worker.check import refill
from askonce_worker.check.finding import Finding
from askonce_worker.settings import Settings
from askonce_worker.upkeep.fill import Filling, name_of
from askonce_worker.upkeep.progress import Progress

DAY = 86_400


def lifetimes(settings: Settings) -> Finding:
    configured = f"CACHE_TTL {settings.cache_ttl / DAY:g} d, MAX_IDLE {settings.max_idle / DAY:g} d"
    if settings.max_idle < settings.cache_ttl:
        return Finding("lifetimes", configured, "entries expire, or are evicted when they are not used", ok=True)
    if "max_idle" not in settings.model_fields_set:
        return Finding("lifetimes", configured, "entries expire", ok=True)
    state = "MAX_IDLE has no effect: entries expire before they can be idle for that long"
    return Finding("lifetimes", configured, state, ok=True, advice="set ASKONCE_MAX_IDLE below ASKONCE_CACHE_TTL")


async def vectors(settings: Settings, redis: Redis) -> Finding:
    """How full the current embedding model's collection is, what filling it will cost, and which others exist."""
    connection: Any = redis
    keys = Keys(settings.key_prefix)
    noted = [name.decode() for name in await connection.hkeys(keys.collections)]
    prefix = collection_prefix(settings.key_prefix, settings.embedding_model)
    ours = [name for name in noted if is_of_model(name, prefix, settings.embedding_dimensions)]
    earlier = len(noted) - len(ours)
    waiting = await connection.xlen(keys.outbox)
    states = [await _state(redis, keys, name) for name in ours] or ["no worker has used one yet"]
    states += await refill.words(settings, redis, keys)
    if earlier:
        states.append(f"{earlier} of earlier models, dropped once this one is filled and no worker uses them")
    if waiting:
        states.append(f"{waiting} vectors wait in the outbox")
    return Finding("vectors", ", ".join(ours) or settings.embedding, "; ".join(states), ok=True)


async def _state(redis: Redis, keys: Keys, collection: str) -> str:
    filling = await Progress(redis, keys).load(name_of(collection), Filling)
    if filling.filled:
        return "filled"
    return f"being filled: {filling.missing} of {filling.checked} entries checked had no vector"


async def service(settings: Settings, redis: Redis) -> Finding:
    """The workers, the waiting jobs, and the jobs that were given up."""
    connection: Any = redis
    keys = Keys(settings.key_prefix)
    seconds, micros = await connection.time()
    workers = await connection.zcount(keys.workers, seconds * 1000 + micros // 1000, "+inf")
    dead = await connection.hlen(keys.dead)
    queues = [queue for lane in LANES for queue in (keys.queue(lane), keys.alone(lane))]
    waiting = sum([await connection.zcard(queue) for queue in queues])
    state = f"{workers} workers, {waiting} jobs wait, {dead} dead letters"
    if waiting and not workers:
        advice = "no worker runs: start askonce-worker run with this ASKONCE_REDIS_URL and ASKONCE_KEY_PREFIX"
        return Finding("service", settings.key_prefix, state, ok=False, advice=advice)
    advice = "askonce dead-letters says why, and asks them again" if dead else ""
    return Finding("service", settings.key_prefix, state, ok=True, advice=advice)
