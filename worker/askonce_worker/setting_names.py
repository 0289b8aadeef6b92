"""Names in the environment that look like settings and are none."""

import difflib
import os
from collections.abc import Mapping

from askonce_worker.settings import PREFIX, Settings

FRONT_DOOR = f"{PREFIX}SERVE_"
"""Settings of `askonce serve`, which may have the same environment."""


def unknown_settings(environ: Mapping[str, str] = os.environ) -> list[tuple[str, str | None]]:
    """Names that look like settings and are none, each with the nearest that is one."""
    known = {PREFIX + name.upper() for name in Settings.model_fields}
    strangers = sorted(name for name in environ if name.startswith(PREFIX) and name not in known)
    strangers = [name for name in strangers if not name.startswith(FRONT_DOOR)]
    return [(name, next(iter(difflib.get_close_matches(name, known, 1, 0.8)), None)) for name in strangers]
