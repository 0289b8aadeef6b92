"""What the test server has seen of one endpoint."""

from collections import Counter, deque
from typing import Any

import orjson

MAX_TEXTS = 200_000
MAX_REQUESTS = 20_000


class Counters:
    def __init__(self) -> None:
        self.calls = 0
        self.answered = 0
        self.failed = 0
        self.refused_by_limit = 0
        self.disconnected = 0
        self.in_flight = 0
        self.max_in_flight = 0
        self.inputs = 0
        self.max_batch = 0
        self.max_batch_bytes = 0
        self.prompt_tokens = 0
        self.completion_tokens = 0
        self.cached_tokens = 0
        self.bill = 0
        self.texts: Counter[str] = Counter()
        self.texts_not_counted = 0
        self.requests: deque[tuple[float, bytes, str, dict[str, str]]] = deque(maxlen=MAX_REQUESTS)

    def arrived(self, now: float, texts: list[str], raw: bytes, path: str, headers: dict[str, str]) -> None:
        self.calls += 1
        self.in_flight += 1
        self.max_in_flight = max(self.max_in_flight, self.in_flight)
        self.inputs += len(texts)
        self.max_batch = max(self.max_batch, len(texts))
        self.requests.append((now, raw, path, headers))
        for text in texts:
            if len(self.texts) < MAX_TEXTS or text in self.texts:
                self.texts[text] += 1
            else:
                self.texts_not_counted += 1

    def tokens(self, prompt: int, completion: int, cached: int = 0) -> None:
        self.prompt_tokens += prompt
        self.completion_tokens += completion
        self.cached_tokens += cached

    def report(self, *, brief: bool) -> dict[str, Any]:
        numbers = {name: value for name, value in vars(self).items() if isinstance(value, int)}
        numbers["distinct_texts"] = len(self.texts)
        numbers["most_calls_of_a_text"] = max(self.texts.values(), default=0)
        if brief:
            return numbers
        requests = [
            {
                "at": at,
                "body": orjson.Fragment(raw),
                "path": path,
                "authorization": headers.get("authorization", ""),
                "api-key": headers.get("api-key"),
            }
            for at, raw, path, headers in self.requests
        ]
        return {**numbers, "texts": dict(self.texts), "requests": requests}
