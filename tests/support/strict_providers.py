"""Servers with the manners of Ollama, vLLM and Azure OpenAI: paths, keys, models and errors as they document them.

What they let through is answered as the test LLM server answers it.
"""

import json
import re
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qsl, unquote, urlsplit

import orjson

from support.openai_server.replies import completion, embeddings
from support.openai_server.script import Script

Refusal = tuple[int, Any]
AZURE_PATH = re.compile(
    r"/openai/(?:(?:v1/)?models|v1/(?:chat/completions|embeddings)"
    r"|deployments/(?P<deployment>[^/]+)/(?:chat/completions|embeddings))"
)


class Provider:
    """One of them. asked: the path, query and body of each request that was answered."""

    listed: tuple[str, ...] | None = None
    """Of models, where it is not those that it serves."""

    def __init__(self, *models: str, key: str = "") -> None:
        self.models, self.key, self.port = models, key, 0
        self.asked: list[tuple[str, dict[str, str], dict[str, Any]]] = []
        self._script = Script()

    def refuse(self, path: str, query: Mapping[str, str], headers: Any, body: Mapping[str, Any]) -> Refusal | None:
        raise NotImplementedError

    def answer(self, path: str, query: dict[str, str], headers: Any, raw: bytes) -> tuple[int, bytes]:
        body = orjson.loads(raw) if raw else {}
        refused = self.refuse(path, query, headers, body)
        if refused is not None:
            return refused[0], orjson.dumps(refused[1])
        self.asked.append((path, query, body))
        if path.endswith("/models"):
            return 200, orjson.dumps({"object": "list", "data": [{"id": name} for name in self.listed or self.models]})
        if path.endswith("/embeddings"):
            texts = [body["input"]] if isinstance(body["input"], str) else body["input"]
            return 200, embeddings(body, texts, self._script, None)
        return 200, orjson.dumps(completion(body, raw, len(self.asked), self._script, None))


class Ollama(Provider):
    """It takes any key, and names a model that was not pulled."""

    def refuse(self, path: str, query: Mapping[str, str], headers: Any, body: Mapping[str, Any]) -> Refusal | None:
        if path not in ("/v1/models", "/v1/chat/completions", "/v1/embeddings"):
            return 404, "404 page not found"
        if body and body["model"] not in self.models:
            words = f"model '{body['model']}' not found"
            return 404, {"error": {"message": words, "type": "not_found_error", "param": None, "code": None}}
        return None


class VLLM(Provider):
    """It wants its key, and serves one model, for chat or for embeddings. What is too long it refuses."""

    longest = 200

    def refuse(self, path: str, query: Mapping[str, str], headers: Any, body: Mapping[str, Any]) -> Refusal | None:
        if headers.get("Authorization") != f"Bearer {self.key}":
            return 401, {"error": "Unauthorized"}
        served = "/v1/embeddings" if "bge" in self.models[0] else "/v1/chat/completions"
        if path not in ("/v1/models", served):
            return 404, {"detail": "Not Found"}
        if body and body["model"] not in self.models:
            return self._error(404, "NotFoundError", f"The model `{body['model']}` does not exist.", "model")
        if len(body["messages"][-1]["content"]) > self.longest if "messages" in body else False:
            return self._error(400, "BadRequestError", "This model's maximum context length is 50 tokens.", None)
        return None

    def _error(self, status: int, kind: str, words: str, param: str | None) -> Refusal:
        return status, {"error": {"message": words, "type": kind, "param": param, "code": status}}


class Azure(Provider):
    """It wants its key in a header of its own, and either a version and a deployment in the path, or `/openai/v1`.

    It lists base models, whatever is deployed.
    """

    listed = ("gpt-4o-mini", "text-embedding-3-small")

    def refuse(self, path: str, query: Mapping[str, str], headers: Any, body: Mapping[str, Any]) -> Refusal | None:
        found = AZURE_PATH.fullmatch(path)
        versioned = path.startswith("/openai/v1/") or query.get("api-version") == "2024-10-21"
        given = headers.get("api-key")
        if given is None and path.startswith("/openai/v1/"):
            given = headers.get("Authorization", "").removeprefix("Bearer ")
        if given != self.key:
            words = "Access denied due to invalid subscription key or wrong API endpoint."
            return 401, {"error": {"code": "401", "message": words}}
        if found is None or not versioned:
            return 404, {"error": {"code": "404", "message": "Resource not found"}}
        deployment = unquote(found["deployment"]) if found["deployment"] else body.get("model")
        if deployment is not None and deployment not in self.models:
            words = "The API deployment for this resource does not exist."
            return 404, {"error": {"code": "DeploymentNotFound", "message": words}}
        if "forbidden" in json.dumps(body):
            words = "The response was filtered due to the prompt triggering Azure OpenAI's content management policy."
            inner = {"code": "ResponsibleAIPolicyViolation"}
            return 400, {"error": {"code": "content_filter", "message": words, "status": 400, "innererror": inner}}
        return None


@contextmanager
def serving(provider: Provider) -> Iterator[Provider]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            parts = urlsplit(self.path)
            raw = self.rfile.read(int(self.headers.get("Content-Length", 0)))
            status, reply = provider.answer(parts.path, dict(parse_qsl(parts.query)), self.headers, raw)
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(reply)))
            self.end_headers()
            self.wfile.write(reply)

        def do_POST(self) -> None:
            self.do_GET()

        def log_message(self, *_: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        server.daemon_threads = True
        provider.port = server.server_port
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield provider
        finally:
            server.shutdown()
            thread.join()
