"""Files and batches as OpenAI's Batch API has them, at a speed of their own. The words: `support.llm_server`.

What is true of the provider's is true here: a batch is validated after it was created; its lines are executed one by
one; what is cancelled or expires keeps the lines executed until then, and only these are billed; the lines of a file
come in any order; a file that there is not is null. Nothing runs in the background: each request sees what became of a
batch by its time.
"""

import random
import secrets
import time
from collections import Counter
from dataclasses import dataclass, field
from typing import Any

import orjson

from askonce.contract.counters import tokens as counted
from support.openai_server.replies import completion, error, prompt_tokens, user_text
from support.openai_server.script import Failure, Script

MOST_LINES, MOST_BYTES = 50_000, 200_000_000
LIMIT_WORDS = "Enqueued token limit reached for {model} in organization org-test. Limit: {limit:,} enqueued tokens."


@dataclass
class Line:
    custom_id: str
    raw: bytes
    request: dict[str, Any]
    at: float = 0.0
    """Seconds after the batch's creation, when it is executed."""
    outcome: bytes | None = None
    failed: bool = False
    done: bool = False


@dataclass
class Batch:
    id: str
    body: dict[str, Any]
    created: float
    lines: list[Line]
    errors: list[dict[str, Any]]
    duration: float
    expires: float
    status: str = "validating"
    ended: float | None = None
    cancelled: float | None = None
    output: str | None = None
    error: str | None = None
    counts: Counter[str] = field(default_factory=Counter)

    @property
    def tokens(self) -> int:
        return sum(prompt_tokens(line.request) for line in self.lines)


class Orders:
    """What the test says. Rules for lines are those of `chat`, and `missing` (no line at all), `junk` (no JSON),
    `unrun` (not executed, and in no file)."""

    def __init__(self) -> None:
        self.seconds: float | list[float] = 0.2
        self.validating = 0.0
        self.finalizing = 0.0
        self.cancelling = 0.1
        self.expires = 86_400.0
        self.enqueued: int | None = None
        self.refuses: str | None = None
        self.listed_after = 0.0
        self.trouble = 0.0
        self.lines: list[Failure] = []
        self.steps: list[dict[str, Any]] = []

    def order(self, orders: dict[str, Any]) -> None:
        for name, value in orders.items():
            if name == "lines":
                self.lines = [Failure(**rule) for rule in value]
            elif name in vars(self):
                setattr(self, name, value)
            else:
                raise ValueError(f"no such order: {name}")

    def failure(self, step: str) -> dict[str, Any] | None:
        """`done`: the request has its effect, and its reply is lost."""
        for rule in self.steps:
            if rule["step"] == step and rule.get("times", 1) > 0:
                rule["times"] = rule.get("times", 1) - 1
                return rule
        if random.random() < self.trouble:
            return {"status": random.choice([500, 502, 503]), "done": random.random() < 0.5}
        return None


