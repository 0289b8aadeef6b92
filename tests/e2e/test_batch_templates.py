"""`askonce batch` and templates, with real workers: what a prompt around the texts costs, and what it keeps apart."""

import random

import pytest

from support.batch_command import Command, content, request
from support.batch_runs import records
from support.worker_process import workers

PROMPT = " ".join(
    f"Rule {number}: a message about {topic} belongs to the category called {topic}, whatever else it may say."
    for number, topic in enumerate(("parcels", "refunds", "invoices", "accounts", "contracts", "opening hours"), 1)
)


@pytest.mark.timeout(400)
async def test_a_long_prompt_costs_as_many_calls_as_the_bare_messages(batch_settings, llm_server, tmp_path):
    """400 messages of other words, and 100 that say the same in nearly the same: a prompt of a hundred words around
    them changes nothing."""
    chance = random.Random(3)
    words = [f"{a}{b}" for a in ("ba", "do", "fu", "ke", "li", "mo") for b in ("ra", "sto", "ti", "vel", "wun", "zig")]
    different = [" ".join(chance.sample(words, 6)) for _ in range(400)]
    messages = [*different, *(f"please {text}" for text in different[:100])]
    command = Command(tmp_path, {**batch_settings, "ASKONCE_SIMILARITY_THRESHOLD": "0.85"})
    calls = {}
    async with workers(1, command.settings):
        for name, texts in {
            "bare": messages,
            "filled": [f"{PROMPT}\n\n{text}\n\nCategory:" for text in messages],
        }.items():
            (tmp_path / f"{name}.jsonl").write_bytes(b"\n".join(map(request, messages, texts)))
            await llm_server.reset()
            code, _, errors = await command.run(source=f"{name}.jsonl", out=f"{name}.out.jsonl")
            assert code == 0, errors
            calls[name] = (await llm_server.stats(brief=True))["chat"]["calls"]
            answers = {record["custom_id"]: content(record) for record in records(tmp_path / f"{name}.out.jsonl")}
    assert calls["filled"] == calls["bare"] == 400
    for text, answer in answers.items():
        assert answer.removesuffix("\n\nCategory:").endswith(text.removeprefix("please "))


BEFORE = "Answer the question of our customer in one short and friendly sentence."
SHAPES = {
    "a heading": ("\n### Question\n", ""),
    "a bare label": ("\nQuestion\n", "\nAnswer"),
    "a code fence": ("\n```\n", "\n```"),
}
WORDINGS = ("Tell me of subject {} please", "Please tell me of subject {}")
FOR_READERS = (
    "Summarise the following review in one short sentence for a {a}.\n\nReview: {b}",
    "Summarise the review for the reader named below it.\n{b}\nReader: {a}",
)
REVIEWS = ("Never buy lamp {} please", "Please never buy lamp {}")


async def test_texts_in_two_wordings_cost_one_call_each_whatever_comes_before_them(
    batch_settings, llm_server, tmp_path
):
    calls = {}
    async with workers(1, batch_settings):
        for shape, (between, after) in SHAPES.items():
            texts = [BEFORE + between + way.format(f"{i} [g{i}]") + after for i in range(20) for way in WORDINGS]
            (tmp_path / "in.jsonl").write_bytes(b"\n".join(request(str(n), text) for n, text in enumerate(texts)))
            await llm_server.reset()
            code, _, errors = await Command(tmp_path, batch_settings).run("--restart")
            assert code == 0, errors
            calls[shape] = (await llm_server.stats(brief=True))["chat"]["calls"]
    assert calls == dict.fromkeys(SHAPES, 20)


async def test_one_review_for_two_readers_costs_two_calls(batch_settings, llm_server, tmp_path):
    asked = [(reader, review) for review in range(20) for reader in ("child", "lawyer") for _ in REVIEWS]
    async with workers(1, batch_settings):
        for prompt in FOR_READERS:
            lines = [
                request(str(n), prompt.format(a=reader, b=REVIEWS[n % 2].format(f"{review} [g{review}]")))
                for n, (reader, review) in enumerate(asked)
            ]
            (tmp_path / "in.jsonl").write_bytes(b"\n".join(lines))
            await llm_server.reset()
            code, _, errors = await Command(tmp_path, batch_settings).run("--restart")
            assert code == 0, errors
            for record in records(tmp_path / "out.jsonl"):
                reader, review = asked[int(record["custom_id"])]
                assert reader in content(record)
                assert f"[g{review}]" in content(record)
            assert (await llm_server.stats(brief=True))["chat"]["calls"] == 40
