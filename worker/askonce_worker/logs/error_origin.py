"""An exception's origin, for a log line. Its message and traceback may quote a prompt; this does not."""

import traceback
from pathlib import Path


def place(error: BaseException) -> str:
    """`file.py:12`, the innermost frame."""
    frames = traceback.extract_tb(error.__traceback__)
    return f"{Path(frames[-1].filename).name}:{frames[-1].lineno}" if frames else "?"


def places(error: BaseException) -> str:
    """All frames, the outermost first: `service.py:40 > assemble.py:9`. Of a group, those of its first exception."""
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    frames = traceback.extract_tb(error.__traceback__)
    return " > ".join(f"{Path(frame.filename).name}:{frame.lineno}" for frame in frames) or "?"
