"""Lua scripts: one file and one operation each, loaded once, run by their digest.

redis-py's own `register_script` asks before every pipeline whether the script is still there: a round trip each time.
"""

import hashlib
import re
from functools import cached_property
from importlib.resources import files
from typing import Any

from redis.exceptions import NoScriptError

USES = re.compile(r"^-- Uses: ([\w.]+)$", re.MULTILINE)
"""A line of a script that names a file to load in front of it: of its own package, of `askonce`, or `PACKAGE.NAME`."""


class Script:
    """`lua/NAME.lua` in a package."""

    def __init__(self, package: str, name: str) -> None:
        self._package = package
        self._name = name

    @cached_property
    def source(self) -> str:
        own = _text(self._package, self._name)
        first, _, rest = own.partition("\n")
        flags, own = (f"{first}\n", rest) if first.startswith("#!") else ("", own)
        return "".join([flags, *(self._used(name) for name in USES.findall(own)), own])

    def _used(self, name: str) -> str:
        package, _, short = name.rpartition(".")
        if package:
            return _text(package, short)
        try:
            return _text(self._package, name)
        except FileNotFoundError:
            return _text("askonce", name)

    @cached_property
    def sha(self) -> str:
        return hashlib.sha1(self.source.encode(), usedforsecurity=False).hexdigest()

    async def __call__(self, redis: Any, keys: list[str], args: list[Any]) -> Any:
        """Runs it, and loads it where Redis does not know it: after a restart, a failover or a flush."""
        try:
            return await redis.evalsha(self.sha, len(keys), *keys, *args)
        except NoScriptError:
            return await redis.eval(self.source, len(keys), *keys, *args)


def _text(package: str, name: str) -> str:
    return files(package).joinpath("lua", f"{name}.lua").read_text("utf-8")


async def load(redis: Any, *scripts: Script) -> None:
    """For scripts that run in a pipeline, where a missing one cannot be loaded on the way."""
    pipe = redis.pipeline(transaction=False)
    for script in scripts:
        pipe.script_load(script.source)
    await pipe.execute()
