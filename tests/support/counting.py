"""The counters of an installation, as they are when what was published is counted."""

from askonce.store.scripts import Script


async def counters(redis, keys):
    """All of them, by `name|namespace|model`."""
    names = [keys.stats("fresh"), keys.stats("total"), keys.touched]
    await Script("askonce", "count_fresh")(redis, names, [keys.stats("hour:"), keys.tally("")])
    return await redis.hgetall(keys.stats("total"))
