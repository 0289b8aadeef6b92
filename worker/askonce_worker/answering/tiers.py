"""The tier of a question, which determines the price of a call and how long the provider may take."""

from askonce.question import Question, Tier


def tier_of(question: Question, lane: str, bulk: Tier) -> Tier:
    """The tier of a call for this question. `standard` sends the request as it is.

    The user's own `service_tier` takes precedence over the question's `tier`, and that over the setting (bulk). Callers
    in the interactive lane never wait for a cheaper tier. Questions of a key with a budget are never in a batch,
    because they are paid for one by one.
    """
    if lane != "bulk" or question.params.get("service_tier") is not None:
        return "standard"
    tier = question.tier or bulk
    return "standard" if tier == "batch" and question.payer is not None else tier
