"""What a reader of a page has already: files that the page only names, and what was asked before."""

import contextlib
import gzip
import json
import secrets
import sqlite3
from dataclasses import dataclass
from pathlib import Path

import orjson
from redis import Redis

from askonce import Answer, Client, Question
from askonce.batch.line_format import Line
from askonce.batch.output_format import output_record
from askonce.contract.audit import Label, encode_label, group_id
from askonce.contract.keys import Keys
from support.page_data import dead_letters
from support.worker_process import until

OPEN = "How do I open a CSV file in Python?"
GROUP = group_id("default", "gpt-4o-mini", None)


@dataclass(frozen=True, slots=True)
class Reader:
    """folder: where he works. settings: those of his shell."""

    folder: Path
    settings: dict[str, str]

    def write(self, name: str, text: str) -> None:
        (self.folder / name).write_text(text, "utf-8")

    def rows(self, name: str, rows: list[dict]) -> None:
        self.write(name, "".join(json.dumps(row) + "\n" for row in rows))

    def client(self) -> Client:
        return Client(self.settings["ASKONCE_REDIS_URL"], model="gpt-4o-mini")


async def batch_files(reader: Reader) -> dict[str, str]:
    reader.write("in.txt", "Where is my parcel?\nI want my money back.\n")
    reader.write("prompt.txt", "Classify the message of a customer: {text}")
    reader.rows("rows.jsonl", [{"question": "What is a monad?", "answer": "A burrito.", "model": "gpt-4o-mini"}])
    letters = dead_letters()
    with Redis.from_url(reader.settings["ASKONCE_REDIS_URL"]) as redis:
        redis.hset(Keys().dead, mapping=letters)
    return {"JOB": next(iter(letters))}


async def explain(reader: Reader) -> dict[str, str]:
    async with reader.client() as client:
        await client.ask(OPEN, cache="refresh", timeout=60)  # what other pages have asked may answer it

        async def is_found():
            found = await client.explain("How do I close a CSV file in Python?", timeout=30)
            return [near for near in found.in_scope if near.question == OPEN]

        await until(is_found, what="its vector in Qdrant")
    return {}


async def matching(reader: Reader) -> dict[str, str]:
    """A batch of which the seventh row was matched, an answer by its job id, and a question in another scope."""
    question, answer = await matched(reader)
    assert answer.job_id is not None
    line = output_record(Line(7, "row-7", question), answer.job_id, answer)
    reader.write("out.jsonl", orjson.dumps(line).decode() + "\n")
    async with reader.client() as client:
        await client.ask("How do I parse JSON in Python?", params={"temperature": 0}, timeout=60)
    return {"JOB_ID": answer.job_id}


async def wrong_hits(reader: Reader) -> dict[str, str]:
    label = Label(
        group=GROUP, asked=secrets.token_urlsafe(32), entry=secrets.token_urlsafe(32), question="how tall is it?",
        matched="what is its height?", similarity=0.97, margin=0.1, density=0.5, score=0.97, version=1, bin=7,
        found="served", right=None, by="", weight=20.0, judged=None,
    )  # fmt: skip
    with Redis.from_url(reader.settings["ASKONCE_REDIS_URL"]) as redis:
        redis.hset(Keys().audit.waiting, label.id, encode_label(label))
    return {"JOB_ID": (await matched(reader))[1].job_id, "ID": label.id}


async def matched(reader: Reader) -> tuple[Question, Answer]:
    """A question that got the answer to another one, in words that nobody has used before."""
    about = secrets.token_hex(4)
    question = Question(f"How can I open a file called {about}?", job_id=f"job-{about}")
    async with reader.client() as client:
        await client.ask(f"How do I open a file called {about}?", timeout=60)
        answer = await client.ask(question, timeout=60)
    assert answer.matched_question is not None, answer
    return question.checked(namespace="default", model="gpt-4o-mini"), answer


async def migrating(reader: Reader) -> dict[str, str]:
    """What GPTCache and RedisVL have kept, as they keep it."""
    with contextlib.closing(sqlite3.connect(reader.folder / "sqlite.db")) as database, database:
        database.execute("CREATE TABLE gptcache_question (id INTEGER PRIMARY KEY, question VARCHAR, deleted INTEGER)")
        database.execute(
            "CREATE TABLE gptcache_answer (id INTEGER PRIMARY KEY, question_id INTEGER, answer VARCHAR, "
            "answer_type INTEGER)"
        )
        database.execute("INSERT INTO gptcache_question VALUES (1, 'What is a comonad?', 0)")
        database.execute("INSERT INTO gptcache_answer VALUES (1, 1, 'The dual of a monad.', 0)")
    with Redis.from_url(reader.settings["ASKONCE_REDIS_URL"]) as redis:
        redis.hset("llmcache:1", mapping={"prompt": "What is a functor?", "response": "A map of maps."})
    return {}


async def producers(reader: Reader) -> dict[str, str]:
    reader.write("messages.txt", "Where is my parcel?\nI want my money back.\n")
    return {}


async def replay(reader: Reader) -> dict[str, str]:
    reply = {"role": "assistant", "content": "In Italy."}
    row = {
        "request_id": "r", "call_type": "acompletion", "spend": 0.00042, "prompt_tokens": 20, "completion_tokens": 4,
        "startTime": "2026-05-04T10:00:00Z", "endTime": "2026-05-04T10:00:02Z", "model": "gpt-4o-mini",
        "status": "success", "response": json.dumps({"choices": [{"finish_reason": "stop", "message": reply}]}),
        "proxy_server_request": json.dumps({"messages": [{"role": "user", "content": "Where is Rome?"}]}),
    }  # fmt: skip
    with gzip.open(reader.folder / "spend-logs.jsonl.gz", "wt") as file:
        file.write(json.dumps(row) + "\n")
    return {}


async def tables(reader: Reader) -> dict[str, str]:
    import pyarrow as pa
    from pyarrow import parquet

    columns = {"review_id": [1, 2], "product": ["kettle", "kettle"], "review": ["It leaks.", "I like it."]}
    parquet.write_table(pa.table(columns), reader.folder / "in.parquet")
    reader.rows("in.jsonl", [{"text": "Good morning."}])
    return {}


async def thresholds(reader: Reader) -> dict[str, str]:
    """So many pairs that they show how rare a wrong hit is: the guard refuses all that need two answers."""
    pairs = [
        {
            "a": f"tell me of it [g{at}]",
            "b": f"please {'' if at % 2 else 'never '}tell me of it [g{at}]",
            "same": bool(at % 2),
        }
        for at in range(900)
    ]
    reader.rows("pairs.jsonl", pairs)
    reader.rows("questions.jsonl", [{"text": f"word {at} [g{at % 20}]", "label": str(at % 20)} for at in range(60)])
    return {}


INPUTS = {
    "docs/batch-files.md": batch_files,
    "docs/explain.md": explain,
    "docs/matching.md": matching,
    "docs/migrating.md": migrating,
    "docs/producers.md": producers,
    "docs/replay.md": replay,
    "docs/tables.md": tables,
    "docs/thresholds.md": thresholds,
    "docs/wrong-hits.md": wrong_hits,
}
