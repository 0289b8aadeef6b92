"""docs/messages.md has each message whose cause does not stand in the reader's own input, and each event of trouble."""

import ast
import re

import pytest

from support.doc_blocks import ROOT

PAGE = (ROOT / "docs" / "messages.md").read_text("utf-8")
PACKAGES = (ROOT / "producer" / "askonce", ROOT / "worker" / "askonce_worker")
OF_OTHERS = (
    "answering/chunk_job.py", "check/preflight.py", "commands/output.py", "contract/chunk.py", "local/parts.py",
    "local/stack.py", "local/weights.py", "providers/completion_reply.py", "providers/money_budget.py",
    "providers/provider.py", "queue/lease_keeper.py", "serve/doorman.py", "serve/server.py", "serve/tenant.py",
    "serve/page/viewers.py", "session/attendance.py", "session/explaining.py", "session/listener.py",
    "session/session.py", "store/failover.py", "store/replication.py", "store/sentinel.py", "store/wire.py",
    "telemetry/metrics_server.py",
)  # fmt: skip
"""Modules whose messages tell of servers, of keys or of another release."""
TOLD = {"AnswerError", "complain", "LLMError", "_failed"}
UNTOLD = {"TypeError", "ValueError"}
"""In `contract/`, of a record that cannot be read: it is counted and refused, and nobody is told so."""


def trees():
    for package in PACKAGES:
        for path in sorted(package.rglob("*.py")):
            yield path.relative_to(package).as_posix(), ast.parse(path.read_text("utf-8"))


def fragments(node):
    """The fixed parts of a text."""
    match node:
        case ast.Constant(value=str(text)):
            return [text]
        case ast.JoinedStr(values=values):
            return [part.value for part in values if isinstance(part, ast.Constant)]
    return []


def called(node):
    return node.func.id if isinstance(node.func, ast.Name) else getattr(node.func, "attr", "")


def messages(name, tree):
    """The fixed parts of each text that is raised, or told."""
    for node in ast.walk(tree):
        call = node.exc if isinstance(node, ast.Raise) else node
        if isinstance(call, ast.Call) and (isinstance(node, ast.Raise) or called(call) in TOLD):
            parts = [part.strip(" :;,('\")") for each in call.args for part in fragments(each)]
            sentences = tuple(part for part in parts if len(part) > 10 and " " in part)
            if sentences and not (name.startswith("contract/") and called(call) in UNTOLD):
                yield sentences


def is_there(message):
    return any(words in PAGE or words.replace("`", "'") in PAGE for words in message)


FOUND = [(name, message) for name, tree in trees() if name in OF_OTHERS for message in messages(name, tree)]


@pytest.mark.parametrize(("name", "message"), FOUND)
def test_the_message_stands_on_the_page(name, message):
    assert is_there(message), f"{name}: {message}"


def test_the_modules_are_there():
    assert {name for name, _ in trees()} >= set(OF_OTHERS)
    assert len(FOUND) > 30


def events():
    for _, tree in trees():
        for node in ast.walk(tree):
            match node:
                case ast.Call(
                    func=ast.Attribute(value=ast.Name(id="log"), attr="warning" | "error"),
                    args=[ast.Constant(value=str(event)), *_],
                ) if re.fullmatch(r"[a-z]+\.[a-z_]+", event):
                    yield event


def test_every_event_of_trouble_stands_on_the_page_and_no_other():
    shown = set(re.findall(r"`([a-z]+\.[a-z_]+)`", PAGE.split("## The log")[1]))
    assert shown == set(events())
