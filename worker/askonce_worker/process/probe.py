"""`askonce-worker check --live | --ready`: one line, and exit code 0 or 1, for the probes of an orchestrator.

It reads the heartbeats of this machine's workers (`heartbeat.py`) and contacts no server, so it needs no password and
is just as fast when Redis is down.

live: every worker has a recent heartbeat. One without should be restarted.
ready: every worker also claims jobs, reaches Redis, and has no part that keeps failing.
"""

import os
import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from askonce_worker.process.heartbeat import Beat

STALE = 10.0
"""Seconds without a heartbeat."""
OPTIONS = ("--live", "--ready")


def is_probe(arguments: Sequence[str]) -> bool:
    """Whether these are the arguments of a probe, which must start without slow imports."""
    return len(arguments) == 2 and arguments[0] == "check" and arguments[1] in OPTIONS


def probe(*, ready: bool) -> int:
    """Print the line and return the exit code."""
    prefix = os.environ.get("ASKONCE_KEY_PREFIX") or "askonce"
    wrong, line = _verdict(prefix, os.environ.get("ASKONCE_REDIS_URL") or None, ready=ready)
    state = "ready" if ready else "live"
    sys.stdout.write(f"{'not ' * wrong}{state}: {line}\n")
    return int(wrong)


def _verdict(prefix: str, redis_url: str | None, *, ready: bool) -> tuple[bool, str]:
    if sys.platform == "win32":
        return True, "there are no probes on Windows"
    from askonce_worker.process.heartbeat import beats, directory, installation  # noqa: PLC0415 - it needs file locks

    try:
        found = beats(installation(prefix, redis_url))
    except OSError as error:
        return True, f"the workers' heartbeats cannot be read ({type(error).__name__}): mount a tmpfs at /dev/shm"
    if not found:
        return True, f"no worker of {prefix} runs here as this user (looked in {directory()})"
    wrong = [line for beat in found if (line := _objection(beat, ready=ready)) is not None]
    if wrong:
        return True, wrong[0]
    oldest = max(beat.age for beat in found)
    return False, f"{len(found)} worker{'s' * (len(found) != 1)}, last heartbeat {oldest:.1f} s ago"


def _objection(beat: "Beat", *, ready: bool) -> str | None:
    if not 0 <= beat.age < STALE:
        return f"no heartbeat from {beat.worker} for {beat.age:.0f} s"
    if ready and not beat.redis:
        return f"Redis does not answer {beat.worker}"
    if ready and not beat.claims:
        return f"{beat.worker} claims no jobs: it is starting or stopping"
    if ready and beat.failing:
        return f"parts of {beat.worker} keep failing: {beat.failing} (see its log)"
    return None
