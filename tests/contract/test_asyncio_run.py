"""One client in one `asyncio.run` after another, as scripts and schedulers use it, without ever closing it."""

import asyncio
import sys
import textwrap

import pytest

from support.services import MODEL, RealService


@pytest.fixture
async def service(valkey_url, prefix):
    async with RealService(valkey_url, prefix) as service:
        yield service


async def run(program, *arguments):
    """Its lines of output. It must end by itself, and have nothing to complain about."""
    # asyncio's debug mode warns of what a busy machine does slowly; its errors count.
    program = f"import logging\nlogging.getLogger('asyncio').setLevel('ERROR')\n{textwrap.dedent(program)}"
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-X", "dev", "-c", program, *arguments,
        stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE,
    )  # fmt: skip
    try:
        output, errors = await asyncio.wait_for(process.communicate(), 300)
    except TimeoutError:
        process.kill()
        await process.wait()
        raise
    # In this mode asyncio also names each callback that took long, as any does on a busy machine.
    assert [line for line in errors.decode().splitlines() if not line.startswith("Executing ")] == []
    assert process.returncode == 0
    return output.decode().split()


@pytest.mark.timeout(350)
async def test_asyncio_run_ends_after_a_miss(service):
    program = """
        import asyncio, sys
        from askonce import Client

        print(asyncio.run(Client(sys.argv[1], key_prefix=sys.argv[2], model=sys.argv[3]).ask(sys.argv[4])).source)
    """
    for n in range(5):
        assert await run(program, service.url, service.prefix, MODEL, f"q{n}") == ["llm"]


@pytest.mark.timeout(350)
async def test_150_loops_over_one_client_leave_no_connection_open(service):
    program = """
        import asyncio, gc, os, sys
        from askonce import Client

        client = Client(sys.argv[1], key_prefix=sys.argv[2], model=sys.argv[3])

        def use(n):
            asyncio.run(client.ask(f"q{n}"))
            asyncio.run(client.ask(f"q{n}"))
            gc.collect()
            return len(os.listdir("/proc/self/fd"))

        first = use(0)
        print(max(use(n) for n in range(1, 75)) - first)
    """
    assert await run(program, service.url, service.prefix, MODEL) == ["0"]
