"""The keys of what workers learn about their hits, documented as in `keys.py`."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class AuditKeys:
    prefix: str

    @property
    def groups(self) -> str:
        """hash: group (`audit.py`) -> its record, at most 10,000; while the group has a ledger; record.lua, worker."""
        return f"{self.prefix}:audit:groups"

    def ledger(self, group: str) -> str:
        """hash: fields of `audit/ledger.py` -> sums, and `since`: requests since the last decision; 41 days after the
        last one; record.lua, decide.lua, settle_label.lua."""
        return f"{self.prefix}:audit:ledger:{group}"

    def policy(self, group: str) -> str:
        """string: the group's policy (`audit/policy.py`); 41 days after the last request;
        decide.lua, record.lua."""
        return f"{self.prefix}:audit:policy:{group}"

    def records(self, group: str) -> str:
        """stream of `record` (`audit.py`), what a scorer learns from: about 8,000, 41 days after the last one;
        record.lua, settle_label.lua."""
        return f"{self.prefix}:audit:records:{group}"

    @property
    def labels(self) -> str:
        """stream of `label` (`audit.py`): about 10,000, 41 days after the last one;
        record.lua, settle_label.lua."""
        return f"{self.prefix}:audit:labels"

    @property
    def waiting(self) -> str:
        """hash: id of a match that waits for a person's verdict -> its label; at most 10,000, any make room; 41 days
        after the last label; record.lua, settle_label.lua."""
        return f"{self.prefix}:audit:waiting"

    @property
    def people(self) -> str:
        """hash: id of a match -> a person's verdict, `right` or `wrong`; at most 100,000, any make room;
        settle_label.lua."""
        return f"{self.prefix}:audit:people"

    def matches(self, hour: int | str) -> str:
        """hash: id of a match -> its record (`matches.py`), the least similar ones of this hour (Unix hours), at most
        `MATCHES_KEPT`; 25 hours; keep_matches.lua."""
        return f"{self.prefix}:audit:matches:{hour}"

    def nearness(self, hour: int | str) -> str:
        """sorted set: id of a match in `matches` -> its similarity; 25 hours; keep_matches.lua."""
        return f"{self.prefix}:audit:nearness:{hour}"

    @property
    def due(self) -> str:
        """sorted set: group that needs a decision -> since when (Unix s); record.lua, decide.lua."""
        return f"{self.prefix}:audit:due"

    def deciding(self, group: str) -> str:
        """string: a worker is deciding about the group ('': about any), or has just learnt from it; 15 s, renewed, then
        up to a minute; worker."""
        return f"{self.prefix}:audit:deciding:{group}"

    def seen(self, hour: int | str) -> str:
        """hash: `group|name` -> sum of this hour (Unix hours), names as in `audit/rate.py`, and
        `unknown`: the weights of matches that could not be judged; 41 days; record.lua."""
        return f"{self.prefix}:audit:seen:{hour}"

    @property
    def estimates(self) -> str:
        """string: how many answers were wrong (`wrong_rates.py`); ten minutes; upkeep."""
        return f"{self.prefix}:audit:estimates"

    @property
    def verdicts(self) -> str:
        """hash: digest of a question and two answers -> the judge's verdict, `same` or `different`; at most 100,000,
        any make room; 41 days; settle_judging.lua."""
        return f"{self.prefix}:audit:verdicts"

    @property
    def gate(self) -> str:
        """hash: digest of two questions and the epochs -> whether the judge lets the answer to one serve the other,
        `same` or `different`; at most 100,000, any make room; 41 days after the last one; settle_judging.lua."""
        return f"{self.prefix}:audit:gate"

    @property
    def agreement(self) -> str:
        """hash: `judge's verdict:person's verdict` -> how often both gave these verdicts on a match; for ever;
        settle_label.lua."""
        return f"{self.prefix}:audit:agreement"

    def judge(self, day: int | str) -> str:
        """hash of this day (Unix days): `calls`, `pairs`, `tokens_in`, `tokens_out`, `cost` (money, including calls in
        flight); 41 days; reserve_judging.lua, settle_judging.lua."""
        return f"{self.prefix}:audit:judge:{day}"
