"""`askonce-worker local` as a real process: started, killed and stopped as users and machines do it."""

import json
import os
import shutil
import signal
import socket
import stat
import subprocess
import sys
import time
import urllib.request
from contextlib import suppress
from pathlib import Path
from urllib.parse import urlsplit

import psutil
import pytest
import redis

from support.ports import free_port
from support.worker_process import workers

PROGRAM = "import typer; from askonce_worker.local.command import local; typer.run(local)"
STOP_WITHIN = 30.0


class Local:
    """The command, with its children as they were when it was ready."""

    def __init__(self, directory: Path, *arguments: str, program: str = PROGRAM, **settings: str) -> None:
        self.directory = directory
        self.temporary = directory / "temporary"
        self.temporary.mkdir(exist_ok=True)
        self.process = subprocess.Popen(
            [sys.executable, "-c", program, *arguments],
            cwd=directory,
            env={**os.environ, "TMPDIR": str(self.temporary), **settings},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )
        self.children: list[psutil.Process] = []

    def until_ready(self) -> str:
        """The line that begins with `ready`."""
        assert self.process.stdout is not None
        for line in self.process.stdout:
            if line.startswith("ready"):
                self.children = psutil.Process(self.process.pid).children(recursive=True)
                return line
        raise AssertionError(self.process.stderr.read())

    def line(self) -> str:
        """The next one that it prints."""
        assert self.process.stdout is not None
        return self.process.stdout.readline()

    def child(self, word: str) -> psutil.Process:
        """The child with this word in its command line."""
        return next(child for child in self.children if any(word in each for each in child.cmdline()))

    def ended(self, within: float = STOP_WITHIN) -> int:
        """The exit code, once the process and all its children are gone."""
        deadline = time.monotonic() + within
        code = self.process.wait(within)
        _, alive = psutil.wait_procs(self.children, max(0.0, deadline - time.monotonic()))
        assert alive == []
        return code

    def close(self) -> None:
        for process in [*self.children, self.process]:
            with suppress(psutil.NoSuchProcess):
                process.kill()
        self.process.communicate()


@pytest.fixture
def local(tmp_path):
    running = []

    def start(*arguments: str, **settings: str) -> Local:
        running.append(Local(tmp_path, *arguments, **settings))
        return running[-1]

    yield start
    for each in running:
        each.close()


def sourced(file: Path) -> dict[str, str]:
    """The variables as a shell sees them after sourcing the file."""
    shown = subprocess.run(
        ["sh", "-c", f'set -a; . "{file}"; env'], env={}, capture_output=True, text=True, check=True
    ).stdout
    variables = dict(line.split("=", 1) for line in shown.splitlines())
    return {name: value for name, value in variables.items() if name.startswith(("ASKONCE_", "OPENAI_"))}


FAST = ("--services", "redis,qdrant")
WITH_DOOR = ("--services", "redis,front-door")


def test_it_is_ready_when_the_file_is_written_and_the_file_says_where(local, tmp_path):
    stack = local(*FAST)

    assert stack.until_ready().startswith("ready: redis, qdrant")

    file = tmp_path / ".askonce.env"
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    variables = sourced(file)
    assert set(variables) == {"ASKONCE_REDIS_URL", "ASKONCE_QDRANT_URL"}
    with redis.Redis.from_url(variables["ASKONCE_REDIS_URL"]) as client:
        assert client.ping()
        assert client.config_get("maxmemory-policy") == {"maxmemory-policy": "noeviction"}


