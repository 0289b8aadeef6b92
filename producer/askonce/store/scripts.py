"""Lua scripts: one file and one operation each, loaded once, run by their digest.

redis-py's own `register_script` asks before every pipeline whether the script is still there: a round trip each time.
"""

import hashlib
import re
from functools import cache
from importlib.resources import files
from typing import Any

from redis.exceptions import NoScriptError

USES = re.compile(r"^-- Uses: ([\w.]+)$", re.MULTILINE)
"""A line in a script that names a file to load before it: in its own package, in `askonce`, or `PACKAGE.NAME`."""


class Script:
    """`lua/NAME.lua` in a package. It is read at once: a later release may be installed under a running process."""

    def __init__(self, package: str, name: str) -> None:
        own = _text(package, name)
        first, _, rest = own.partition("\n")
        flags, own = (f"{first}\n", rest) if first.startswith("#!") else ("", own)
        self.source = "".join([flags, *(_used(package, used) for used in USES.findall(own)), own])
        self.sha = hashlib.sha1(self.source.encode(), usedforsecurity=False).hexdigest()

    async def __call__(self, redis: Any, keys: list[str], args: list[Any]) -> Any:
        """Runs it, and loads it where Redis does not know it: after a restart, a failover or a flush."""
        try:
            return await redis.evalsha(self.sha, len(keys), *keys, *args)
        except NoScriptError:
            return await redis.eval(self.source, len(keys), *keys, *args)


def _used(package: str, name: str) -> str:
    named, _, short = name.rpartition(".")
    if named:
        return _text(named, short)
    try:
        return _text(package, name)
    except FileNotFoundError:
        return _text("askonce", name)


@cache
def _text(package: str, name: str) -> str:
    return files(package).joinpath("lua", f"{name}.lua").read_text("utf-8")


async def load(redis: Any, *scripts: Script) -> None:
    """For scripts that run in a pipeline, where a missing one cannot be loaded on the way."""
    pipe = redis.pipeline(transaction=False)
    for script in scripts:
        pipe.script_load(script.source)
    await pipe.execute()
