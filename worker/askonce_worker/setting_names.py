"""Environment variables that look like settings but are not."""

import difflib
import os
from collections.abc import Mapping

from askonce_worker.settings import PREFIX, Settings

FRONT_DOOR = f"{PREFIX}SERVE_"
"""Settings of `askonce serve`, which may share the environment."""


def unknown_settings(environ: Mapping[str, str] = os.environ) -> list[tuple[str, str | None]]:
    """The names that look like settings but are not, each with the most similar setting."""
    known = {PREFIX + name.upper() for name in Settings.model_fields}
    strangers = sorted(name for name in environ if name.startswith(PREFIX) and name not in known)
    strangers = [name for name in strangers if not name.startswith(FRONT_DOOR)]
    return [(name, next(iter(difflib.get_close_matches(name, known, 1, 0.8)), None)) for name in strangers]
