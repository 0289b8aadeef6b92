"""Two assets: tickets and their topics. Settings come from the environment: ASKONCE_REDIS_URL, ASKONCE_MODEL."""

import csv
from collections import Counter
from pathlib import Path

import dagster as dg

import askonce
from askonce import Question

HERE = Path(__file__).parent
TEMPLATE = "Classify the message of a customer as one of delivery, refund, account, bug, other. Message: {text}"


@dg.asset
def tickets() -> list[dict[str, str]]:
    with (HERE / "tickets.csv").open(newline="") as file:
        return list(csv.DictReader(file))


@dg.asset(retry_policy=dg.RetryPolicy(max_retries=3, delay=30))
def topics(context: dg.AssetExecutionContext, tickets: list[dict[str, str]]) -> dg.MaterializeResult:
    """A run that fails midway can be repeated without paying twice: the next one finds the answers in the cache."""
    questions = [Question(ticket["message"], template=TEMPLATE) for ticket in tickets]
    answers = askonce.run(questions, namespace="tickets", timeout=3600)
    failed = [answer.error for answer in answers if answer.error]
    for error in failed[:10]:
        context.log.warning("%s: %s", error.kind, error.message)
    if len(failed) > len(answers) // 100:
        raise dg.Failure(f"{len(failed)} of {len(answers)} questions failed", metadata={"first": failed[0].message})
    asked = [answer for answer in answers if answer.source == "llm"]
    costs = [answer.cost for answer in asked]
    metadata = {
        "questions": len(answers),
        "LLM calls": len(asked),
        "hits": len(answers) - len(asked) - len(failed),
        "cost": None if None in costs else sum(costs),  # None: the model has no price
        "topics": dict(Counter(answer.text for answer in answers)),
    }
    context.log.info("asked: %s", metadata)
    return dg.MaterializeResult(
        value={ticket["id"]: answer.text for ticket, answer in zip(tickets, answers, strict=True)}, metadata=metadata
    )


defs = dg.Definitions(assets=[tickets, topics])
