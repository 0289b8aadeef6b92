"""Reports to Redis which snapshots of a model have answered: the first of each at once, then once a second."""

import time
from collections.abc import Callable
from dataclasses import dataclass

PERIOD = 1.0
"""Seconds between reports. A killed worker loses those since its last one."""
AT_ONCE = 16
"""Maximum consecutive answers counted; fewer are enough to decide whether a snapshot stays."""


@dataclass(slots=True)
class Run:
    snapshot: str
    answers: int = 0
    untold: int = 0
    told_at: float = 0.0


class SnapshotRuns:
    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._runs: dict[str, Run] = {}

    def answered(self, model: str, snapshot: str) -> str:
        """The report for store_entries.lua, or ''."""
        run, told = self._runs.get(model), ""
        if run is None or run.snapshot != snapshot:
            told = f"{run.untold} {run.snapshot}\n" if run is not None and run.untold else ""
            run = self._runs[model] = Run(snapshot)
        now = self._clock()
        run.answers += 1
        run.untold += 1
        if run.answers > AT_ONCE and now < run.told_at + PERIOD:
            return ""
        told += f"{run.untold} {snapshot}"
        run.untold, run.told_at = 0, now
        return told
