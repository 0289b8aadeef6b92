"""One line of what `askonce-worker check` prints."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Finding:
    """advice: what to do if something is wrong."""

    part: str
    configured: str
    state: str
    ok: bool
    advice: str = ""