class Batches:
    def __init__(self, script: Script) -> None:
        self.orders = Orders()
        self._script = script
        self._files: dict[str, bytes] = {}
        self._uploads: list[dict[str, Any]] = []
        self._batches: dict[str, Batch] = {}
        self.texts: Counter[str] = Counter()
        self.requests: Counter[str] = Counter()
        self.prompt_tokens = self.completion_tokens = self.cached_tokens = self.billed = self.bill = 0

    def order(self, orders: dict[str, Any]) -> None:
        finish = orders.pop("finish", False)
        self.orders.order(orders)
        for batch in self._batches.values():
            if finish and batch.ended is None:
                batch.duration = 0.0
                for line in batch.lines:
                    line.at = 0.0

    def stats(self, *, brief: bool) -> dict[str, Any]:
        self._see()
        numbers = ("prompt_tokens", "completion_tokens", "cached_tokens", "billed", "bill")
        sums = {name: getattr(self, name) for name in numbers}
        if brief:
            return sums
        batches = [{**self._object(each), "lines": len(each.lines)} for each in self._batches.values()]
        return {
            **sums,
            "texts": dict(self.texts),
            "requests": dict(self.requests),
            "files": list(self._files),
            "batches": batches,
        }

    def handle(self, method: str, path: str, query: dict[str, str], raw: bytes) -> tuple[int, bytes] | None:
        """Status and body. None: the connection is to be reset."""
        step, act = self._route(method, path.partition("/v1/")[2].split("/"), query, raw)
        if act is None:
            return 404, orjson.dumps(error(404, f"no such path: {path}"))
        self.requests[step] += 1
        self._see()
        failure = self.orders.failure(step)
        if failure is None:
            return act()
        if failure.get("done"):
            act()
        if failure.get("reset"):
            return None
        words = failure.get("message", "told to fail")
        return failure.get("status", 500), orjson.dumps(error(failure.get("status", 500), words, failure.get("code")))

    def _route(self, method: str, parts: list[str], query: dict[str, str], raw: bytes) -> tuple[str, Any]:
        match parts:
            case ["files"] if raw:
                return "upload", lambda: self._upload(raw)
            case ["files"]:
                return "files", lambda: self._list_files(query)
            case ["files", name] if method == "DELETE":
                return "delete", lambda: self._delete(name)
            case ["files", name, "content"]:
                return "content", lambda: self._content(name)
            case ["batches"] if raw:
                return "create", lambda: self._create(orjson.loads(raw))
            case ["batches"]:
                return "list", lambda: self._list(query)
            case ["batches", name]:
                return "look", lambda: self._look(name)
            case ["batches", name, "cancel"]:
                return "cancel", lambda: self._cancel(name)
        return "", None

    def _upload(self, raw: bytes) -> tuple[int, bytes]:
        boundary = raw.partition(b"\r\n")[0]
        parts = {}
        filename = ""
        for part in raw.split(boundary)[1:-1]:
            head, _, body = part.partition(b"\r\n\r\n")
            filename = filename or head.partition(b'filename="')[2].partition(b'"')[0].decode()
            parts[head.partition(b'name="')[2].partition(b'"')[0].decode()] = body[:-2]
        if parts.get("purpose") != b"batch" or len(parts.get("file", b"")) > MOST_BYTES:
            return 400, orjson.dumps(error(400, "not a batch file, or too large"))
        name = f"file-{secrets.token_hex(8)}"
        self._files[name] = parts["file"]
        reply = {"id": name, "object": "file", "bytes": len(parts["file"]), "created_at": int(time.time()),
                 "filename": filename, "purpose": "batch", "status": "processed"}  # fmt: skip
        self._uploads.append(reply)
        return 200, orjson.dumps(reply)

    def _list_files(self, query: dict[str, str]) -> tuple[int, bytes]:
        """The newest first, two a page, whatever was asked for."""
        found = [each for each in reversed(self._uploads) if each["id"] in self._files]
        start = next((at + 1 for at, each in enumerate(found) if each["id"] == query.get("after")), 0)
        page = found[start : start + 2]
        more = start + 2 < len(found)
        return 200, orjson.dumps({"object": "list", "data": page, "has_more": more})

    def _delete(self, name: str) -> tuple[int, bytes]:
        if self._files.pop(name, None) is None:
            return 404, orjson.dumps(error(404, "No such File object"))
        return 200, orjson.dumps({"id": name, "object": "file", "deleted": True})

    def _content(self, name: str) -> tuple[int, bytes]:
        if name not in self._files:
            return 404, orjson.dumps(error(404, "No such File object"))
        return 200, self._files[name]

    def _create(self, body: dict[str, Any]) -> tuple[int, bytes]:
        if body.get("input_file_id") not in self._files:
            return 404, orjson.dumps(error(404, "No such File object"))
        if body.get("completion_window") != "24h" or body.get("endpoint") != "/v1/chat/completions":
            return 400, orjson.dumps(error(400, "malformed"))
        lines, errors = self._read(self._files[body["input_file_id"]])
        seconds = self.orders.seconds
        duration = random.uniform(*seconds) if isinstance(seconds, list) else seconds
        for line in lines:
            line.at = random.uniform(0, duration)
        name = f"batch_{secrets.token_hex(8)}"
        made = Batch(name, body, time.time(), lines, errors, duration, self.orders.expires)
        model = lines[0].request.get("model") if lines else ""
        waiting = sum(each.tokens for each in self._batches.values() if each.ended is None)
        if self.orders.enqueued is not None and waiting + made.tokens > self.orders.enqueued:
            words = LIMIT_WORDS.format(model=model, limit=self.orders.enqueued)
            made.errors = [{"code": "token_limit_exceeded", "message": words, "line": None, "param": None}]
        self._batches[name] = made
        return 200, orjson.dumps(self._object(made))

    def _read(self, content: bytes) -> tuple[list[Line], list[dict[str, Any]]]:
        lines, errors, ids = [], [], set()
        for number, raw in enumerate(filter(None, content.split(b"\n")), 1):
            try:
                record = orjson.loads(raw)
                line = Line(record["custom_id"], orjson.dumps(record["body"]), record["body"])
                assert (record["method"], record["url"]) == ("POST", "/v1/chat/completions")
            except (ValueError, KeyError, AssertionError):
                errors.append({"code": "invalid_json_line", "message": "not a request", "line": number})
                continue
            if line.custom_id in ids or len(line.custom_id) > 64:
                errors.append({"code": "duplicate_custom_id", "message": "twice", "line": number})
            ids.add(line.custom_id)
            lines.append(line)
            if self.orders.refuses is not None and self.orders.refuses in user_text(line.request):
                errors.append({"code": "invalid_request", "message": "a line is not as it should be", "line": number})
        if len({line.request.get("model") for line in lines}) > 1:
            errors.append({"code": "mismatched_model", "message": "more than one model", "line": None})
        if len(lines) > MOST_LINES or not lines:
            errors.append({"code": "too_many_tasks", "message": "too many, or none", "line": None})
        return lines, errors

    def _list(self, query: dict[str, str]) -> tuple[int, bytes]:
        now = time.time()
        newest_first = [
            each for each in reversed(self._batches.values()) if each.created + self.orders.listed_after <= now
        ]
        if "after" in query:
            names = [each.id for each in newest_first]
            newest_first = newest_first[names.index(query["after"]) + 1 :] if query["after"] in names else []
        limit = int(query.get("limit", "20"))
        page = [self._object(each) for each in newest_first[:limit]]
        reply = {"object": "list", "data": page, "first_id": page[0]["id"] if page else None,
                 "last_id": page[-1]["id"] if page else None, "has_more": len(newest_first) > limit}  # fmt: skip
        return 200, orjson.dumps(reply)

    def _look(self, name: str) -> tuple[int, bytes]:
        if name not in self._batches:
            return 404, orjson.dumps(error(404, "No batch found"))
        return 200, orjson.dumps(self._object(self._batches[name]))

    def _cancel(self, name: str) -> tuple[int, bytes]:
        batch = self._batches.get(name)
        if batch is None or batch.ended is not None:
            return 409, orjson.dumps(error(409, "Cannot cancel"))
        batch.cancelled = batch.cancelled or time.time()
        batch.status = "cancelling"
        return 200, orjson.dumps(self._object(batch))

    def _see(self) -> None:
        now = time.time()
        for batch in self._batches.values():
            if batch.ended is None:
                self._advance(batch, now)

    def _advance(self, batch: Batch, now: float) -> None:
        age = now - batch.created
        if age < self.orders.validating:
            return
        if batch.errors:
            batch.status, batch.ended = "failed", now
            return
        until = min(age, batch.expires, (batch.cancelled or now) - batch.created)
        for line in batch.lines:
            if not line.done and line.at <= until:
                self._execute(batch, line)
        if batch.cancelled:
            over = now >= batch.cancelled + self.orders.cancelling
            batch.status = "cancelled" if over else "cancelling"
        elif age >= batch.expires and batch.duration > batch.expires:
            over, batch.status = True, "expired"
        else:
            over = age >= batch.duration + self.orders.finalizing
            executed = age >= batch.duration
            batch.status = "completed" if over else "finalizing" if executed else "in_progress"
        if over:
            batch.ended = now
            self._write(batch)

    def _execute(self, batch: Batch, line: Line) -> None:
        line.done = True
        text = user_text(line.request)
        rule = next((rule for rule in self.orders.lines if rule.takes([text], "")), None)
        if rule is not None and rule.kind == "unrun":
            line.failed = True
            return
        if rule is not None and rule.kind == "status":
            line.failed = True
            batch.counts["failed"] += 1
            body = error(rule.status, rule.message, rule.code)
            line.outcome = _output(line, {"status_code": rule.status, "request_id": "req", "body": body})
            return
        self.billed += 1
        self.texts[text] += 1
        reply = completion(line.request, line.raw, self.billed, self._script, rule)
        self.bill += self._script.charge(line.request.get("model", ""), reply, "batch")
        for name, tokens in zip(("prompt_tokens", "completion_tokens", "cached_tokens"), counted(reply), strict=True):
            setattr(self, name, getattr(self, name) + tokens)
        batch.counts["completed"] += 1
        line.outcome = _output(line, {"status_code": 200, "request_id": "req", "body": reply})
        if rule is not None and rule.kind in ("missing", "junk"):
            line.outcome = b"" if rule.kind == "missing" else b'{"custom_id": "torn'

    def _write(self, batch: Batch) -> None:
        good = [line.outcome for line in batch.lines if line.done and not line.failed and line.outcome]
        bad = [line.outcome for line in batch.lines if line.done and line.failed and line.outcome]
        code = f"batch_{batch.status}"
        bad += [_output(line, None, code) for line in batch.lines if not line.done]
        for name, lines in (("output", good), ("error", bad)):
            if lines:
                random.shuffle(lines)
                file_id = f"file-{secrets.token_hex(8)}"
                self._files[file_id] = b"\n".join(lines) + b"\n"
                setattr(batch, name, file_id)

    def _object(self, batch: Batch) -> dict[str, Any]:
        counts = {"total": len(batch.lines), **{name: batch.counts[name] for name in ("completed", "failed")}}
        return {
            "id": batch.id,
            "object": "batch",
            "endpoint": batch.body["endpoint"],
            "errors": {"object": "list", "data": batch.errors} if batch.status == "failed" else None,
            "input_file_id": batch.body["input_file_id"],
            "completion_window": "24h",
            "status": batch.status,
            "output_file_id": batch.output,
            "error_file_id": batch.error or ("" if batch.ended else None),
            "created_at": int(batch.created),
            "request_counts": counts,
            "metadata": batch.body.get("metadata"),
        }


def _output(line: Line, response: dict[str, Any] | None, code: str = "") -> bytes:
    said = {"code": code, "message": "This request could not be executed."} if response is None else None
    return orjson.dumps({"id": "batch_req", "custom_id": line.custom_id, "response": response, "error": said})
