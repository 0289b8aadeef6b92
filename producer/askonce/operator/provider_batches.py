"""Provider batches made by the workers, as an operator sees them."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from askonce.contract.keys import PARKED
from askonce.operator.installation import Installation
from askonce.store.scripts import Script

CANCEL = Script("askonce", "cancel_batch")
MOST = 1000


@dataclass(frozen=True, slots=True)
class ProviderBatch:
    """One batch.

    Attributes:
        name: askonce's name, also in the batch's metadata at the provider.
        model: the model of all its questions.
        state: `filled`, `uploaded`, `creating`, `running` or `ended`.
        status: the last status from the provider or, for one that ended here, its outcome.
        provider_id: the provider's id, '' until it has one.
        requests: lines of its file.
        done: lines answered and settled.
        failed: lines that failed permanently.
        waiting: questions still in it.
        age_s: seconds since it was begun.
        tokens_in: of the answers so far.
        tokens_out: of the answers so far.
        cost: of the answers so far, by the workers' prices; None if nothing has a price.
        reason: why the provider refused it.
    """

    name: str
    model: str
    state: str
    status: str
    provider_id: str
    requests: int
    done: int
    failed: int
    waiting: int
    age_s: float
    tokens_in: int
    tokens_out: int
    cost: float | None
    reason: str


class ProviderBatches(Installation):
    """The provider's batches of one installation."""

    async def all(self) -> list[ProviderBatch]:
        """All that have not ended and the last thousand that have, newest first.

        Raises:
            StoreUnreachable: Redis does not answer.
        """
        found = await self._store.pipeline(
            [("ZRANGE", self._keys.parked(each), -MOST, -1) for each in ("batches", "ended")]
        )
        return await self._read([name.decode() for names in found for name in names])

    async def waiting(self) -> int:
        """The number of questions waiting for a batch, or in one.

        Raises:
            StoreUnreachable: Redis does not answer.
        """
        [found] = await self._store.pipeline([("HMGET", self._keys.load, PARKED)])
        return int(found[0] or 0)

    async def get(self, names: Sequence[str]) -> list[ProviderBatch]:
        """These.

        Raises:
            LookupError: one of them is not known.
            StoreUnreachable: Redis does not answer.
        """
        found = await self._read(names)
        missing = set(names) - {batch.name for batch in found}
        if missing:
            raise LookupError(f"no such batch: {', '.join(sorted(missing))}")
        return found

    async def cancel(self, names: Sequence[str]) -> dict[str, bool]:
        """Asks the workers to end these early. False for one that has ended.

        Raises:
            StoreUnreachable: Redis does not answer.
        """
        args = [self._keys.parked(f"batch:{name}") for name in names]
        replies = await self._store.script(CANCEL, args, [])
        return dict(zip(names, map(bool, replies), strict=True))

    async def _read(self, names: Sequence[str]) -> list[ProviderBatch]:
        if not names:
            return []
        commands: list[Any] = [("TIME",)]
        for name in names:
            commands.append(("HGETALL", self._keys.parked(f"batch:{name}")))
            commands.append(("ZCARD", self._keys.parked(f"lines:{name}")))
        [seconds, _], *replies = await self._store.pipeline(commands)
        pairs = zip(names, replies[::2], replies[1::2], strict=True)
        read = [_batch(name, _texts(fields), waiting, int(seconds)) for name, fields, waiting in pairs if fields]
        return sorted(read, key=lambda batch: batch.age_s)


def _texts(fields: Any) -> dict[str, str]:
    pairs = fields.items() if isinstance(fields, dict) else zip(fields[::2], fields[1::2], strict=True)
    return {name.decode(): value.decode("utf-8", "replace") for name, value in pairs}


def _batch(name: str, facts: dict[str, str], waiting: int, now: int) -> ProviderBatch:
    def count(field: str) -> int:
        return int(facts[field]) if facts.get(field, "").isdecimal() else 0

    return ProviderBatch(
        name=name,
        model=facts.get("model", ""),
        state=facts.get("state", ""),
        status=facts.get("status", ""),
        provider_id=facts.get("id", ""),
        requests=count("total"),
        done=count("done"),
        failed=count("failed"),
        waiting=waiting,
        age_s=max(0.0, now - count("began") / 1000),
        tokens_in=count("tokens_in"),
        tokens_out=count("tokens_out"),
        cost=count("cost") / 1e9 if "cost" in facts else None,
        reason=facts.get("reason", ""),
    )
