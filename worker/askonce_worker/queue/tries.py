"""How often a job is tried, and what happens then. Pure: no I/O, no clock."""

from enum import Enum

SUSPECT_AFTER = 2
"""Lapses after which a job is a suspect and runs in a separate process. The scripts contain this number too."""
SUSPECTS = "suspects-"
"""Name prefix of workers that only run suspects."""
SPLIT_AFTER = 3
"""Lapses, or failures, after which the questions of a job are tried one by one."""
LONGEST_PAUSE_MS = 30_000
CRASHED = "crashed"
"""The cause of a job that is given up because its workers died."""


class TryDecision(Enum):
    TRY = "try"
    SPLIT = "split"
    BURY = "bury"


def decide(*, lapses: int, failures: int, questions: int, max_tries: int) -> TryDecision:
    """What to do with a job after this many lapses and failures. One with several questions is never given up as a
    whole."""
    exhausted = lapses + failures >= max_tries
    if questions > 1 and (exhausted or max(lapses, failures) >= SPLIT_AFTER):
        return TryDecision.SPLIT
    return TryDecision.BURY if exhausted else TryDecision.TRY


def inherited(*, lapses: int, failures: int, max_tries: int) -> tuple[int, int]:
    """The initial lapses and failures of a split job's parts: each gets at least one more try, and still runs alone."""
    lapses = min(lapses, SUSPECT_AFTER, max_tries - 1)
    return lapses, min(failures, SUSPECT_AFTER, max_tries - 1 - lapses)


def pause_ms(failures: int) -> int:
    """Pause before the next try: 1, 2, 4 … seconds, at most 30."""
    return int(min(LONGEST_PAUSE_MS, 1000 * 2 ** max(0, failures - 1)))
