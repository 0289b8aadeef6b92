"""The script by which answers leave a worker, as the publisher calls it."""

from askonce.store.scripts import Script
from askonce_worker.queue.job_keys import JOB_PREFIXES, ending_keys

DELIVER = Script("askonce_worker.cache", "deliver")


async def deliver(redis, keys, *, stored=(), settled=(), published=(), tally=("", ""), result_ms=60_000, vectors=0):
    """What became of what was stored, settled and published. Raises the first error of a part."""
    names = [keys.stats("fresh"), keys.epochs, keys.touched, keys.outbox, keys.expiries, keys.snapshot_runs]
    stored = [keys.entry(""), vectors, "1", *stored] if stored else []
    head = [f"{keys.prefix}:result:", keys.answered(""), result_ms, *tally, *JOB_PREFIXES, 0]
    args = [len(stored), len(settled), *stored, *settled, *head, *published]
    parts = await DELIVER(redis, [*names, *ending_keys(keys)], args)
    for part in parts:
        if isinstance(part, Exception):
            raise part
    return parts
