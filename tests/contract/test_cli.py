"""The `askonce` command, as a person types it."""

import asyncio
import os
import subprocess
import sys

import orjson
import pytest

from support.services import RealService

COMMANDS = ["ask", "submit", "result", "status", "cancel"]


def environment(**more):
    return {k: v for k, v in os.environ.items() if not k.startswith("ASKONCE_")} | more


@pytest.fixture
async def service(valkey_url, prefix):
    async with RealService(valkey_url, prefix) as service:
        yield service


@pytest.fixture
def askonce(valkey_url, prefix, tmp_path):
    settings = {"ASKONCE_REDIS_URL": valkey_url, "ASKONCE_KEY_PREFIX": prefix, "ASKONCE_MODEL": "m"}

    async def run(*args, stdin="", **more):
        command = [sys.executable, "-m", "askonce.cli", *args]
        env = environment(**{**settings, **more})
        return await asyncio.to_thread(
            subprocess.run, command, input=stdin, capture_output=True, text=True, env=env, cwd=tmp_path, timeout=60
        )

    return run


@pytest.mark.parametrize(
    "words", ["- out.jsonl <&-", "in.jsonl - >&-", "- in.jsonl <in.jsonl", "in.jsonl - >>in.jsonl"]
)
async def test_batch_reads_and_writes_no_file_that_it_should_not(tmp_path, words):
    """A closed stdin is no empty one, and a redirection no way around the rule that the input is not the output."""
    (tmp_path / "in.jsonl").write_text('{"question": "q"}\n')
    command = f"exec {sys.executable} -m askonce.cli batch --model m {words}"
    done = await asyncio.to_thread(
        subprocess.run, command, shell=True, capture_output=True, env=environment(), cwd=tmp_path, timeout=30
    )
    assert done.returncode == 2, done.stderr
    assert (tmp_path / "in.jsonl").read_text() == '{"question": "q"}\n'


async def test_ask_prints_the_answer(service, askonce):
    done = await askonce("ask", "What is it?")
    assert (done.returncode, done.stdout, done.stderr) == (0, "answer to: What is it?\n", "")
    done = await askonce("ask", "-", "--json", stdin="What is it?")
    answer = orjson.loads(done.stdout)
    assert (answer["source"], answer["text"], answer["finish_reason"]) == ("exact", "answer to: What is it?", "stop")


async def test_a_question_takes_its_shape_from_options(service, askonce):
    options = ["--system", "s", "--template", "<{text}>", "--param", "temperature=0", "--param", "stop=END"]
    done = await askonce("ask", "q", *options, "--cache", "bypass", "--namespace", "tenant", "--model", "other")
    assert done.returncode == 0
    (question,) = service.asked
    assert (question.system, question.template, question.model) == ("s", "<{text}>", "other")
    assert (question.params, question.namespace) == ({"temperature": 0, "stop": "END"}, "tenant")


async def test_a_job_from_submit_to_result(service, askonce):
    service.pause()
    job_id = (await askonce("submit", "q", "--lane", "bulk")).stdout.strip()
    assert (await askonce("status", job_id, "x")).stdout == f"{job_id} queued\nx unknown\n"
    assert (await askonce("result", job_id, "--timeout", "0")).returncode == 1
    service.resume()
    assert (await askonce("result", job_id)).stdout == "answer to: q\n"
    service.pause()
    later = (await askonce("submit", "later", "--json")).stdout
    later = orjson.loads(later)["job_id"]
    assert orjson.loads((await askonce("cancel", later, job_id, "--json")).stdout) == {"cancelled": [later]}
    done = await askonce("result", later)
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.startswith("askonce: cancelled")


@pytest.mark.parametrize(
    ("args", "code"),
    [
        (["ask", " "], 2),
        (["ask", "q", "--param", "temperature"], 2),
        (["ask", "q", "--cache", "never"], 2),
        (["ask", "q", "--timeout", "-1"], 2),
        (["ask", "q", "--namespace", "a b"], 2),
        (["ask", "q", "--env-file", "no-such-file"], 2),
        (["ask", "q", "--url", "redis+cluster://h"], 2),
        (["ask", "q", "--url", "redis://127.0.0.1:1"], 1),
        (["ask", "q", "--timeout", "0.1"], 1),
        (["result", "nowhere"], 1),
        (["status"], 2),
        ([], 2),
        (["sing"], 2),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
async def test_what_goes_wrong_is_one_line_and_a_code(askonce, args, code):
    done = await askonce(*args)
    assert (done.returncode, done.stdout) == (code, "")
    assert "Traceback" not in done.stderr
    assert done.stderr.strip()


async def test_a_malformed_setting_is_named(askonce):
    done = await askonce("ask", "q", ASKONCE_CHUNK_SIZE="many")
    assert done.returncode == 2
    assert done.stderr == "askonce: ASKONCE_CHUNK_SIZE: 'many' is not a whole number from 1 to 1000\n"


@pytest.mark.parametrize("command", [[], *([name] for name in COMMANDS)], ids=" ".join)
async def test_every_command_has_help(askonce, command):
    done = await askonce(*command, "--help")
    assert done.returncode == 0
    assert "usage: askonce" in done.stdout


async def test_the_file_of_the_local_stack_is_found_and_the_environment_wins(service, valkey_url, prefix, tmp_path):
    lines = [
        f"export ASKONCE_REDIS_URL='{valkey_url}'",
        "# a comment",
        f"ASKONCE_KEY_PREFIX={prefix}",
        "ASKONCE_MODEL=x",
    ]
    (tmp_path / ".askonce.env").write_text("\n".join([*lines, "PATH=/nowhere"]))
    command = [sys.executable, "-m", "askonce.cli", "ask", "q", "--json"]
    done = await asyncio.to_thread(
        subprocess.run, command, capture_output=True, env=environment(ASKONCE_MODEL="y"), cwd=tmp_path, timeout=60
    )
    assert orjson.loads(done.stdout)["model"] == "y"
