"""An in-memory queue, on which `askonce.testing` is built."""

import asyncio
import time
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from askonce.answer import Answer
from askonce.contract.exact_entry import by_exact_entry
from askonce.errors import AnswerTimeout, InvalidQuestion, QueueFull, UnknownJob
from askonce.explanation import Explanation
from askonce.question import Question
from askonce.session.attendance import NO_WORKERS, Attendance
from askonce.session.backend import Lane, Status
from askonce.session.job_queue import Outcome
from askonce.session.memory_worker import Answering, MemoryWorker, failure
from askonce.session.waiting import Waiting
from askonce.session.wrong_hits import no_answer, no_pair, own_answer


@dataclass(slots=True)
class MemoryJob:
    """deadline: of time.monotonic."""

    question: Question
    lane: Lane
    deadline: float
    status: Status = "queued"
    answer: Answer | None = None


class Memory:
    """max_queued: questions in a lane, 0 for no bound. cache_ttl: seconds."""

    def __init__(self, answering: Answering, *, max_queued: int, cache_ttl: float) -> None:
        self.waiting = Waiting()
        self.attendance = Attendance(self.workers_alive)
        self._worker = MemoryWorker(answering, cache_ttl)
        self._max_queued = max_queued
        self._jobs: dict[str, MemoryJob] = {}
        self._load: Counter[Lane] = Counter()
        self._tasks: set[asyncio.Task[None]] = set()
        self._paused = False

    @property
    def asked(self) -> list[Question]:
        """The questions that no cache answered, in order."""
        return self._worker.asked

    def start(self) -> None:
        pass

    def pause(self) -> None:
        """Makes questions wait in the queue from now on."""
        self._paused = True

    def resume(self) -> None:
        self._paused = False
        for name, job in self._jobs.items():
            if job.status == "queued":
                self._work(name, job)

    async def workers_alive(self) -> int:
        await asyncio.sleep(0)
        return 0 if self._paused else 1

    async def lookup(self, question: Question) -> Answer | None:
        await asyncio.sleep(0)
        return self._worker.cached(question)

    async def lookup_many(self, questions: Sequence[Question]) -> list[Answer | None]:
        await asyncio.sleep(0)
        known = (f"{question.namespace}:{question.job_id}" in self._jobs for question in questions)
        return [None if job else self._worker.cached(question) for question, job in zip(questions, known, strict=True)]

    def count_hit(self, question: Question, answer: Answer, seconds: float) -> None:
        pass

    async def put_one(self, question: Question, lane: Lane, timeout: float, *, listen: bool) -> None:  # noqa: ARG002
        await asyncio.sleep(0)
        error = self._accept(question, lane, timeout)
        if error is not None:
            raise error

    async def put_unless_cached(self, question: Question, job_id: str, timeout: float) -> Answer | None:
        cached = await self.lookup(question)
        if cached is None:
            await self.put_one(question.with_fields(job_id=job_id), "interactive", timeout, listen=True)
        return cached

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
        self._worker.store(question, body, ttl)
        return True

    async def invalidate(self, epoch: str) -> None:
        await asyncio.sleep(0)
        self._worker.invalidate(epoch)

    async def report_wrong(self, namespace: str, job_id: str, *, drop_entry: bool) -> bool:
        """Only equal questions ever match here."""
        await self._answered(namespace, job_id)
        if not drop_entry:
            raise ValueError(no_pair(job_id))
        return self._worker.drop(self._jobs[f"{namespace}:{job_id}"].question.fingerprint)

    async def report_right(self, namespace: str, job_id: str) -> bool:
        await self._answered(namespace, job_id)
        raise ValueError(own_answer(job_id))

    async def _answered(self, namespace: str, job_id: str) -> None:
        answer = await self.peek(f"{namespace}:{job_id}")
        if answer is None:
            raise AnswerTimeout(job_id)
        if answer.status == "failed":
            raise ValueError(no_answer(job_id))

    async def explain(self, question: Question, timeout: float) -> Explanation:  # noqa: ARG002 - it never waits
        await asyncio.sleep(0)
        found = self._worker.explained(question)
        if self._paused:
            alone = by_exact_entry(question, found.epochs, found.exact)
            return replace(alone, note=NO_WORKERS)
        return found

    def forget(self, job: str, *, own: bool = False) -> None:
        pass

    async def aclose(self) -> None:
        """The queue continues without this client, as it does in Redis."""

    def _accept(self, question: Question, lane: Lane, timeout: float) -> Outcome:
        name = f"{question.namespace}:{question.job_id}"
        known = self._jobs.get(name)
        if known is not None:
            if known.question.fingerprint == question.fingerprint:
                return None
            return InvalidQuestion(f"job id {question.job_id} already belongs to another question")
        if self._max_queued and self._load[lane] >= self._max_queued:
            return QueueFull(f"the {lane} lane is full", retry_after=0.05)
        job = self._jobs[name] = MemoryJob(question, lane, time.monotonic() + timeout)
        self._load[lane] += 1
        if not self._paused:
            self._work(name, job)
        return None

    def _cancel(self, name: str) -> bool:
        job = self._jobs.get(name)
        if job is None or job.status != "queued":
            return False
        self._publish(name, job, failure("cancelled", "cancelled before it was asked"))
        return True

    def _work(self, name: str, job: MemoryJob) -> None:
        job.status = "running"
        task = asyncio.create_task(self._answer(name, job))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _answer(self, name: str, job: MemoryJob) -> None:
        left = max(0.0, job.deadline - time.monotonic())
        self._publish(name, job, await self._worker.answer(job.question, left))

    def _publish(self, name: str, job: MemoryJob, answer: Answer) -> None:
        job.answer = replace(answer, job_id=job.question.job_id, metadata=job.question.metadata)
        job.status = answer.status
        self._load[job.lane] -= 1
        self.waiting.arrived(name, job.answer)
