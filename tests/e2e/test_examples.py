"""The examples, as their READMEs tell: the same commands in a copy of the folder, and what they print.

One worker and one front door serve them all. The examples of providers start workers of their own.
"""

import os
import re
import secrets
import shutil
import sys
import time
from pathlib import Path

import httpx
import pytest
import pytest_asyncio

from support.front_door import front_door
from support.front_door_fixtures import door_settings
from support.ports import free_port
from support.readme_commands import Shell
from support.strict_providers import VLLM, Azure, Ollama, serving
from support.worker_process import environment, workers

EXAMPLES = Path(__file__).parents[2] / "examples"
OTHERS = Path(sys.prefix) / "sdks" / "bin"
"""What tests/sdks.sh installs: other people's frameworks."""
pytestmark = [
    pytest.mark.timeout(300),
    pytest.mark.skipif(shutil.which("curl") is None and "CI" not in os.environ, reason="there is no curl"),
]
needs_others = pytest.mark.skipif(not OTHERS.exists() and "CI" not in os.environ, reason="`make sdks` installs it")


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def stack(valkey_url, embedded_qdrant_url, llm_process):
    """The settings of the worker and the applications, with the front door's URL."""
    llm_process.call("POST", "/control", {"reset": True})
    settings = {
        **door_settings(valkey_url, llm_process, f"test-{secrets.token_hex(4)}"),
        "ASKONCE_QDRANT_URL": embedded_qdrant_url,
        "ASKONCE_EMBEDDING_MODEL": f"test-{secrets.token_hex(4)}",
        "ASKONCE_SIMILARITY_THRESHOLD": "0.8",
        "ASKONCE_MODEL": "gpt-4o-mini",
    }
    async with workers(1, settings), front_door(settings) as door:
        yield {**settings, "door": door.base_url}


class Example:
    """A copy of an example's folder, and a shell in it. ports: those of its files that are other ones here."""

    def __init__(self, name, directory, settings, ports):
        self.directory = directory / name
        shutil.copytree(EXAMPLES / name, self.directory, ignore=shutil.ignore_patterns("__pycache__"))
        own = Path(sys.prefix) / name / "bin"  # of those that tests/schedulers.sh installs
        path = os.pathsep.join([str(own), str(OTHERS), str(Path(sys.prefix) / "bin"), os.environ["PATH"]])
        self.shell = Shell(self.directory, {**environment(settings), "PATH": path, "NO_COLOR": "1"})
        for file in [self.directory / "README.md", *self.directory.glob("*.env")]:
            text = file.read_text()
            for port, number in ports.items():
                text = text.replace(f":{port}", f":{number}").replace(f"--port {port}", f"--port {number}")
            file.write_text(text)

    def run(self):
        self.shell.run(self.directory / "README.md")


@pytest.fixture
def example(stack, tmp_path):
    def make(name, settings=stack, ports=None):
        return Example(name, tmp_path, settings, ports or {})

    return make


def calls(llm_process):
    """How often each text was asked."""
    return llm_process.call("GET", "/stats", None)["chat"]["texts"]


def test_fastapi(example):
    port = free_port()
    app = example("fastapi", ports={8000: port})
    with app.shell, httpx.Client(base_url=f"http://127.0.0.1:{port}", timeout=60) as http:
        app.run()
        assert http.get("/ask", params={"q": " "}).status_code == 422
        other = http.post("/jobs", params={"q": "Something else?"}, headers={"Idempotency-Key": "order-17"})
        assert other.status_code == 422
        assert http.get("/jobs/never").status_code == 404
        deadline = time.monotonic() + 60
        while (job := http.get("/jobs/order-17").json())["status"] == "pending" and time.monotonic() < deadline:
            time.sleep(0.05)
        assert job == {"status": "answered", "text": "answer to: What is a functor?", "source": "llm"}


@needs_others
def test_flask(example):
    app = example("flask", ports={8000: free_port()})
    with app.shell:
        app.run()


@needs_others
def test_celery(example, stack, llm_process):
    broker = f"{stack['ASKONCE_REDIS_URL'].removesuffix('/0')}/1"
    app = example("celery", {**stack, "CELERY_BROKER_URL": broker, "CELERY_RESULT_BACKEND": broker})
    with app.shell:
        app.run()
    assert [calls(llm_process)[f"What is a {word}?"] for word in ("thread", "mutex", "semaphore")] == [1, 1, 1]


@needs_others
def test_notebook(example):
    app = example("notebook")
    with app.shell:
        app.run()


