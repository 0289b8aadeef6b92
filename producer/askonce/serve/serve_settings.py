"""The settings of the front door, from environment variables `ASKONCE_SERVE_…`: its processes share them."""

import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from askonce.serve.doorman import is_loopback
from askonce.settings import flag, number, printable, tidied, url

PREFIX = "ASKONCE_SERVE_"
OPENAI = "https://api.openai.com/v1"


@dataclass(frozen=True, slots=True)
class ServeSettings:
    """namespace: of questions that name none. timeout: seconds for which a request waits for its answer. open: without
    keys, anybody may ask, not only who is on this machine. base_url, api_key: the provider's. prices: in a file."""

    host: str = "127.0.0.1"
    port: int = 8080
    namespace: str = "default"
    processes: int = 1
    timeout: float = 600.0
    open: bool = False
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
    "open": (f"{PREFIX}OPEN", flag),
    "base_url": ("OPENAI_BASE_URL", url),
    "api_key": ("OPENAI_API_KEY", url),
    "prices": ("ASKONCE_PRICES", printable),
}
