"""The image without a container engine: the Dockerfile's own steps and commands, on a tree its user cannot change."""

import asyncio
import json
import os
import shlex
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import httpx
import pytest
from redis.asyncio import Redis

from askonce.contract.keys import Keys
from support.asking import client_for, settings_for
from support.deployment import DEPLOY, image_steps
from support.worker_process import until

HOME = "/opt/askonce"
STEPS = list(image_steps())
LAST = dict(STEPS)
USER = int(LAST["USER"].partition(":")[0])
AS_USER = {"user": USER, "group": USER, "extra_groups": []}

pytestmark = pytest.mark.skipif(os.getuid() != 0, reason="only root can become the image's user")


def interpreter():
    """A Python that every user may run, and that makes virtual environments; None where there is none."""
    for python in (sys.executable, "/usr/local/bin/python3", "/usr/bin/python3"):
        real = Path(python).resolve()
        try:
            fits = "import sys, ensurepip; sys.exit(sys.version_info < (3, 11))"
            if subprocess.run([real, "-c", fits], **AS_USER, cwd="/").returncode == 0:
                return str(real)
        except OSError:
            continue
    return None


@pytest.fixture(scope="module")
def image():
    """Where the image's /opt/askonce lies here."""
    python = interpreter()
    if python is None:
        pytest.skip("no Python that another user may run, and that makes virtual environments")
    work = Path(tempfile.mkdtemp())
    try:
        work.chmod(0o755)
        build(work, python)
        yield work / "opt"
    finally:
        shutil.rmtree(work)


def build(work, python):
    source = work / "src"
    source.mkdir()
    stage = STEPS[: [instruction for instruction, _ in STEPS].index("FROM", 1)]
    for instruction, argument in stage:
        if instruction == "COPY":
            copy(argument, source)
    (run,) = [argument for instruction, argument in stage if instruction == "RUN"]
    command = run.replace("python -m venv", f"{python} -m venv").replace(HOME, str(work / "opt"))
    subprocess.run(["bash", "-euc", command], cwd=source, check=True)
    shutil.rmtree(source)
    subprocess.run(["chmod", "-R", "a-w", work / "opt"], check=True)


def copy(argument, source):
    *names, target = argument.split()
    for name in names:
        path = DEPLOY.parent / name
        if path.is_dir():
            shutil.copytree(path, source / target, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            shutil.copy(path, source)


def surroundings(image, settings):
    """What the image sets, and what it is given."""
    words = shlex.split(LAST["ENV"].replace(HOME, str(image)).replace("$PATH", "/usr/bin:/bin"))
    return {**dict(word.split("=", 1) for word in words), "HOME": "/nonexistent", **settings}


def health_check():
    return json.loads(LAST["HEALTHCHECK"].partition(" CMD ")[2])


async def start(image, settings, command, **options):
    """As a container does: the image's user, directory and variables, and nothing of ours."""
    env = surroundings(image, settings)
    where = LAST["WORKDIR"].replace(HOME, str(image))
    program = shutil.which(command[0], path=env["PATH"])
    return await asyncio.create_subprocess_exec(program, *command[1:], env=env, cwd=where, **AS_USER, **options)


async def code_of(image, settings, command):
    return await (await start(image, settings, command, stdout=asyncio.subprocess.DEVNULL)).wait()


async def it_serves(image, settings):
    """The front door, too: its user may write to the place for files, and to /tmp, through which uploads go."""
    assert await code_of(image, settings, ["python", "-c", "import obstore"]) == 0
    files = image.parent / "files"
    files.mkdir()
    os.chown(files, USER, USER)
    command = ["askonce", "serve", "--port", "0", "--files", str(files)]
    door = await start(image, settings, command, stdout=asyncio.subprocess.PIPE)
    try:
        root = (await asyncio.wait_for(door.stdout.readline(), 60)).decode().removeprefix("ready: ").strip()
        body = {"model": "test-model", "messages": [{"role": "user", "content": "who is inside?"}]}
        async with httpx.AsyncClient(base_url=root, timeout=60) as http:
            assert (await http.post("/chat/completions", json=body)).headers["x-askonce-source"] == "exact"
            large = {"file": ("in.jsonl", b"\n" * 3_000_000)}  # too large to be kept in memory
            assert (await http.post("/files", data={"purpose": "batch"}, files=large)).status_code == 200
        door.terminate()
        assert await asyncio.wait_for(door.wait(), 60) == 0
    finally:
        if door.returncode is None:
            door.kill()
            await door.wait()


@pytest.mark.timeout(300)
async def test_the_images_commands_run_as_its_user_on_a_tree_he_cannot_change(
    image, valkey_url, embedded_qdrant_url, llm_server, prefix
):
    settings = settings_for(valkey_url, embedded_qdrant_url, llm_server, prefix)
    assert await code_of(image, settings, ["touch", str(image / "mine")]) != 0
    assert await code_of(image, settings, health_check()) == 1
    worker = await start(image, settings, json.loads(LAST["CMD"]), stderr=asyncio.subprocess.DEVNULL)
    try:
        async with Redis.from_url(valkey_url) as redis, client_for(settings) as client:
            await until(lambda: redis.zcard(Keys(prefix).workers), seconds=60, what="a sign of life")

            async def healthy():
                return await code_of(image, settings, health_check()) == 0

            await until(healthy, what="health")
            assert (await client.ask("who is inside?", timeout=30)).source == "llm"
        assert await code_of(image, settings, ["askonce", "stats"]) == 0
        assert await code_of(image, settings, ["askonce", "ask", "who is inside?", "--model", "test-model"]) == 0
        await it_serves(image, settings)
        worker.terminate()
        assert await asyncio.wait_for(worker.wait(), 30) == 0
    finally:
        if worker.returncode is None:
            worker.kill()
            await worker.wait()
    assert not [path for path in image.rglob("*") if path.stat().st_uid == USER]
