"""A supervisor and its workers, which here only write down that they live."""

import asyncio
import os
import signal
import sys

import pytest
import structlog.testing

from askonce_worker.process.supervisor import Supervisor
from support.worker_process import until

CHILD = """
import os, pathlib, signal, sys, time
from askonce_worker.process.parent_watch import end_with_parent
if len(sys.argv) > 2:
    sys.exit(int(sys.argv[2]))
end_with_parent()
signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
pathlib.Path(sys.argv[1], str(os.getpid())).write_text(os.environ["ASKONCE_PROCESS_INDEX"])
while True:
    time.sleep(0.05)
"""
SUPERVISOR = """
import asyncio, sys
from askonce_worker.process.supervisor import Supervisor
sys.exit(asyncio.run(Supervisor(2, [sys.executable, *sys.argv[1:]], first_pause=0.1).run()))
"""


@pytest.fixture
async def start(tmp_path):
    started = []

    async def supervisor(*arguments):
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-c", SUPERVISOR, "-c", CHILD, str(tmp_path), *arguments,
            stdin=asyncio.subprocess.DEVNULL, stdout=asyncio.subprocess.DEVNULL,
        )  # fmt: skip
        started.append(process)
        return process

    yield supervisor
    for process in started:
        if process.returncode is None:
            process.kill()
            await process.wait()


@pytest.fixture
def living(tmp_path):
    async def pids():
        return {int(path.name): path.read_text() for path in tmp_path.iterdir() if _alive(int(path.name))}

    return pids


def _alive(pid):
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


async def _two(living):
    found = await living()
    return found if sorted(found.values()) == ["0", "1"] else None


async def _none(living):
    return not await living()


async def test_a_worker_that_dies_is_replaced_under_its_index(start, living):
    await start()
    first = await until(lambda: _two(living))
    victim = next(iter(first))
    os.kill(victim, signal.SIGKILL)

    async def replaced():
        found = await _two(living)
        return found if found and victim not in found else None

    second = await until(replaced)
    assert len(set(first) & set(second)) == 1


async def test_a_worker_that_can_not_be_started_is_started_later(tmp_path):
    command, ran = tmp_path / "worker", tmp_path / "ran"
    supervisor = Supervisor(1, [str(command)], first_pause=0.05)
    with structlog.testing.capture_logs() as logs:
        running = asyncio.create_task(supervisor.run())

        async def failed():
            assert not running.done()
            return [entry for entry in logs if entry["event"] == "worker.not_started"]

        await until(failed)
        command.write_text(f"#!/bin/sh\ntouch {ran}\nexec sleep 60\n")
        command.chmod(0o755)
        await until(lambda: asyncio.to_thread(ran.exists))
        os.kill(os.getpid(), signal.SIGTERM)
        assert await asyncio.wait_for(running, 10) == 0


async def test_sigterm_ends_all_workers_and_then_the_supervisor(start, living):
    supervisor = await start()
    await until(lambda: _two(living))
    supervisor.terminate()
    assert await asyncio.wait_for(supervisor.wait(), 10) == 0
    assert await _none(living)


async def test_workers_end_with_a_supervisor_that_is_killed(start, living):
    supervisor = await start()
    await until(lambda: _two(living))
    supervisor.kill()
    await until(lambda: _none(living))


async def test_wrong_settings_end_the_supervisor_with_their_exit_code(start):
    supervisor = await start("2")
    assert await asyncio.wait_for(supervisor.wait(), 20) == 2
