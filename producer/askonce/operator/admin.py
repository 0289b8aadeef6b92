"""Operations on the whole installation: its figures, its current state, and counts of entries."""

from collections import Counter
from collections.abc import Mapping
from dataclasses import asdict, replace
from typing import Any

from askonce.contract.counters import read_counters, total
from askonce.contract.wrong_rates import WrongRates, decode_rates
from askonce.operator.entry_count import EntryCount, count_entries
from askonce.operator.history import History, read_history, read_totals
from askonce.operator.installation import Installation
from askonce.operator.live_state import SAMPLE, LiveState, read_state
from askonce.operator.waiting import Waiting, read_waiting
from askonce.prices.load import Prices


class Admin(Installation):
    """An operator's view of one installation."""

    async def stats(self, prices: Prices, *, namespace: str | None = None, model: str | None = None) -> dict[str, Any]:
        """What `askonce stats --json` prints.

        Args:
            prices: what tokens cost.
            namespace: count only this namespace. `now` always covers the whole installation.
            model: count only this model.

        Returns:
            `at` (Unix s), `currency`, figures for `hour`, `day`, `month` and `total`, and the present state `now`.

        Raises:
            StoreUnreachable: Redis does not answer.
        """
        history = await self.history()
        report: dict[str, Any] = {"at": history.at_ms // 1000, "currency": prices.currency}
        for name, counts in history.periods.items():
            report[name] = figures_of(counts, prices, namespace=namespace, model=model)
        state = await read_state(self._store, self._keys, now_ms=history.at_ms)
        return {**report, "now": asdict(state)}

    async def history(self) -> History:
        """The counters behind `stats`, also by hour and by day.

        Raises:
            StoreUnreachable: Redis does not answer.
        """
        return await read_history(self._store, self._keys)

    async def wrong_rates(self, *, namespace: str | None = None, model: str | None = None) -> WrongRates | None:
        """How many answers were wrong, as recently computed by the workers.

        Args:
            namespace: only its groups. `all` always covers the whole installation.
            model: only its groups.

        Returns:
            The rates. None if unknown: no worker checks hits, or the record cannot be read.

        Raises:
            StoreUnreachable: Redis does not answer.
        """
        [raw] = await self._store.pipeline([("GET", self._keys.audit.estimates)])
        try:
            rates = None if raw is None else decode_rates(raw)
        except ValueError:
            return None
        if rates is None:
            return None
        chosen = (each for each in rates.groups if namespace in (None, each.namespace) and model in (None, each.model))
        return replace(rates, groups=tuple(chosen))

    async def now(self, *, sample: int = SAMPLE) -> LiveState:
        """The present state.

        Args:
            sample: how many entries, and how many jobs of each lane, are examined.

        Raises:
            StoreUnreachable: Redis does not answer.
        """
        [clock] = await self._store.pipeline([("TIME",)])
        seconds, micros = map(int, clock)
        return await read_state(self._store, self._keys, now_ms=seconds * 1000 + micros // 1000, sample=sample)

    async def waiting(self) -> list[Waiting]:
        """The namespaces whose questions are waiting, by lane.

        Raises:
            StoreUnreachable: Redis does not answer.
        """
        return await read_waiting(self._store, self._keys)

    async def count_entries(
        self, *, model: str | None = None, namespace: str | None = None, seconds: float = 2.0
    ) -> EntryCount:
        """Counts the valid entries of a model, of a namespace, of both, or all of them.

        Args:
            model: the model; None for any.
            namespace: the namespace; None for any.
            seconds: after how long the count stops, finished or not.

        Raises:
            StoreUnreachable: Redis does not answer.
        """
        return await count_entries(self._store, self._keys, model=model, namespace=namespace, seconds=seconds)

    async def totals(self) -> Counter[bytes]:
        """The counters since the beginning, as `counters.py` names them.

        Raises:
            StoreUnreachable: Redis does not answer.
        """
        return await read_totals(self._store, self._keys)


def figures_of(
    counts: Mapping[bytes, int],
    prices: Prices,
    *,
    namespace: str | None = None,
    model: str | None = None,
    most: int | None = None,
) -> dict[str, Any]:
    """The part of `stats` for one period: total figures, and `by` namespace and model.

    most: how many of these, those with the most questions; `groups` is their total number. None: all, by name.
    """
    figures = {
        key: each
        for key, each in sorted(read_counters(counts, prices).items())
        if namespace in (None, key[0]) and model in (None, key[1])
    }
    shown = figures if most is None else dict(sorted(figures.items(), key=lambda each: -each[1].questions)[:most])
    by = [{"namespace": key[0], "model": key[1], **each.report()} for key, each in shown.items()]
    report = {**total(figures.values()).report(), "by": by}
    return report if most is None else {**report, "groups": len(figures)}
