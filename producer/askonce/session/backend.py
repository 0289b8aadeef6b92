"""A client's backend: Redis, or the memory of `askonce.testing`. Everything above it is shared."""

from collections.abc import Mapping, Sequence
from typing import Any, Literal, Protocol

from askonce.answer import Answer
from askonce.explanation import Explanation
from askonce.question import Question
from askonce.session.attendance import Attendance
from askonce.session.job_queue import Outcome
from askonce.session.waiting import Waiting

Lane = Literal["interactive", "bulk"]
Status = Literal["queued", "running", "answered", "failed", "unknown"]


class Backend(Protocol):
    """Questions are checked, and have a job id where they are put. A job is named `namespace:job_id`."""

    @property
    def waiting(self) -> Waiting: ...

    @property
    def attendance(self) -> Attendance: ...

    def start(self) -> None:
        """Must be called before waiting for an answer."""
        ...

    async def workers_alive(self) -> int:
        """The number of workers with a heartbeat within their lease."""
        ...

    async def lookup(self, question: Question) -> Answer | None:
        """The cached answer to exactly this question, or None."""
        ...

    async def lookup_many(self, questions: Sequence[Question]) -> list[Answer | None]:
        """The same for the first of these, at least one: as many as one reply holds.

        None also for a question whose job id is known already: that job's result counts.
        """
        ...

    def count_hit(self, question: Question, answer: Answer, seconds: float) -> None:
        """Counts a hit of the two above that is handed out. seconds: how long it took."""
        ...

    async def put_one(self, question: Question, lane: Lane, timeout: float, *, listen: bool) -> None:
        """Raises InvalidQuestion, QueueFull."""
        ...

    async def put_unless_cached(self, question: Question, job_id: str, timeout: float) -> Answer | None:
        """Like `lookup`; without a hit like `put_one` into the interactive lane, listening, under this new id."""
        ...

    async def put(self, questions: Sequence[Question], lane: Lane, timeout: float, *, listen: bool) -> list[Outcome]:
        """What became of each. Raises StoreUnreachable alone."""
        ...

    async def listen(self, jobs: Sequence[str]) -> None:
        """Tells `waiting` about these jobs, at once if they are answered or unknown."""
        ...

    async def peek(self, job: str) -> Answer | None:
        """The answer; None if there is none yet. Raises UnknownJob."""
        ...

    async def status(self, namespace: str, job_ids: Sequence[str]) -> list[Status]: ...

    async def cancel(self, namespace: str, job_ids: Sequence[str]) -> list[bool]: ...

    async def store(self, question: Question, body: Mapping[str, Any], ttl: float) -> bool:
        """ttl: seconds. False if its vector found no room. Raises QueueFull if Redis is nearly full."""
        ...

    async def invalidate(self, epoch: str) -> None:
        """Increments this counter of the epochs."""
        ...

    async def report_wrong(self, namespace: str, job_id: str, *, drop_entry: bool) -> bool:
        """Whether that was new. Raises UnknownJob, AnswerTimeout, and ValueError if nothing was matched."""
        ...

    async def report_right(self, namespace: str, job_id: str) -> bool:
        """Like `report_wrong`."""
        ...

    async def explain(self, question: Question, timeout: float) -> Explanation:
        """timeout: seconds to wait for a worker. Raises QueueFull."""
        ...

    def forget(self, job: str, *, own: bool = False) -> None:
        """Let a job's result expire soon, because the caller has it. own: nobody else knows its id."""
        ...

    async def aclose(self) -> None: ...
