"""An answer cache for retrieval-augmented generation: the passages are in the template, and so part of the scope.

Settings come from the environment: ASKONCE_REDIS_URL, ASKONCE_MODEL.
"""

import asyncio
import re
import sys

from askonce import Answer, AnswerTimeout, Client, QuestionFailed

PROMPT = """Answer the question from these passages alone. Say so where they do not answer it.

{passages}

Question: {text}"""
PASSAGES = {
    "returns": "A lamp may be returned within 30 days of delivery, in its box.",
    "shipping": "Delivery takes three working days. It is free above 50 euros.",
    "warranty": "Every lamp has a warranty of two years from delivery.",
}


def words(text: str) -> set[str]:
    return {word for word in re.findall(r"\w+", text.lower()) if len(word) > 3}


def retrieve(question: str, passages: dict[str, str], most: int = 2) -> list[str]:
    """The ids of the passages that share the most words with the question. In practice, use a vector search."""
    return sorted(passages, key=lambda name: -len(words(question) & words(passages[name])))[:most]


def template_of(ids: list[str], passages: dict[str, str]) -> str:
    """Passages are sorted, so their order does not matter. A `{text}` in a passage must not act as the placeholder."""
    found = "\n".join(f"[{name}] {passages[name]}" for name in sorted(ids))
    return PROMPT.replace("{passages}", found.replace("{text}", "{ text }"))


async def answer(client: Client, question: str, passages: dict[str, str]) -> Answer:
    template = template_of(retrieve(question, passages), passages)
    return await client.ask(question, template=template, params={"temperature": 0}, ttl=86_400)


async def main() -> None:
    newer = PASSAGES | {"returns": "A lamp may be returned within 14 days of delivery, in its box."}
    asked = [
        ("Within how many days can a lamp be returned?", PASSAGES),
        ("Within how many days may a lamp be returned?", PASSAGES),
        ("Within how many days can a lamp be returned?", newer),
    ]
    async with Client(timeout=60) as client:
        for question, passages in asked:
            found = await answer(client, question, passages)
            print(found.source, "-", question)


if __name__ == "__main__":
    try:
        asyncio.run(main())
    except (AnswerTimeout, QuestionFailed) as error:
        sys.exit(f"no answer: {error}")
