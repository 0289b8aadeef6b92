"""The settings of the front door, from environment variables `ASKONCE_SERVE_…`, which its processes share."""

import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from askonce.question_checks import MAX_TTL
from askonce.serve.doorman import is_loopback
from askonce.settings import flag, number, printable, tidied, url

PREFIX = "ASKONCE_SERVE_"
OPENAI = "https://api.openai.com/v1"


@dataclass(frozen=True, slots=True)
class ServeSettings:
    """namespace: for questions that name none. timeout: seconds that a request waits for its answer. keep_alive:
    maximum seconds of silence in a stream. open: without keys, whether other machines may ask too. base_url, api_key:
    the provider's. prices: path of a price file.

    files: store of the Batch API's files, a directory or `s3://bucket/prefix`. file_bytes, file_lines: maximum per
    file. file_lifetime: seconds. batches: maximum that a process runs at once; 0 leaves them to other servers.
    most_files, open_batches: maximum per namespace.
    """

    host: str = "127.0.0.1"
    port: int = 8080
    namespace: str = "default"
    processes: int = 1
    timeout: float = 600.0
    keep_alive: float = 20.0
    open: bool = False
    files: str | None = None
    file_bytes: int = 209_715_200
    file_lines: int = 50_000
    file_lifetime: int = 2_592_000
    batches: int = 2
    most_files: int = 10_000
    open_batches: int = 100
    base_url: str = OPENAI
    api_key: str | None = field(default=None, repr=False)
    prices: str | None = None

    @property
    def anonymous(self) -> bool:
        return self.open or is_loopback(self.host)


def serve_settings(environ: Mapping[str, str] = os.environ) -> ServeSettings:
    """Raises ValueError."""
    values: dict[str, Any] = {}
    for name, (variable, check) in VARIABLES.items():
        given = tidied(environ.get(variable, ""))
        if given:
            values[name] = check(variable, given)
    return ServeSettings(**values)


VARIABLES: dict[str, tuple[str, Callable[[str, Any], Any]]] = {
    "host": (f"{PREFIX}HOST", printable),
    "port": (f"{PREFIX}PORT", number(int, 0, 65535)),
    "namespace": (f"{PREFIX}NAMESPACE", printable),
    "processes": (f"{PREFIX}PROCESSES", number(int, 1, 256)),
    "timeout": (f"{PREFIX}TIMEOUT", number(float, 1, 86_400)),
    "keep_alive": (f"{PREFIX}KEEP_ALIVE", number(float, 0.1, 86_400)),
    "open": (f"{PREFIX}OPEN", flag),
    "files": (f"{PREFIX}FILES", printable),
    "file_bytes": (f"{PREFIX}FILE_BYTES", number(int, 1, 10**12)),
    "file_lines": (f"{PREFIX}FILE_LINES", number(int, 1, 10**7)),
    "file_lifetime": (f"{PREFIX}FILE_LIFETIME", number(int, 60, MAX_TTL)),
    "batches": (f"{PREFIX}BATCHES", number(int, 0, 64)),
    "most_files": (f"{PREFIX}MOST_FILES", number(int, 1, 10**7)),
    "open_batches": (f"{PREFIX}OPEN_BATCHES", number(int, 1, 10**6)),
    "base_url": ("OPENAI_BASE_URL", url),
    "api_key": ("OPENAI_API_KEY", url),
    "prices": ("ASKONCE_PRICES", printable),
}
