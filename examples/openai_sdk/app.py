"""OpenAI's own SDK and no askonce code: OPENAI_BASE_URL points to the front door."""

import sys

from openai import APIStatusError, OpenAI, RateLimitError

MODEL = "gpt-4o-mini"
TEMPLATE = "Classify the message of a customer as one of delivery, refund, other. Message: {text}"

client = OpenAI(timeout=60, max_retries=2)  # one per process: it keeps its connections open


def source(question: str) -> str:
    """Asks, and returns where the answer came from, which is a header of the reply."""
    reply = client.chat.completions.with_raw_response.create(
        model=MODEL, messages=[{"role": "user", "content": question}], temperature=0
    )
    return reply.headers["x-askonce-source"]


def topic(message: str) -> str | None:
    """Passes the template, so that messages are compared by what varies and not by the prompt that they share."""
    reply = client.chat.completions.create(
        model=MODEL,
        messages=[{"role": "user", "content": TEMPLATE.format(text=message)}],
        extra_body={"askonce": {"template": TEMPLATE, "ttl": 86_400}},
    )
    return reply.choices[0].message.content


try:
    print("first:", source("What is the capital of Norway?"))
    print("again:", source("What is the capital of Norway?"))
    for chunk in client.chat.completions.create(
        model=MODEL, messages=[{"role": "user", "content": "What is the capital of Norway?"}], stream=True
    ):
        print(chunk.choices[0].delta.content or "" if chunk.choices else "", end="")
    print()
    print("topic:", topic("My parcel has not arrived."))
except RateLimitError as error:  # the provider's limit, a full queue, or a spent budget: `code` says which
    sys.exit(f"try again later: {error.code}")
except APIStatusError as error:
    sys.exit(f"{error.status_code}, {error.response.headers.get('x-askonce-error')}: {error.message}")
