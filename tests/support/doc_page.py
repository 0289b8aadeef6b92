"""Runs blocks of a page in their order, as a reader does: shell in bash, Python in one namespace with one event loop.

`python -m support.doc_page` reads [[language, place, text], …] and prints [[what it printed, exit code], …], as JSON.
It stops behind the first block that fails.
"""

import ast
import asyncio
import contextlib
import inspect
import io
import json
import subprocess
import sys
import traceback
import types
from pathlib import Path

SHELL = Path(__file__).with_name("doc_shell.sh")


async def run(blocks):
    ran, names = [], {"__name__": "__main__"}
    for language, place, text in blocks:
        ran.append(await (python(text, place, names) if language == "python" else asyncio.to_thread(shell, text)))
        if ran[-1][1]:
            break
    return ran


def shell(text):
    script = f". {SHELL}\n{text}"
    done = subprocess.run(
        ["bash", "-eo", "pipefail", "-c", script],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    return done.stdout, done.returncode


async def python(text, place, names):
    """What awaits something runs in the loop; what does not may have a loop of its own, as `asyncio.run` has."""
    code = compile(text, place, "exec", flags=ast.PyCF_ALLOW_TOP_LEVEL_AWAIT)
    with contextlib.redirect_stdout(io.StringIO()) as out:
        try:
            if code.co_flags & inspect.CO_COROUTINE:
                await types.FunctionType(code, names)()
            else:
                await asyncio.to_thread(exec, code, names)
        except Exception:
            traceback.print_exc(file=out)
            return out.getvalue(), 1
    return out.getvalue(), 0


if __name__ == "__main__":
    json.dump(asyncio.run(run(json.load(sys.stdin))), sys.stdout)
