"""Which tier a question is paid in: the price of a call, and how long the provider may take."""

from askonce.question import Question, Tier


def tier_of(question: Question, lane: str, bulk: Tier) -> Tier:
    """The tier of a call for this question. `standard` sends the request as it is.

    The user's own `service_tier` goes before the question's `tier`, and that before bulk, the setting. Who waits for
    an answer in the interactive lane never waits for a cheaper one. What a key with a bound asks is in
    no batch: it is paid for one by one.
    """
    if lane != "bulk" or question.params.get("service_tier") is not None:
        return "standard"
    tier = question.tier or bulk
    return "standard" if tier == "batch" and question.payer is not None else tier
