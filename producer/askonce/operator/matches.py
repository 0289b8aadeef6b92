"""Matches that were served recently or wait for a verdict, for people to review and judge."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from askonce.contract.audit import Label, UnreadableAudit, decode_group
from askonce.contract.matches import HOURS, ServedMatch, decode_match
from askonce.operator.installation import Installation
from askonce.session.verdicts import Match, Verdicts, newest, row_of
from askonce.session.wrong_hits import WrongHits, match_report

Named = dict[str, tuple[str, str]]
"""Namespace and model by group."""


@dataclass(frozen=True, slots=True)
class SeenMatch:
    """A match. waits: it could not be judged so far. said: a person's verdict, `right` or `wrong`; '' for none."""

    match: ServedMatch
    waits: bool
    said: str

    @property
    def id(self) -> str:
        """The same for all records of this pair."""
        return self.match.id


class Matches(Installation):
    """The matches of one installation."""

    def __init__(self, redis_url: str | None = None, *, key_prefix: str | None = None) -> None:
        super().__init__(redis_url, key_prefix=key_prefix)
        self._verdicts = Verdicts(self._store, self._keys)
        self._hits = WrongHits(self._store, self._keys)

    async def all(self) -> list[SeenMatch]:
        """Matches of the last day, latest first, then older ones that wait for a verdict.

        Raises:
            StoreUnreachable: Redis does not answer.
        """
        groups = await self._groups()
        waiting = {label.id: _of_label(label, groups) async for label in self._verdicts.waiting()}
        found = {match.id: match for match in sorted(await self._served(), key=lambda match: match.at or 0)}
        latest = [*reversed(found.values()), *(match for name, match in waiting.items() if name not in found)]
        said = await self._said([match.id for match in latest])
        return [SeenMatch(match, match.id in waiting, word) for match, word in zip(latest, said, strict=True)]

    async def judge(self, match: ServedMatch, *, right: bool, drop_entry: bool = False) -> bool:
        """Records a person's verdict. A wrong match is never made again.

        Args:
            match: the match.
            right: whether one answer serves both questions.
            drop_entry: whether to delete the cached answer of a wrong one, too.

        Returns:
            Whether that was news.

        Raises:
            StoreUnreachable: Redis does not answer.
        """
        judged = Match(
            match.asked,
            match.entry,
            match.question,
            match.matched,
            match.similarity,
            match.namespace,
            match.model,
        )
        if right:
            return await self._verdicts.judge(judged, right=True)
        return await self._hits.add(match_report(judged), drop_entry=drop_entry)

    async def labelled(self, *, waiting: bool = False) -> list[dict[str, Any]]:
        """Rows for `askonce-worker evaluate`: judged matches, or waiting ones.

        Raises:
            StoreUnreachable: Redis does not answer.
        """
        groups = await self._groups()
        if waiting:
            labels: Iterable[Label] = [label async for label in self._verdicts.waiting()]
        else:
            known = newest([label async for label in self._verdicts.labels()])
            labels = (label for label in known[::-1] if label.right is not None)
        return [row_of(label, groups) for label in labels]

    async def _served(self) -> list[ServedMatch]:
        [(seconds, _)] = await self._store.pipeline([("TIME",)])
        now = int(seconds) // 3600
        replies = await self._store.pipeline(
            [("HGETALL", self._keys.audit.matches(hour)) for hour in range(now - HOURS, now + 1)]
        )
        return [match for reply in replies for raw in _values(reply) if (match := _read(raw)) is not None]

    async def _said(self, names: Sequence[str]) -> list[str]:
        if not names:
            return []
        [words] = await self._store.pipeline([("HMGET", self._keys.audit.people, *names)])
        return [word.decode() if word in (b"right", b"wrong") else "" for word in words]

    async def _groups(self) -> Named:
        [reply] = await self._store.pipeline([("HGETALL", self._keys.audit.groups)])
        found = {}
        for name, raw in _pairs(reply):
            try:
                group = decode_group(raw)
            except UnreadableAudit:
                continue
            found[name.decode("utf-8", "replace")] = group.namespace, group.model
        return found


def _pairs(reply: Mapping[bytes, bytes] | list[bytes]) -> Iterable[tuple[bytes, bytes]]:
    return reply.items() if isinstance(reply, Mapping) else zip(reply[::2], reply[1::2], strict=True)


def _values(reply: Mapping[bytes, bytes] | list[bytes]) -> Iterable[bytes]:
    return (raw for _, raw in _pairs(reply))


def _read(raw: bytes) -> ServedMatch | None:
    """None for one that this release cannot read."""
    try:
        return decode_match(raw)
    except ValueError:
        return None


def _of_label(label: Label, groups: Named) -> ServedMatch:
    namespace, model = groups.get(label.group, (label.namespace, label.model))
    facts = (label.asked, label.entry, label.question, label.matched, namespace, model, "", "semantic")
    return ServedMatch(*facts, label.similarity, None, "cosine", label.version, "")
