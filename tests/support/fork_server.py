"""The process that `support.forked` has fork others: `python -m support.fork_server SOCKET`, an inherited descriptor.

It imports what takes long, and then takes orders, each a line of JSON with one in reply. To start: the module, its
arguments, the environment, the directory, the files for its output and its errors; the reply is a process id. To look
after one that was started: its id; the reply is its exit code, or null while it runs.
"""

import contextlib
import gc
import importlib
import json
import os
import runpy
import signal
import socket
import sys
from typing import Any

from askonce_worker.matching.guard import languages
from askonce_worker.rest_free import load_qdrant_without_rest

SLOW = (
    "askonce.prices.list_prices", "askonce.serve.app", "askonce.serve.server", "askonce_worker.cli",
    "askonce_worker.process.service", "genai_prices.data", "httpcore2", "opentelemetry.trace", "uvloop",
)  # fmt: skip
"""What workers and front doors import. Not all of it is installed everywhere."""


def load() -> None:
    load_qdrant_without_rest()
    for name in SLOW:
        with contextlib.suppress(ImportError):
            importlib.import_module(name)
    languages.load()
    gc.collect()
    gc.freeze()


def fork_as_told(link: socket.socket) -> dict[str, Any] | None:
    """Returns in each forked process, with its order; and None once nobody gives orders any more."""
    interrupted = signal.signal(signal.SIGINT, signal.SIG_IGN)
    for line in link.makefile("rb"):
        order = json.loads(line)
        if "ended" in order:
            reply = code_of(order["ended"])
        else:
            reply = os.fork()
            if reply == 0:
                signal.signal(signal.SIGINT, interrupted)
                os.close(link.fileno())
                return dict(order)
        link.sendall(json.dumps(reply).encode() + b"\n")
    return None


def code_of(pid: int) -> int | None:
    found, status = os.waitpid(pid, os.WNOHANG)
    return os.waitstatus_to_exitcode(status) if found else None


def become(order: dict[str, Any]) -> None:
    os.environ.clear()
    os.environ.update(order["environment"])
    os.chdir(order["directory"])
    for number, path in ((1, order["output"]), (2, order["errors"])):
        if path is not None:
            file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)
            os.dup2(file, number)
            os.close(file)
    sys.argv = [order["module"], *order["arguments"]]
    runpy.run_module(order["module"], run_name="__main__", alter_sys=True)


if __name__ == "__main__":
    load()
    told = fork_as_told(socket.socket(fileno=int(sys.argv[1])))
    if told is not None:
        become(told)
