"""A leased job: the result of a claim, and the contents of arq's job record."""

from dataclasses import dataclass, field
from typing import Any

import orjson

from askonce.contract.chunk import FUNCTION
from askonce.readable import read_object, text_of, time_of
from askonce_worker.queue.flow import Flow


class Unworkable(Exception):
    """Retrying this job would not help, so it is buried at once. The message quotes none of its contents."""


class Suspicious(Exception):
    """Workers died doing what this job is about to do, so it must run in a process without other jobs."""


@dataclass(slots=True)
class JobEnd:
    """Ends a job together with the last of its answers, in one script.

    left: ids of questions whose answers were not handed over yet. spoiled: an answer could not be sent. under_way: the
    script is in flight. done: the job has ended.
    """

    left: set[str] = field(default_factory=set)
    spoiled: bool = False
    under_way: bool = False
    done: bool = False


@dataclass(frozen=True, slots=True)
class Seen:
    """What a claim read for the only question of its job, as returned by seen.lua.

    position: the coalescer's position before that.
    """

    position: Any
    namespace: bytes
    job_id: bytes
    model: bytes
    marker: bytes
    entry: bytes
    epochs: list[bytes | None]
    wrong: bytes
    dropped: bytes


@dataclass(frozen=True, slots=True)
class LeasedJob:
    """job, lane: its origin. token: proves the lease. lapses, failures: how often it went wrong before.

    record: arq's job record as stored in Redis. malformed: why it is malformed, else ''. questions: how many it counts
    for in the load; 0 for a foreign job. flow: whose share of the worker it uses. seen: what the claim read for it.
    """

    job: str
    lane: str
    token: str
    lapses: int
    failures: int
    record: bytes
    flow: Flow
    function: str = ""
    args: tuple[Any, ...] = ()
    kwargs: dict[str, Any] | None = None
    enqueued_ms: int = 0
    questions: int = 0
    malformed: str = ""
    end: JobEnd = field(default_factory=JobEnd, compare=False)
    seen: Seen | None = None

    @property
    def key(self) -> tuple[str, str]:
        """Identifies one lease. The same job may return to the same worker under another token."""
        return self.job, self.token


def leased_job(
    job: str, lane: str, token: str, lapses: int, failures: int, record: bytes, seen: Seen | None = None
) -> LeasedJob:
    try:
        call = read_object(record)
        function, args, kwargs, enqueued = text_of(call, "f"), call["a"], call["k"], time_of(call, "et")
        if not (isinstance(args, list) and isinstance(kwargs, dict)):
            raise TypeError("not a call")
        return LeasedJob(
            job, lane, token, lapses, failures, record, _flow(lane, args),
            function, tuple(args), kwargs, enqueued, _questions(function, args), seen=seen,
        )  # fmt: skip
    except (ValueError, TypeError, KeyError) as error:
        malformed = f"malformed record: {type(error).__name__}"
        return LeasedJob(job, lane, token, lapses, failures, record, _flow(lane, []), malformed=malformed)


def part_name(job: str, record: bytes) -> str:
    """The name of the part of a split job with this record. It tells cancel.lua and status.lua which question is
    running.

    Raises ValueError, KeyError, TypeError.
    """
    return f"{job}.{orjson.loads(record)['a'][0]['questions'][0]['id']}"


def _questions(function: str, args: list[Any]) -> int:
    if function != FUNCTION or not args or not isinstance(args[0], dict):
        return 0
    questions = args[0].get("questions")
    return len(questions) if isinstance(questions, list) else 0


def _flow(lane: str, args: list[Any]) -> Flow:
    """The flow of its first scope: the questions of a chunk share a namespace and usually a model."""
    chunk = args[0] if args and isinstance(args[0], dict) else {}
    scopes = chunk.get("scopes")
    scope = scopes[0] if isinstance(scopes, list) and scopes and isinstance(scopes[0], dict) else {}
    scope = scope["fields"] if isinstance(scope.get("fields"), dict) else scope
    namespace, model = chunk.get("namespace"), scope.get("model")
    return Flow(lane, namespace if isinstance(namespace, str) else "", model if isinstance(model, str) else "")
