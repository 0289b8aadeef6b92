"""Batches as the official SDK makes them, and what becomes of them."""

import secrets

import openai
import orjson

from support.worker_process import until

URL = "/v1/chat/completions"
ENDED = {"completed", "failed", "expired", "cancelled"}
FILE_BYTES, FILE_LINES = 400_000, 1000
MOST_FILES, OPEN_BATCHES = 10, 3


async def end_of(batches, batch):
    """The record of a batch of the namespace n, once it has ended."""

    async def ended():
        found = await batches.get("n", batch.id)
        return found if found.status in ENDED else None

    return await until(ended, what="the end")


def request(custom_id, text, **changes):
    body = {"model": "m", "messages": [{"role": "user", "content": text}]}
    return {"custom_id": custom_id, "method": "POST", "url": URL, "body": body, **changes}


def jsonl(*requests):
    return b"".join(orjson.dumps(each) + b"\n" for each in requests)


def questions(count, subject="a"):
    return jsonl(*[request(f"id-{n}", f"What is {subject}{n:03}?") for n in range(count)])


def settings_of(valkey_url, llm, directory):
    return {
        "ASKONCE_REDIS_URL": valkey_url,
        "ASKONCE_KEY_PREFIX": f"test-{secrets.token_hex(4)}",
        "ASKONCE_SERVE_FILES": str(directory),
        "ASKONCE_SERVE_FILE_BYTES": str(FILE_BYTES),
        "ASKONCE_SERVE_FILE_LINES": str(FILE_LINES),
        "ASKONCE_SERVE_MOST_FILES": str(MOST_FILES),
        "ASKONCE_SERVE_OPEN_BATCHES": str(OPEN_BATCHES),
        "ASKONCE_CHUNKS": "2",
        "ASKONCE_CHUNK_SIZE": "16",
        "OPENAI_BASE_URL": llm.base_url,
        "OPENAI_API_KEY": "test",
    }


def sdk_of(door, namespace, key="none"):
    return openai.AsyncOpenAI(
        base_url=door.base_url, api_key=key, max_retries=0, default_headers={"x-askonce-namespace": namespace}
    )


async def made(sdk, data, **options):
    file = await sdk.files.create(file=("in.jsonl", data), purpose="batch")
    options = {"endpoint": URL, "completion_window": "24h", **options}
    return await sdk.batches.create(input_file_id=file.id, **options)


async def at_its_end(sdk, batch, seconds=60):
    async def ended():
        found = await sdk.batches.retrieve(batch.id)
        return found if found.status in ENDED else None

    return await until(ended, seconds=seconds, what="the end of the batch")


async def lines_of(sdk, file_id):
    return [orjson.loads(line) for line in (await sdk.files.content(file_id)).content.splitlines()]
