"""What every test may ask for: real servers, started once a run, and a key prefix of its own."""

import contextlib
import secrets
import signal
import sys

import pytest

from support.batch_command import batch_settings  # noqa: F401
from support.batch_runs import files  # noqa: F401
from support.llm_fixtures import llm_process, llm_server, own_llm_server  # noqa: F401
from support.redis_fixtures import keys, redis  # noqa: F401
from support.stack_fixtures import embedded_qdrant_url, graph_qdrant_url, qdrant_url, valkey_url  # noqa: F401
from support.starting import Starts

# A shell starts what it puts into the background with Ctrl-C ignored, and commands under test would inherit that.
signal.signal(signal.SIGINT, signal.default_int_handler)

Starts.forked = sys.platform == "linux"

with contextlib.suppress(ImportError):  # the client's tests also run where the worker's dependencies are not installed
    import structlog

    # Its default is standard output, which belongs to the commands under test.
    structlog.configure(logger_factory=structlog.PrintLoggerFactory(sys.stderr))


@pytest.fixture
def prefix() -> str:
    return f"test-{secrets.token_hex(4)}"
