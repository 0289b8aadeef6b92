"""`askonce-worker check --live | --ready`: one line, and exit code 0 or 1, for the probes of an orchestrator.

It reads the signs of life of this machine's workers (`heartbeat.py`), and asks no server: it is as quick when Redis is
away, and needs no password. live: a worker that is not should be restarted. ready: it claims jobs, its Redis answers,
and no part of it fails again and again.
"""

import os
import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from askonce_worker.process.heartbeat import Beat

STALE = 10.0
"""Seconds without a sign of life."""
OPTIONS = ("--live", "--ready")


def is_probe(arguments: Sequence[str]) -> bool:
    """Whether these are the arguments of a probe, which must not import what takes long."""
    return len(arguments) == 2 and arguments[0] == "check" and arguments[1] in OPTIONS


def probe(*, ready: bool) -> int:
    """Prints the line. Returns the exit code."""
    prefix = os.environ.get("ASKONCE_KEY_PREFIX") or "askonce"
    wrong, line = _verdict(prefix, os.environ.get("ASKONCE_REDIS_URL") or None, ready=ready)
    word = "ready" if ready else "live"
    sys.stdout.write(f"{'not ' * wrong}{word}: {line}\n")
    return int(wrong)


def _verdict(prefix: str, redis_url: str | None, *, ready: bool) -> tuple[bool, str]:
    if sys.platform == "win32":
        return True, "there are no probes on Windows"
    from askonce_worker.process.heartbeat import beats, directory, installation  # noqa: PLC0415 - it needs file locks

    try:
        found = beats(installation(prefix, redis_url))
    except OSError as error:
        return True, f"the workers' signs of life cannot be read ({type(error).__name__}): mount a tmpfs at /dev/shm"
    if not found:
        return True, f"no worker of {prefix} runs here as this user (looked in {directory()})"
    wrong = [line for beat in found if (line := _objection(beat, ready=ready)) is not None]
    if wrong:
        return True, wrong[0]
    oldest = max(beat.age for beat in found)
    return False, f"{len(found)} worker{'s' * (len(found) != 1)}, last sign of life {oldest:.1f} s ago"


def _objection(beat: "Beat", *, ready: bool) -> str | None:
    if not 0 <= beat.age < STALE:
        return f"no sign of life from {beat.worker} for {beat.age:.0f} s"
    if ready and not beat.redis:
        return f"Redis does not answer {beat.worker}"
    if ready and not beat.claims:
        return f"{beat.worker} claims no jobs: it starts, or it stops"
    if ready and beat.failing:
        return f"{beat.worker} fails again and again: {beat.failing} (see its log)"
    return None
