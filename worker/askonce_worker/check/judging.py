"""What `askonce-worker check` reports about the judge, which is asked once about an obvious pair."""

from askonce.answer import Answer
from askonce_worker.audit.judging import INSTRUCTIONS, LETTERS, Compared, message, read_verdicts
from askonce_worker.check.finding import Finding
from askonce_worker.check.one_part import TIMEOUT, answer
from askonce_worker.providers.provider import connect
from askonce_worker.settings import Settings

PAIRS = [
    Compared("How many days has a week?", "A week has seven days.", "It has 7 days."),
    Compared("How many days has a week?", "A week has seven days.", "It has five days."),
]
EXPECTED = [True, False]
SMALL = "use a small chat model, not a reasoning model: ASKONCE_JUDGE_MODEL"


async def judge(settings: Settings) -> Finding:
    model, key = settings.judge_model or "", settings.openai_api_key
    secret = "none" if key is None else key.get_secret_value()

    async def ask() -> Finding:
        async with connect(base_url=settings.openai_base_url, api_key=secret, timeout=TIMEOUT) as client:
            reply = await client.chat.completions.create(
                model=model,
                messages=[{"role": "system", "content": INSTRUCTIONS}, {"role": "user", "content": message(PAIRS)}],
                temperature=0,
                max_tokens=2 * len(PAIRS) + 2,
            )
        text = Answer(None, "answered", body=reply.model_dump()).text or ""
        verdicts = read_verdicts(text, len(PAIRS), LETTERS)
        if verdicts is None:
            return Finding("judge", model, "answers, but not with a letter for each pair", ok=False, advice=SMALL)
        if verdicts != EXPECTED:
            state = "does not tell a right answer from a wrong one"
            return Finding("judge", model, state, ok=False, advice=SMALL)
        return Finding("judge", model, "tells a right answer from a wrong one", ok=True)

    return await answer("judge", model, ask, "ASKONCE_JUDGE_MODEL, OPENAI_BASE_URL, OPENAI_API_KEY")
