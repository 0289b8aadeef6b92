"""`askonce batch` killed between two steps of a save: a process of its own, and a real SIGKILL."""

import asyncio
import signal
import subprocess
import sys

import orjson
import pytest

RUN = """
import asyncio, os, signal, sys
from askonce.cli import COMMANDS
from askonce.commands.parser import command_parser, parsed
from askonce.testing import FakeClient

def die(step):
    def killed(*arguments):
        step(*arguments)
        os.kill(os.getpid(), signal.SIGKILL)
    return killed

KILLS = {
    "after the output is written": lambda: setattr(os, "write", die(os.write)),
    "after the output is on disk": lambda: setattr(os, "fsync", die(os.fsync)),
    "never": lambda: None,
}

async def main(kill, arguments):
    args = parsed(command_parser(COMMANDS), ["batch", *arguments])
    async with FakeClient() as client:
        KILLS[kill]()
        code = await args.run(client, args)
        print("asked", len(client.asked))
        return code

try:
    sys.exit(asyncio.run(main(sys.argv[1], sys.argv[2:])))
except ValueError as error:
    sys.exit(f"refused: {error}")
"""
LINES = b"".join(orjson.dumps({"id": f"p{i}", "question": f"Piped {i}"}) + b"\n" for i in range(20))


@pytest.fixture
def run(tmp_path, monkeypatch):
    monkeypatch.setenv("ASKONCE_MODEL", "fake")

    async def run(kill, given):
        command = [sys.executable, "-c", RUN, kill, "-", "out.jsonl", "--template", "none"]
        return await asyncio.to_thread(
            subprocess.run, command, input=given, cwd=tmp_path, capture_output=True, timeout=60
        )

    return run


@pytest.mark.parametrize("kill", ["after the output is written", "after the output is on disk"])
async def test_lines_on_disk_are_compared_with_the_input_that_they_came_from(run, tmp_path, kill):
    killed = await run(kill, LINES)
    assert killed.returncode == -signal.SIGKILL
    assert (tmp_path / "out.jsonl").read_bytes().count(b"\n") == 20
    changed = await run("never", LINES.replace(b"Piped 0", b"Other 0"))
    assert b"differs from the last run" in changed.stderr
    done = await run("never", LINES)
    assert (done.returncode, done.stdout.splitlines()[-1]) == (0, b"asked 0"), done.stderr