def scheduled(name):
    """They take a minute to run, so the gate does without them."""
    there = (Path(sys.prefix) / name).exists()
    return pytest.mark.skipif(not there, reason="`make examples` installs it")


@scheduled("airflow")
def test_airflow(example, stack, tmp_path, llm_process):
    folder = str(tmp_path / "airflow")
    own = {"AIRFLOW_HOME": f"{folder}/home", "AIRFLOW__CORE__DAGS_FOLDER": folder}
    app = example(
        "airflow", {**stack, **own, "AIRFLOW__CORE__LOAD_EXAMPLES": "False", "TICKETS": f"{folder}/tickets.csv"}
    )
    with app.shell:
        app.run()


@scheduled("dagster")
def test_dagster(example):
    app = example("dagster")
    with app.shell:
        app.run()


def test_rag(example, llm_process):
    app = example("rag")
    with app.shell:
        app.run()
    assert sum("a lamp be returned?" in text for text in calls(llm_process)) == 2


def test_tickets(example, llm_process):
    app = example("tickets")
    llm_process.call("POST", "/control", {"chat": {"answer": '{"topic": "delivery", "urgent": false}'}})
    with app.shell:
        app.run()
    asked = calls(llm_process)
    llm_process.call("POST", "/control", {"reset": True})
    assert sum("message of a customer" in text for text in asked) == 7


@pytest.mark.parametrize("name", ["openai_sdk", pytest.param("langchain", marks=needs_others)])
def test_an_application_before_the_front_door(example, stack, name):
    app = example(name, ports={8080: httpx.URL(stack["door"]).port})
    with app.shell:
        app.run()


@pytest.fixture
def settled(example, stack):
    """An example of a provider: nothing is set but what stands in its file."""
    servers = {6379: httpx.URL(stack["ASKONCE_REDIS_URL"]).port, 6334: httpx.URL(stack["ASKONCE_QDRANT_URL"]).port}

    def make(name, ports):
        settings = {"ASKONCE_KEY_PREFIX": f"test-{secrets.token_hex(4)}", "COLUMNS": "200"}
        return example(name, settings, servers | ports)

    return make


def refused(app, words):
    """What `askonce ask` says of a question that gets no answer."""
    code, _, errors = app.shell.call(f"askonce ask --env-file worker.env --timeout 60 {words}")
    assert code == 1, errors
    return errors


def test_ollama(settled):
    with serving(Ollama("llama3.2", "bge-m3")) as provider:
        app = settled("ollama", {11434: provider.port})
        with app.shell:
            app.run()
            assert "model 'mistral' not found" in refused(app, "--model mistral 'Why?'")
    assert {path for path, _, _ in provider.asked} >= {"/v1/chat/completions", "/v1/embeddings"}


def test_vllm(settled):
    key = "token-of-your-own"
    with serving(VLLM("Qwen/Qwen3-8B", key=key)) as chat, serving(VLLM("BAAI/bge-m3", key=key)) as vectors:
        app = settled("vllm", {8000: chat.port, 8001: vectors.port})
        with app.shell:
            app.run()
            assert "does not exist" in refused(app, "--model Qwen/Qwen3-14B 'Why?'")
            assert "maximum context length" in refused(app, f"'{'Why? ' * 100}'")
    bodies = [body for path, _, body in chat.asked if path == "/v1/chat/completions"]
    assert [body["chat_template_kwargs"] for body in bodies] == [{"enable_thinking": False}]
    assert vectors.asked


@pytest.mark.parametrize("base", ["?api-version=2024-10-21", "/openai/v1"])
def test_azure(settled, base):
    with serving(Azure("chat-prod", "embed-prod", key="key-of-the-resource")) as provider:
        app = settled("azure", {})
        file = app.directory / "worker.env"
        text, times = re.subn(
            r"(?m)^OPENAI_BASE_URL=\S+", f"OPENAI_BASE_URL=http://127.0.0.1:{provider.port}{base}", file.read_text()
        )
        assert times == 1
        file.write_text(text)
        with app.shell:
            app.run()
            assert "DeploymentNotFound" in refused(app, "--model gpt-4o 'Why?'")
            assert "content_filter" in refused(app, "'Something forbidden?'")
    paths = {path for path, _, _ in provider.asked}
    if base == "/openai/v1":
        assert paths >= {"/openai/v1/chat/completions", "/openai/v1/embeddings"}
    else:
        assert paths >= {
            f"/openai/deployments/{name}" for name in ("chat-prod/chat/completions", "embed-prod/embeddings")
        }
