"""`askonce-worker check` on providers of every kind: with a list of models, without one, without a key."""

import io
import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
from rich.console import Console

from askonce_worker.check.finding import Finding
from askonce_worker.check.judging import judge
from askonce_worker.check.providers import embeddings, llm
from askonce_worker.check.table import table_of
from askonce_worker.settings import Settings
from support.strict_providers import Azure, serving


@pytest.fixture(autouse=True)
def no_keys(monkeypatch):
    for name in ("OPENAI_API_KEY", "OPENAI_BASE_URL"):
        monkeypatch.delenv(name, raising=False)


def settings(server, key="test", **more):
    return Settings(OPENAI_BASE_URL=server.base_url, OPENAI_API_KEY=key, **more)


async def test_a_provider_without_a_list_of_models_is_asked_for_one_token(llm_server):
    found = await llm(settings(llm_server, model="m"))
    assert (found.ok, found.state) == (True, "answers, but lists no models")
    assert (await llm_server.stats())["chat"]["texts"] == {"ready?": 1}


@pytest.mark.parametrize("base", ["?api-version=2024-10-21", "/openai/v1"])
async def test_deployments_of_azure_are_asked_by_their_names(base):
    with serving(Azure("chat-prod", "embed-prod", key="right")) as azure:
        named = {"OPENAI_BASE_URL": f"http://127.0.0.1:{azure.port}{base}", "embedding_model": "embed-prod"}
        found = await llm(Settings(OPENAI_API_KEY="right", model="chat-prod", **named))
        assert (found.ok, found.state) == (True, "answers, but the model is not among the 2 it lists")
        assert (await embeddings(Settings(OPENAI_API_KEY="right", **named))).state == "384 dimensions"
        assert "status 404" in (await llm(Settings(OPENAI_API_KEY="right", model="gpt-4o", **named))).state


async def test_without_a_list_and_without_a_model_nothing_is_asked(llm_server):
    assert (await llm(settings(llm_server))).ok
    assert not (await llm_server.stats())["chat"]["requests"]


async def test_a_question_that_the_provider_refuses_names_what_to_look_at(llm_server):
    await llm_server.fail("chat", "status", status=404)
    found = await llm(settings(llm_server, model="m"))
    assert not found.ok
    assert "status 404" in found.state
    assert "ASKONCE_MODEL" in found.advice


async def test_a_refused_key_is_named(llm_server):
    await llm_server.fail("chat", "status", status=401)
    found = await llm(settings(llm_server, model="m"))
    assert not found.ok
    assert found.advice.startswith("the key was rejected")
    assert "OPENAI_API_KEY" in found.advice


@pytest.mark.parametrize(
    ("says", "ok", "state"),
    [
        ("SD", True, "tells a right answer from a wrong one"),
        ("SS", False, "does not tell a right answer from a wrong one"),
        ("I cannot say.", False, "answers, but not with a letter for each pair"),
    ],
)
async def test_the_judge_is_tried_once(llm_server, says, ok, state):
    await llm_server.control(chat={"answer": says})
    found = await judge(settings(llm_server, judge_model="small"))
    assert (found.ok, found.state) == (ok, state)
    [request] = (await llm_server.stats())["chat"]["requests"]
    assert request["body"]["model"] == "small"


async def test_a_judge_that_the_provider_does_not_have_is_named(llm_server):
    await llm_server.fail("chat", "status", status=404)
    found = await judge(settings(llm_server, judge_model="small"))
    assert not found.ok
    assert "ASKONCE_JUDGE_MODEL" in found.advice


async def test_an_embedding_model_that_does_not_tell_texts_apart_is_named(llm_server):
    assert (await embeddings(settings(llm_server))).ok
    await llm_server.fail("embeddings", "same")
    found = await embeddings(settings(llm_server))
    assert (found.ok, found.state) == (False, "different texts have the same vector")


async def test_a_missing_key_is_named_without_asking_anyone():
    for found in (await llm(Settings(model="m")), await embeddings(Settings())):
        assert not found.ok
        assert "OPENAI_API_KEY" in found.state + found.advice


@pytest.fixture
def listing():
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self):
            self.reply({"object": "list", "data": [{"id": name, "object": "model"} for name in ("one", "two")]})

        def do_POST(self):
            model = json.loads(self.rfile.read(int(self.headers["Content-Length"])))["model"]
            choice = {"index": 0, "message": {"role": "assistant", "content": "y"}, "finish_reason": "length"}
            body = {"id": "c", "object": "chat.completion", "created": 1, "model": model, "choices": [choice]}
            self.reply(
                body if model == "alias" else {"error": {"message": "no such model"}}, 200 if model == "alias" else 404
            )

        def reply(self, body, status=200):
            data = json.dumps(body).encode()
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(data)))
            self.end_headers()
            self.wfile.write(data)

        def log_message(self, *_):
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        server.base_url = f"http://127.0.0.1:{server.server_port}/v1"
        yield server
        server.shutdown()
        thread.join()


@pytest.mark.parametrize(
    ("model", "ok", "state"),
    [
        ("two", True, "answers, 2 models"),
        ("alias", True, "answers, but the model is not among the 2 it lists"),
        ("tow", False, "status 404 for a question to tow; the model is not among the 2 it lists"),
    ],
)
async def test_a_model_that_is_not_listed_is_tried(listing, model, ok, state):
    found = await llm(settings(listing, model=model))
    assert (found.ok, found.state) == (ok, state)


def test_the_table_fits_80_columns_and_keeps_what_looks_like_markup():
    found = [
        Finding("redis", f"redis://{'h' * 90}:6379/0", "Valkey 9.1", ok=True),
        Finding(
            "llm", "[red]model[/red] at the provider", "no key", ok=False, advice="pip install 'askonce[local]' " * 4
        ),
    ]
    console = Console(width=80, record=True, file=io.StringIO())
    console.print(table_of(found))
    lines = console.export_text().splitlines()
    assert max(map(len, lines)) <= 80
    shown = "\n".join(lines)
    assert "[red]model[/red]" in shown
    assert "askonce[local]" in shown
    assert "wrong" in shown
