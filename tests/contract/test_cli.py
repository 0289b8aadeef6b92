"""The `askonce` command, as a person types it."""

import asyncio
import os
import signal
import subprocess
import sys
from importlib.metadata import version

import orjson
import pytest

from askonce.contract.completion import text_body
from support.services import RealService

COMMANDS = [
    "ask", "submit", "result", "status", "cancel", "batch", "warm", "invalidate", "stats", "wrong", "dead-letters",
    "completion", "explain", "right", "labels",
]  # fmt: skip


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


async def test_where_no_worker_is_alive_ask_and_submit_say_so(askonce):
    done = await askonce("submit", "q")
    assert (done.returncode, done.stderr) == (0, "askonce: 0 workers alive: start `askonce-worker run`\n")
    done = await askonce("ask", "q", "--timeout", "4")
    assert done.returncode == 1
    assert done.stderr.startswith("askonce: 0 workers alive: start `askonce-worker run`\n")
    assert [line for line in done.stderr.splitlines() if not line.startswith("askonce: ")] == []


@pytest.mark.parametrize(
    ("words", "code"),
    [
        (["status", ""], 2),
        (["status", "a b"], 2),
        (["cancel", "ä"], 2),
        (["result", "x" * 201], 2),
        (["result", "x", "--timeout", "never"], 2),
        (["ask", "x" * 100_000], None),
        (["ask", "q", "--template", "no place for it"], 2),
        (["ask", "q", "--param", "temperature=[1"], None),
        (["stats", "--watch", "0"], 2),
        (["stats", "--prices", "no-such-file"], 2),
        (["invalidate", "--all", "--model", "m"], 2),
        (["invalidate", "--model", ""], 2),
        (["wrong", "--lines", "no-such-file"], 2),
        (["wrong", "nowhere"], 1),
        (["dead-letters", "replay", "nowhere"], 1),
        (["dead-letters", "show"], 2),
        (["completion", "tcsh"], 2),
    ],
    ids=lambda value: " ".join(value)[:60] if isinstance(value, list) else "",
)
async def test_bad_input_is_told_in_lines_and_never_by_a_traceback(askonce, words, code):
    done = await askonce(*words, *(["--timeout", "0.2"] if words[0] == "ask" else []))
    assert "Traceback" not in done.stderr
    assert done.returncode == (1 if code is None else code), done.stderr
    assert done.stderr.startswith("askonce")
    assert done.stderr.count("\n") <= 2


async def test_a_malformed_setting_is_named(askonce):
    done = await askonce("ask", "q", ASKONCE_CHUNK_SIZE="many")
    assert done.returncode == 2
    assert done.stderr == "askonce: ASKONCE_CHUNK_SIZE: 'many' is not a whole number from 1 to 1000\n"


@pytest.mark.parametrize("command", [[], *([name] for name in COMMANDS)], ids=" ".join)
async def test_every_command_has_help_of_80_columns_with_an_example(askonce, command):
    done = await askonce(*command, "--help", COLUMNS="80")
    assert done.returncode == 0
    assert "usage: askonce" in done.stdout
    assert max(map(len, done.stdout.splitlines())) <= 80
    if command:
        assert f"  askonce {command[0]} " in done.stdout.partition("examples:")[2]


async def test_help_shows_defaults(askonce):
    told = " ".join((await askonce("submit", "--help")).stdout.split())
    assert "(default: use)" in told
    assert "(default: interactive)" in told
    assert "(default: None)" not in told


async def test_the_version_is_that_of_the_distribution(askonce):
    done = await askonce("--version")
    assert (done.returncode, done.stdout) == (0, f"askonce {version('askonce')}\n")


async def test_options_of_all_commands_may_stand_before_or_after_the_command(service, askonce):
    for words in (["--json", "--namespace", "n", "ask", "q"], ["ask", "q", "--json", "--namespace", "n"]):
        done = await askonce(*words)
        assert orjson.loads(done.stdout)["text"] == "answer to: q"
    assert [question.namespace for question in service.asked] == ["n"]


