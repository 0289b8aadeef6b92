"""The public API as a type checker sees it, and what it exports."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

import askonce

ROOT = Path(__file__).parents[2]

RIGHT = """
import askonce
from askonce import Answer, Client, ErrorKind, Question, QuestionFields, QueueFull
from askonce.testing import FakeClient


class Label:
    pass


async def use(client: Client) -> None:
    answer: Answer = await client.ask("x", model="m", cache="refresh", params={"seed": 1}, timeout=3)
    job_id: str = await client.submit(Question("x"), lane="bulk", metadata=[1], timeout=3)
    typed: Answer = await client.ask("x", schema=Label)
    fetched: Answer = await client.result(job_id, schema={"type": "object"})
    found: Answer | None = await client.lookup("x", system="s", history=[{"role": "user", "content": "hi"}])
    stored: bool = await client.store("x", "an answer", ttl=5.0)
    async for question, mapped in client.map(["x"]):
        text: str = question.text
    column: list[str] = await askonce.aenrich(["a"], "{text}", client=client, cache="refresh")
    try:
        await client.submit_many(["x"])
    except QueueFull as full:
        await client.submit_many(full.refused)


def more(fields: QuestionFields) -> None:
    answer: Answer = askonce.ask("x", timeout=3, **fields)
    answers: list[Answer] = askonce.run(["x"], model="m", timeout=3, namespace="n")
    column: list[str] = askonce.enrich(["a"], "{text}", client=FakeClient(), compared="text", tier="batch")
    kind: ErrorKind | None = answer.error.kind if answer.error else None
    FakeClient({"x": "y"}, namespace="n", max_queued=3)
    Question.from_body({}, job_id="j")
"""

WRONG = """
import askonce
from askonce import AnswerError, Client, Question
from askonce.testing import FakeClient


async def use(client: Client) -> None:
    await client.ask("x", modle="y")
    await client.submit("x", cache="never")
    await client.lookup("x", timeout=3)
    await client.store("x", "an answer", tll=5)
    askonce.ask("x", templat="y")
    askonce.run(["x"], modle="y")
    askonce.enrich(["x"], "{text}", modle="y")
    Question.from_body({}, jobid="j")
    FakeClient(modle="y")
    AnswerError("quotas", "message")
"""
FIRST_WRONG = WRONG[: WRONG.index("    await client.ask")].count("\n") + 1


def mypy(path: Path) -> str:
    strict = [sys.executable, "-m", "mypy", "--strict", "--config-file=", "--no-error-summary"]
    return run([*strict, f"--cache-dir={path.parent / 'cache'}", str(path)])


def pyright(path: Path) -> str:
    settings = '{"typeCheckingMode": "strict", "reportUnusedVariable": false}'
    (path.parent / "pyrightconfig.json").write_text(settings)
    return run([sys.executable, "-m", "basedpyright", "--pythonpath", sys.executable, "--project", str(path.parent)])


def run(command: list[str]) -> str:
    paths = {"MYPYPATH": str(ROOT / "producer")}
    done = subprocess.run(command, capture_output=True, text=True, timeout=110, env=paths)
    return done.stdout + done.stderr


@pytest.mark.parametrize("checker", [mypy, pyright])
def test_a_type_checker_takes_right_calls_and_refuses_each_wrong_one(checker, tmp_path):
    right, wrong = tmp_path / "right.py", tmp_path / "wrong.py"
    wrong.write_text(WRONG)
    found = checker(wrong)
    lines = {int(line) for line in re.findall(r"wrong\.py:(\d+):.*error", found)}
    calls = range(FIRST_WRONG, FIRST_WRONG + 10)
    assert set(calls) <= lines, found
    wrong.unlink()
    right.write_text(RIGHT)
    found = checker(right)
    assert not re.search(r"\berror\b(?!s)", found), found


def test_what_is_exported():
    assert sorted(askonce.__all__) == [
        "Answer",
        "AnswerError",
        "AnswerTimeout",
        "AskOnceError",
        "Client",
        "Difference",
        "ErrorKind",
        "ExactEntry",
        "Explanation",
        "InForce",
        "InvalidQuestion",
        "NearEntry",
        "NotAccepted",
        "Question",
        "QuestionFailed",
        "QuestionFields",
        "QueueFull",
        "StoreUnreachable",
        "UnknownJob",
        "__version__",
        "aenrich",
        "ask",
        "enrich",
        "explain",
        "run",
    ]
    assert all(hasattr(askonce, name) for name in askonce.__all__)


def test_the_version_is_the_distributions():
    assert re.fullmatch(r"\d+\.\d+\.\d+", askonce.__version__)
    assert 'path = "producer/askonce/__init__.py"' in (ROOT / "pyproject.toml").read_text("utf-8")
