"""Notices that a model has been replaced behind its name, from what the workers count while they store answers."""

from collections.abc import Mapping
from typing import Any, Literal

import structlog
from redis.asyncio import Redis

from askonce.contract.keys import Keys
from askonce_worker.upkeep import snapshots
from askonce_worker.upkeep.snapshots import Snapshots

log = structlog.get_logger()

OnUpgrade = Literal["invalidate", "keep", "warn"]


class Models:
    def __init__(self, redis: Redis, keys: Keys, *, on_upgrade: OnUpgrade) -> None:
        self._redis: Any = redis
        self._keys = keys
        self._on_upgrade = on_upgrade

    async def superseded(self) -> dict[str, frozenset[str]]:
        """Of each model, the snapshots whose entries have to go; what is new is noted first, whatever the policy."""
        runs = await self._redis.hgetall(self._keys.snapshots)
        known = await self._redis.hgetall(self._keys.models)
        seen = {model.decode(): snapshots.decode(raw) for model, raw in known.items()}
        changed = {}
        for model, run in _runs(runs).items():
            found = self._look_at(model, seen.get(model), *run)
            if found is not seen.get(model):
                seen[model] = found
                changed[model] = snapshots.encode(found)
        if changed:
            await self._redis.hset(self._keys.models, mapping=changed)
        if self._on_upgrade != "invalidate":
            return {}
        return {model: each.superseded for model, each in seen.items()}

    def _look_at(self, model: str, seen: Snapshots | None, count: int, snapshot: str) -> Snapshots:
        if seen is None:
            return snapshots.first(snapshot, count)
        found = snapshots.after(seen, snapshot, count, invalidate=self._on_upgrade == "invalidate")
        if found.current != seen.current:
            tell = log.warning if self._on_upgrade == "warn" else log.info
            tell("model.upgraded", model=model, was=seen.current, now=snapshot, action=self._on_upgrade)
        return found


def _runs(raw: Mapping[bytes, bytes]) -> dict[str, tuple[int, str]]:
    """Of each model: how often in a row, and who."""
    runs = {}
    for model, run in raw.items():
        count, _, snapshot = run.decode().partition(" ")
        runs[model.decode()] = (int(count), snapshot)
    return runs
