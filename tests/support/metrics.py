"""What a worker's metrics port says."""

import asyncio
import socket
import urllib.request
from collections.abc import Mapping

from prometheus_client.parser import text_string_to_metric_families


def free_ports(count: int = 1) -> int:
    """The first of so many ports in a row that nobody has."""
    while True:
        with socket.socket() as first:
            first.bind(("", 0))
            port: int = first.getsockname()[1]
        try:
            for number in range(port, port + count):
                with socket.socket() as one:
                    one.bind(("", number))
        except (OSError, OverflowError):
            continue
        return port


class Scraped:
    def __init__(self, text: str) -> None:
        self.samples = [sample for family in text_string_to_metric_families(text) for sample in family.samples]

    @property
    def names(self) -> set[str]:
        return {sample.name for sample in self.samples}

    def sum(self, name: str, **labels: str) -> float:
        """Over all samples with these labels; 0 where there is none."""
        wanted = labels.items()
        return sum(s.value for s in self.samples if s.name == name and wanted <= s.labels.items())

    def by(self, name: str, *labels: str) -> dict[tuple[str, ...], float]:
        """The values that are not 0."""
        found = (sample for sample in self.samples if sample.name == name and sample.value)
        return {tuple(sample.labels[label] for label in labels): sample.value for sample in found}


async def scrape(settings: Mapping[str, object], index: int = 0) -> Scraped:
    """index: of the process."""
    url = f"http://127.0.0.1:{int(str(settings['ASKONCE_METRICS_PORT'])) + index}/metrics"

    def get() -> str:
        with urllib.request.urlopen(url, timeout=60) as reply:
            return str(reply.read().decode())

    return Scraped(await asyncio.to_thread(get))
