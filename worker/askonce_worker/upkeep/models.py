"""Detects that a provider replaced the model behind a name, from what workers count while storing answers."""

from typing import Any, Literal

import structlog
from redis.asyncio import Redis

from askonce.contract.keys import Keys
from askonce_worker.upkeep import snapshots
from askonce_worker.upkeep.snapshots import STAYS, Run, Snapshots

log = structlog.get_logger()

OnUpgrade = Literal["invalidate", "keep", "warn"]


class Models:
    """stays: seconds for which a snapshot must answer alone before it counts as an upgrade."""

    def __init__(self, redis: Redis, keys: Keys, *, on_upgrade: OnUpgrade, stays: float = STAYS) -> None:
        self._redis: Any = redis
        self._keys = keys
        self._on_upgrade = on_upgrade
        self._stays = stays

    async def superseded(self) -> dict[str, frozenset[str]]:
        """By model, the snapshots whose entries must go. Records changes first, whatever the policy."""
        pipe = self._redis.pipeline(transaction=False)
        pipe.time()
        pipe.hgetall(self._keys.snapshot_runs)
        pipe.hgetall(self._keys.models)
        (now, _), runs, known = await pipe.execute()
        seen = {model.decode(): snapshots.decode(raw) for model, raw in known.items()}
        changed = {}
        for name, raw in runs.items():
            model = name.decode()
            try:
                run = snapshots.read_run(raw)
            except ValueError:
                continue  # another release's
            found = self._look_at(model, seen.get(model), run, now)
            if found != seen.get(model):
                seen[model] = found
                changed[model] = snapshots.encode(found)
        if changed:
            await self._redis.hset(self._keys.models, mapping=changed)
        if self._on_upgrade != "invalidate":
            return {}
        return {model: each.superseded for model, each in seen.items()}

    def _look_at(self, model: str, seen: Snapshots | None, run: Run, now: int) -> Snapshots:
        if seen is None:
            return snapshots.first(run)
        stays = run.stays(now, self._stays)
        found = snapshots.after(seen, run, stays=stays, invalidate=self._on_upgrade == "invalidate")
        if found.current != seen.current:
            tell = log.warning if self._on_upgrade == "warn" else log.info
            tell("model.upgraded", model=model, was=seen.current, now=found.current, action=self._on_upgrade)
        if found.flapping and not seen.flapping:
            log.warning("model.flapping", model=model, reason="several snapshots answer in turn", action="none")
        return found
