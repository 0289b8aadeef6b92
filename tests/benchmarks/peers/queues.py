"""One round of a queue library: jobs that do nothing by one worker, and single jobs from enqueuing to the result."""

import secrets
from pathlib import Path
from statistics import median
from typing import Any

from peers.process import Process


async def queue_round(
    name: str, environment: str, directory: Path, options: dict[str, Any], jobs: int, trips: int
) -> dict[str, Any]:
    """The jobs wait before the worker starts; the round trips go to the same worker, one at a time."""
    script, log = f"jobs_{name}", directory / f"jobs_{name}.log"
    options = {"queue": f"jobs-{secrets.token_hex(4)}", **options}
    client = await Process.start(environment, script, log, **options)
    try:
        versions = (await client.said())["versions"]
        await client.order(enqueue=jobs)
        worker = await Process.start(environment, script, log, jobs=jobs, **options)
        try:
            per_second = (await worker.said())["per_second"]
            ms = (await client.order(round_trips=trips))["ms"]
        finally:
            await worker.stop()
    finally:
        await client.stop()
    return {"versions": versions, "jobs": jobs, "per_second": round(per_second, 1), "p50_ms": round(median(ms), 3)}