@pytest.mark.parametrize("how", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_stops_everything_and_leaves_nothing_behind(local, how):
    stack = local("--services", "redis,qdrant,front-door")
    stack.until_ready()
    assert list(stack.temporary.iterdir())

    stack.process.send_signal(how)

    assert stack.ended() == 0
    assert not list(stack.temporary.iterdir())
    assert not (stack.directory / ".askonce.env").exists()


def test_the_hint_to_read_the_file_works_in_every_shell_that_is_here(local, tmp_path):
    stack = local("--services", "redis", "--env-file", "my variables.env")
    stack.until_ready()
    *_, line = (stack.line() for _ in range(3))
    hint = line.split(": ", 1)[1]
    for shell in filter(shutil.which, ("sh", "bash", "zsh")):
        shown = subprocess.run([shell, "-c", f"{hint}\nenv"], cwd=tmp_path, capture_output=True, text=True, check=True)
        assert "ASKONCE_REDIS_URL=redis://127.0.0.1:" in shown.stdout


def test_the_file_of_a_later_run_is_left_alone(local, tmp_path):
    first = local("--services", "redis")
    first.until_ready()
    later = local("--services", "redis")
    later.until_ready()
    theirs = (tmp_path / ".askonce.env").read_text()
    first.process.terminate()
    assert first.ended() == 0
    assert (tmp_path / ".askonce.env").read_text() == theirs


def test_ctrl_c_in_a_terminal_reaches_the_whole_group_and_stops_in_order(local):
    stack = local(*FAST)
    stack.until_ready()

    os.killpg(stack.process.pid, signal.SIGINT)
    os.killpg(stack.process.pid, signal.SIGINT)

    assert stack.ended() == 0


def test_a_signal_while_it_starts_stops_it_too(local, tmp_path):
    stack = local(*FAST)
    deadline = time.monotonic() + 30
    while not (children := psutil.Process(stack.process.pid).children(recursive=True)):
        assert time.monotonic() < deadline
    stack.children = children

    stack.process.terminate()

    assert stack.ended() == 0
    assert not (tmp_path / ".askonce.env").exists()


def test_a_killed_parent_leaves_no_child(local):
    stack = local("--services", "redis,qdrant,front-door")
    stack.until_ready()
    assert stack.child("serve")
    assert list(stack.temporary.iterdir())

    stack.process.kill()

    assert stack.ended() == -signal.SIGKILL
    assert not list(stack.temporary.iterdir())


@pytest.mark.parametrize(
    ("victim", "part"),
    [("valkey-server", "redis"), ("askonce_worker.local.valkey", "redis"), ("askonce_worker.local.qdrant", "qdrant")],
)
def test_a_part_that_dies_is_named_and_takes_the_rest_with_it(local, victim, part):
    stack = local(*FAST)
    stack.until_ready()

    stack.child(victim).kill()

    assert stack.ended() == 1
    assert f"askonce-worker local: {part} ended" in stack.process.stderr.read()


def test_data_is_kept_between_runs(local, tmp_path):
    for expected in (None, b"kept"):
        stack = local(*FAST, "--data-dir", "data")
        stack.until_ready()
        with redis.Redis.from_url(sourced(tmp_path / ".askonce.env")["ASKONCE_REDIS_URL"]) as client:
            assert client.get("name") == expected
            client.set("name", "kept")
        stack.process.terminate()
        assert stack.ended() == 0


def test_data_is_kept_when_everything_is_killed(local, tmp_path):
    stack = local("--services", "redis", "--data-dir", "data")
    stack.until_ready()
    with redis.Redis.from_url(sourced(tmp_path / ".askonce.env")["ASKONCE_REDIS_URL"]) as client:
        client.set("name", "kept")
    stack.process.kill()
    stack.ended()

    again = local("--services", "redis", "--data-dir", "data")
    again.until_ready()
    with redis.Redis.from_url(sourced(tmp_path / ".askonce.env")["ASKONCE_REDIS_URL"]) as client:
        assert client.get("name") == b"kept"


def test_two_at_once_never_share_a_data_directory(local, tmp_path):
    local("--services", "redis", "--data-dir", "data").until_ready()

    second = local("--services", "redis", "--data-dir", "data", "--env-file", "second.env")

    assert second.process.wait(60) == 1
    assert "redis" in (said := second.process.stderr.read())
    assert "in use by another process" in said
    assert not (tmp_path / "second.env").exists()


def test_a_given_port_is_used(local, tmp_path):
    port = free_port()
    local("--services", "redis", "--redis-port", str(port)).until_ready()
    assert sourced(tmp_path / ".askonce.env")["ASKONCE_REDIS_URL"] == f"redis://127.0.0.1:{port}/0"


def test_a_port_in_use_is_said_with_its_part(local):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        stack = local("--services", "qdrant", "--qdrant-port", str(port))
        assert stack.process.wait(60) == 1
    assert f"qdrant: port {port} cannot be used" in stack.process.stderr.read()


@pytest.mark.parametrize(
    "arguments",
    [
        ["--services", "redis,mongodb"],
        ["--llm-model", "absent.gguf"],
        ["--redis-port", "70000"],
        ["--env-file", "no/such/directory/file"],
        ["--env-file", "mine.env"],
        ["--no-such-option"],
    ],
)
def test_bad_usage_is_exit_code_2_and_starts_nothing(local, tmp_path, arguments):
    mine = tmp_path / "mine.env"
    mine.write_text("DATABASE_URL=postgres://\n")

    stack = local(*arguments)

    assert stack.process.wait(60) == 2
    assert mine.read_text() == "DATABASE_URL=postgres://\n"


def test_an_earlier_runs_file_is_gone_until_everything_answers(local, tmp_path):
    file = tmp_path / ".askonce.env"
    file.write_text("ASKONCE_REDIS_URL=redis://127.0.0.1:1/0\n")
    with socket.create_server(("127.0.0.1", 0)) as taken:
        stack = local("--services", "redis", "--redis-port", str(taken.getsockname()[1]))
        assert stack.process.wait(60) == 1
    assert not file.exists()


async def test_all_four_answer_as_in_production(local, tmp_path):
    import numpy as np
    from openai import AsyncOpenAI

    stack = local("--services", "redis,qdrant,embeddings,llm")
    stack.until_ready()
    variables = sourced(tmp_path / ".askonce.env")

    async with AsyncOpenAI(
        base_url=variables["ASKONCE_EMBEDDING_BASE_URL"], api_key=variables["ASKONCE_EMBEDDING_API_KEY"]
    ) as embeddings:
        texts = ["Python 读取 CSV", "Python 怎么读取 CSV 文件"]
        reply = await embeddings.embeddings.create(model=variables["ASKONCE_EMBEDDING_MODEL"], input=texts)
        one, other = (np.array(each.embedding, np.float32) for each in reply.data)
        assert one @ other == pytest.approx(0.990, abs=0.002)

    async with AsyncOpenAI(base_url=variables["OPENAI_BASE_URL"], api_key=variables["OPENAI_API_KEY"]) as llm:
        question = {"role": "user", "content": "How do I read a CSV file in Python?"}
        completion = await llm.chat.completions.create(model=variables["ASKONCE_MODEL"], messages=[question])
        assert completion.model == variables["ASKONCE_MODEL"] == "smollm2-135m"
        assert completion.choices[0].finish_reason == "stop"
        assert 0 < len(completion.choices[0].message.content) <= 80

    stack.process.terminate()
    assert stack.ended() == 0


def test_a_vector_is_sent_in_one_piece_so_that_it_waits_for_no_delayed_acknowledgement(local, tmp_path):
    stack = local("--services", "embeddings")
    stack.until_ready()
    port = int(sourced(tmp_path / ".askonce.env")["ASKONCE_EMBEDDING_BASE_URL"].split(":")[2].split("/")[0])
    body = json.dumps({"input": "hi", "model": "multilingual-e5-small-q4"}).encode()
    head = f"POST /v1/embeddings HTTP/1.1\r\nHost: localhost\r\nContent-Length: {len(body)}\r\n\r\n".encode()
    with socket.create_connection(("127.0.0.1", port), timeout=60) as connection:
        connection.sendall(head + body)
        first = connection.recv(1 << 20)
    headers, _, reply = first.partition(b"\r\n\r\n")
    assert b" 200 " in headers.splitlines()[0]
    assert len(json.loads(reply)["data"][0]["embedding"]) == 384


async def test_what_speaks_openais_api_asks_at_the_front_door(local, tmp_path, llm_server):
    from openai import AsyncOpenAI

    stack = local(
        *WITH_DOOR, "--data-dir", "data", OPENAI_BASE_URL=llm_server.base_url, OPENAI_API_KEY="theirs",
        ASKONCE_SERVE_HOST="0.0.0.0", ASKONCE_SERVE_FILES="s3://not-these/", ASKONCE_KEY_PREFIX="mine",
    )  # fmt: skip
    assert stack.until_ready().startswith("ready: redis, front-door")
    *_, asking, page = (stack.line().split()[-1] for _ in range(5))
    assert sourced(tmp_path / ".askonce.env").items() >= {("ASKONCE_SERVE_BASE_URL", asking)}
    assert "OPENAI_BASE_URL" not in sourced(tmp_path / ".askonce.env")  # it stays where the worker finds the LLM
    settings = {**sourced(tmp_path / ".askonce.env"), "ASKONCE_KEY_PREFIX": "mine"}
    async with (
        workers(1, {**settings, "OPENAI_BASE_URL": llm_server.base_url, "OPENAI_API_KEY": "theirs"}),
        AsyncOpenAI(base_url=asking, api_key="none", max_retries=0) as sdk,
    ):
        for source in ("llm", "exact"):
            question = [{"role": "user", "content": "who is at the door?"}]
            reply = await sdk.chat.completions.with_raw_response.create(model="m", messages=question)
            assert reply.parse().choices[0].message.content == "answer to: who is at the door?"
            assert reply.headers["x-askonce-source"] == source
        file = await sdk.files.create(file=("in.jsonl", b"{}\n"), purpose="batch")
        assert [each.name for each in (tmp_path / "data/front-door").rglob("file-*")] == [file.id]
        with urllib.request.urlopen(page, timeout=30) as shown:
            assert b"<h1>Savings" in shown.read()
    [listening] = [each.laddr for each in stack.child("serve").net_connections() if each.status == psutil.CONN_LISTEN]
    assert (listening.ip, listening.port) == ("127.0.0.1", urlsplit(asking).port)
    stack.process.terminate()
    assert stack.ended() == 0


def test_without_its_extra_there_is_no_front_door_and_a_line_says_so(local, tmp_path):
    stack = local(*WITH_DOOR, program=f"import sys; sys.modules['uvicorn'] = None; {PROGRAM}")
    assert stack.line() == "no front door: uvicorn is not installed (pip install 'askonce[serve]')\n"
    assert stack.until_ready().startswith("ready: redis (")
    assert set(sourced(tmp_path / ".askonce.env")) == {"ASKONCE_REDIS_URL"}


@pytest.mark.timeout(240)
async def test_the_first_steps_answer_a_question_and_its_rewording_with_one_call(local, tmp_path):
    from openai import AsyncOpenAI

    stack = local()
    assert stack.until_ready().startswith("ready: redis, qdrant, embeddings, llm, front-door")
    clean = {k: v for k, v in os.environ.items() if not k.startswith(("ASKONCE_", "OPENAI_"))}
    with subprocess.Popen(
        [sys.executable, "-m", "askonce_worker", "run"], cwd=tmp_path, env=clean, stderr=subprocess.PIPE, text=True
    ) as worker:
        try:
            assert "ASKONCE_REDIS_URL" in (said := worker.stderr.readline())
            assert said.rstrip().endswith("from .askonce.env")
            answers = [
                subprocess.run(
                    [sys.executable, "-m", "askonce.cli", "ask", "--json", question, "--timeout", "120"],
                    cwd=tmp_path, env=clean, capture_output=True, text=True, check=True,
                )
                for question in ("What is the capital of France?", "What is the capital city of France?")
            ]  # fmt: skip
            variables = sourced(tmp_path / ".askonce.env")
            async with AsyncOpenAI(base_url=variables["ASKONCE_SERVE_BASE_URL"], api_key="none") as sdk:
                question = [{"role": "user", "content": "What is the capital of France?"}]
                model = variables["ASKONCE_MODEL"]
                again = await sdk.chat.completions.with_raw_response.create(model=model, messages=question)
        finally:
            worker.terminate()
            worker.communicate(timeout=60)
    first, second = (json.loads(each.stdout) for each in answers)
    assert first["source"] == "llm"
    assert second["source"] in ("semantic", "inflight")
    assert second["text"] == first["text"]
    assert again.headers["x-askonce-source"] == "exact"
    assert again.parse().choices[0].message.content == first["text"]
