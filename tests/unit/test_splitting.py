"""A chunk that crashed too often becomes jobs of one question each, and these still say what it said."""

from askonce import Question
from askonce.contract.chunk import FUNCTION, pack, unpack
from askonce_worker.answering.chunk_job import split
from askonce_worker.health.parts import PartHealth
from askonce_worker.queue.job_outcomes import Split
from askonce_worker.queue.job_runner import JobRunner
from askonce_worker.queue.leased_job import leased_job
from askonce_worker.queue.worker_options import JobHooks
from support.jobs import job_record

QUESTIONS = [
    Question("one", model="m", namespace="n", job_id="a", ttl=5),
    Question("two", model="other", namespace="n", job_id="b", system="be brief", metadata={"row": 2}),
    Question("three", model="m", namespace="n", job_id="c", params={"temperature": 0}),
]


async def never(*args, **kwargs):
    raise AssertionError("not to be called")


async def test_the_parts_of_a_chunk_are_its_questions_under_the_names_by_which_cancel_finds_them():
    runner = JobRunner(
        {FUNCTION: never}, {}, JobHooks(split, never), leave_slot=print, health=PartHealth(), max_tries=5
    )
    job = leased_job("job", "bulk", "token", 3, 0, job_record(pack("n", 1000, QUESTIONS), 7))
    outcome = await runner.run(job)
    assert isinstance(outcome, Split)
    assert list(outcome.parts) == ["job.a", "job.b", "job.c"]
    assert (outcome.lapses, outcome.failures) == (2, 0)
    for question, record in zip(QUESTIONS, outcome.parts.values(), strict=True):
        part = leased_job("part", "bulk", "token", 2, 0, record)
        chunk = unpack(part.args[0])
        assert (part.questions, part.enqueued_ms, chunk.timeout_ms, chunk.bad) == (1, 7, 1000, ())
        [alone] = chunk.questions
        assert (alone.fingerprint, alone.job_id, alone.ttl) == (question.fingerprint, question.job_id, question.ttl)
        assert (alone.metadata, dict(alone.params)) == (question.metadata, dict(question.params))
