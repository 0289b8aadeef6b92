"""Models as labels of metrics, bounded in number."""

from prometheus_client.core import CounterMetricFamily

MODEL = "gen_ai_request_model"
TOKENS_ARE = "gen_ai_token_type"
MOST_MODELS = 100
"""Maximum labels. Producers may name any model, and Prometheus keeps each label value for ever; the rest are
`other`."""


class ModelNames:
    """Gives the first names a label of their own."""

    def __init__(self) -> None:
        self._known: set[str] = set()

    def __call__(self, name: str | None) -> str:
        name = name or ""
        if name not in self._known:
            if len(self._known) >= MOST_MODELS:
                return "other"
            self._known.add(name)
        return name


def counter_family(name: str, text: str, *labels: str) -> CounterMetricFamily:
    return CounterMetricFamily(name, text, labels=labels)
