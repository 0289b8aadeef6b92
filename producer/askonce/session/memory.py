"""A queue, a cache and a worker in the memory of one process: what `askonce.testing` stands on."""

import asyncio
import inspect
import time
from collections import Counter
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from askonce.answer import Answer, AnswerError, ErrorKind
from askonce.contract.completion import CompletionVerdict, fault, text_body, verdict
from askonce.contract.keys import epoch_fields
from askonce.errors import AnswerTimeout, InvalidQuestion, QueueFull, UnknownJob
from askonce.question import Question
from askonce.session.attendance import Attendance
from askonce.session.backend import Lane, Status
from askonce.session.job_queue import Outcome
from askonce.session.waiting import Waiting
from askonce.session.wrong_hits import no_answer, no_pair

Said = str | Mapping[str, Any] | Answer
Answering = Callable[[Question], Said | Awaitable[Said]]


@dataclass(slots=True)
class Job:
    """deadline: of time.monotonic."""

    question: Question
    lane: Lane
    deadline: float
    status: Status = "queued"
    answer: Answer | None = None


@dataclass(frozen=True, slots=True)
class Entry:
    body: Mapping[str, Any]
    created_at: int
    expires: float
    epochs: tuple[int, ...]


class Memory:
    """asked: the questions that no cache answered, in order."""

    def __init__(self, answering: Answering, *, max_queued: int, cache_ttl: float) -> None:
        self.waiting = Waiting()
        self.asked: list[Question] = []
        self._answering = answering
        self._max_queued = max_queued
        self._cache_ttl = cache_ttl
        self._entries: dict[str, Entry] = {}
        self._epochs: Counter[str] = Counter()
        self._jobs: dict[str, Job] = {}
        self._load: Counter[Lane] = Counter()
        self._tasks: set[asyncio.Task[None]] = set()
        self._paused = False
        self.attendance = Attendance(self.workers_alive)

    async def workers_alive(self) -> int:
        await asyncio.sleep(0)
        return 0 if self._paused else 1

    def start(self) -> None:
        pass

    def pause(self) -> None:
        """From now on questions wait in the queue."""
        self._paused = True

    def resume(self) -> None:
        self._paused = False
        for name, job in self._jobs.items():
            if job.status == "queued":
                self._work(name, job)

    async def lookup(self, question: Question) -> Answer | None:
        await asyncio.sleep(0)
        return self._cached(question)

    async def lookup_many(self, questions: Sequence[Question]) -> list[Answer | None]:
        await asyncio.sleep(0)
        known = (f"{question.namespace}:{question.job_id}" in self._jobs for question in questions)
        return [None if job else self._cached(question) for question, job in zip(questions, known, strict=True)]

    def count_hit(self, question: Question, answer: Answer, seconds: float) -> None:
        pass

    async def put_one(self, question: Question, lane: Lane, timeout: float, *, listen: bool) -> None:  # noqa: ARG002
        await asyncio.sleep(0)
        error = self._accept(question, lane, timeout)
        if error is not None:
            raise error

    async def put(self, questions: Sequence[Question], lane: Lane, timeout: float, *, listen: bool) -> list[Outcome]:  # noqa: ARG002
        await asyncio.sleep(0)
        return [self._accept(question, lane, timeout) for question in questions]

    async def listen(self, jobs: Sequence[str]) -> None:
        await asyncio.sleep(0)
        for name in jobs:
            job = self._jobs.get(name)
            if job is None:
                self.waiting.vanished(name)
            elif job.answer is not None:
                self.waiting.arrived(name, job.answer)

    async def peek(self, job: str) -> Answer | None:
        await asyncio.sleep(0)
        if job not in self._jobs:
            raise UnknownJob(job.partition(":")[2])
        return self._jobs[job].answer

    async def status(self, namespace: str, job_ids: Sequence[str]) -> list[Status]:
        await asyncio.sleep(0)
        jobs = [self._jobs.get(f"{namespace}:{job_id}") for job_id in job_ids]
        return ["unknown" if job is None else job.status for job in jobs]

    async def cancel(self, namespace: str, job_ids: Sequence[str]) -> list[bool]:
        await asyncio.sleep(0)
        return [self._cancel(f"{namespace}:{job_id}") for job_id in job_ids]

    async def store(self, question: Question, body: Mapping[str, Any], ttl: float) -> bool:
        await asyncio.sleep(0)
        self._store(question, body, ttl)
        return True

    def _store(self, question: Question, body: Mapping[str, Any], ttl: float) -> None:
        entry = Entry(body, int(time.time()), time.monotonic() + ttl, self._stamp(question))
        self._entries[question.fingerprint] = entry

    def _stamp(self, question: Question) -> tuple[int, ...]:
        return tuple(self._epochs[field] for field in epoch_fields(question.namespace or "", question.model or ""))

    async def invalidate(self, epoch: str) -> None:
        await asyncio.sleep(0)
        self._epochs[epoch] += 1

    async def report_wrong(self, namespace: str, job_id: str, *, drop_entry: bool) -> bool:
        """Nothing but equal questions ever match here."""
        answer = await self.peek(f"{namespace}:{job_id}")
        if answer is None:
            raise AnswerTimeout(job_id)
        if answer.status == "failed":
            raise ValueError(no_answer(job_id))
        if not drop_entry:
            raise ValueError(no_pair(job_id))
        return self._entries.pop(self._jobs[f"{namespace}:{job_id}"].question.fingerprint, None) is not None

    def forget(self, job: str) -> None:
        pass

    async def aclose(self) -> None:
        """The queue goes on without this client, as it does in Redis."""

    def _accept(self, question: Question, lane: Lane, timeout: float) -> Outcome:
        name = f"{question.namespace}:{question.job_id}"
        known = self._jobs.get(name)
        if known is not None:
            if known.question.fingerprint == question.fingerprint:
                return None
            return InvalidQuestion(f"job id {question.job_id} stands for another question already")
        if self._max_queued and self._load[lane] >= self._max_queued:
            return QueueFull(f"the {lane} lane is full", retry_after=0.05)
        job = self._jobs[name] = Job(question, lane, time.monotonic() + timeout)
        self._load[lane] += 1
        if not self._paused:
            self._work(name, job)
        return None

    def _cancel(self, name: str) -> bool:
        job = self._jobs.get(name)
        if job is None or job.status != "queued":
            return False
        self._publish(name, job, _failed("cancelled", "cancelled before it was asked"))
        return True

    def _work(self, name: str, job: Job) -> None:
        job.status = "running"
        task = asyncio.create_task(self._answer(name, job))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _answer(self, name: str, job: Job) -> None:
        left = max(0.0, job.deadline - time.monotonic())
        try:
            async with asyncio.timeout(left) as limit:
                await asyncio.sleep(0)
                cached = self._cached(job.question) if job.question.cache == "use" else None
                answer = cached or await self._ask(job.question)
        except TimeoutError as error:
            late = "the question's deadline passed before it was answered"
            answer = _failed("expired", late) if limit.expired() else _failed("timeout", str(error))
        except Exception as error:  # noqa: BLE001 - as a provider's error would, it fails this one question
            answer = _failed("server_error", f"{type(error).__name__}: {error}")
        self._publish(name, job, answer)

    async def _ask(self, question: Question) -> Answer:
        self.asked.append(question)
        epochs = self._stamp(question)
        said = self._answering(question)
        if inspect.isawaitable(said):
            said = await said
        if isinstance(said, Answer):
            return said
        body = text_body(said, model=question.model or "") if isinstance(said, str) else said
        try:
            found, broken_off = verdict(body), fault(body)
        except (KeyError, TypeError, ValueError, AttributeError):
            return _failed("invalid_response", "what was said is no chat completion")
        if broken_off is not None:
            return _failed("server_error", broken_off)
        if found is CompletionVerdict.GOOD and question.cache != "bypass" and epochs == self._stamp(question):
            self._store(question, dict(body), question.ttl or self._cache_ttl)
        return Answer(None, "answered", source="llm", model=body.get("model") or question.model, body=body)

    def _publish(self, name: str, job: Job, answer: Answer) -> None:
        job.answer = replace(answer, job_id=job.question.job_id, metadata=job.question.metadata)
        job.status = answer.status
        self._load[job.lane] -= 1
        self.waiting.arrived(name, job.answer)

    def _cached(self, question: Question) -> Answer | None:
        entry = self._entries.get(question.fingerprint)
        if entry is None or entry.expires <= time.monotonic() or entry.epochs != self._stamp(question):
            return None
        return Answer(
            question.job_id,
            "answered",
            source="exact",
            model=entry.body.get("model") or question.model,
            cached_at=entry.created_at,
            metadata=question.metadata,
            body=entry.body,
        )


def _failed(kind: ErrorKind, message: str) -> Answer:
    return Answer(None, "failed", error=AnswerError(kind, message))