@pytest.mark.parametrize(
    ("words", "hint"),
    [
        (["ask", "q", "--modle", "m"], "unknown option --modle; did you mean --model?"),
        (["ask", "q", "--modle=m"], "did you mean --model?"),
        (["sumbit", "q"], "did you mean submit?"),
        (["ask", "q", "--cache", "bypas"], "did you mean bypass?"),
        (["ask", "what", "is", "it"], "put the question in quotes"),
        (["--unheard-of", "ask", "q"], "unknown option --unheard-of"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
async def test_a_near_miss_is_one_line_with_what_was_probably_meant(askonce, words, hint):
    done = await askonce(*words)
    assert (done.returncode, done.stdout) == (2, "")
    assert hint in done.stderr
    assert done.stderr.count("\n") == 1


async def test_a_truncated_answer_is_remarked(service, askonce):
    def cut_off(question):
        body = text_body("it is as lo", model="m")
        body["choices"][0]["finish_reason"] = "length"
        return body

    service.answering = cut_off
    done = await askonce("ask", "How long is it?")
    assert (done.returncode, done.stdout) == (0, "it is as lo\n")
    assert done.stderr == "askonce: the answer is truncated (finish_reason length); it is not cached\n"


async def test_ctrl_c_while_the_command_loads_ends_it_without_a_traceback(tmp_path):
    """Imports are told on stderr one by one: the signal comes in the midst of them."""
    command = [sys.executable, "-X", "importtime", "-m", "askonce.cli", "ask", "q"]
    process = await asyncio.create_subprocess_exec(
        *command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, env=environment(), cwd=tmp_path
    )
    told = b""
    while b"askonce.interrupt" not in told:
        told += await asyncio.wait_for(process.stderr.readline(), 60)
    process.send_signal(signal.SIGINT)
    told += await asyncio.wait_for(process.stderr.read(), 60)
    assert await process.wait() == 130
    assert b"Traceback" not in told


async def test_ctrl_c_while_a_command_waits_ends_it_without_a_traceback(valkey_url, prefix, tmp_path):
    env = environment(ASKONCE_REDIS_URL=valkey_url, ASKONCE_KEY_PREFIX=prefix, ASKONCE_MODEL="m")
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "askonce.cli", "stats", "--watch",
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=env, cwd=tmp_path,
    )  # fmt: skip
    await asyncio.wait_for(process.stdout.readline(), 60)
    process.send_signal(signal.SIGINT)
    _, told = await asyncio.wait_for(process.communicate(), 60)
    assert (process.returncode, told) == (130, b"")


async def test_bash_completes_commands_options_and_values(askonce):
    script = (await askonce("completion", "bash")).stdout

    async def completed(*words):
        given = " ".join(f"'{word}'" for word in words)
        line = (
            f"{script}\nCOMP_WORDS=({given}); COMP_CWORD=$((${{#COMP_WORDS[@]}}-1)); _askonce; echo ${{COMPREPLY[@]}}"
        )
        done = await asyncio.to_thread(subprocess.run, ["bash", "-c", line], capture_output=True, text=True, timeout=30)
        assert done.stderr == ""
        return done.stdout.split()

    assert await completed("askonce", "st") == ["status", "stats"]
    assert await completed("askonce", "ask", "--mo") == ["--model"]
    assert await completed("askonce", "--json", "submit", "--lane", "") == ["interactive", "bulk"]
    assert await completed("askonce", "dead-letters", "re") == ["replay"]
    assert set(COMMANDS) <= set(await completed("askonce", ""))


@pytest.mark.parametrize("shell", ["zsh", "fish"])
async def test_other_shells_get_every_command_too(askonce, shell):
    script = (await askonce("completion", shell)).stdout
    assert [name for name in COMMANDS if name not in script] == []


async def test_a_redis_that_does_not_answer_is_named_with_the_file_it_comes_from(tmp_path):
    (tmp_path / ".askonce.env").write_text("ASKONCE_REDIS_URL=redis://127.0.0.1:1\nASKONCE_MODEL=m\n")
    command = [sys.executable, "-m", "askonce.cli", "ask", "q"]
    done = await asyncio.to_thread(
        subprocess.run, command, capture_output=True, text=True, env=environment(), cwd=tmp_path, timeout=60
    )
    assert done.returncode == 1
    assert "(ASKONCE_REDIS_URL is from .askonce.env)" in done.stderr
    assert done.stderr.count("\n") == 1


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
