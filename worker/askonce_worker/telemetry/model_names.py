"""Models as labels of metrics, bounded in number."""

from prometheus_client.core import CounterMetricFamily

MODEL = "gen_ai_request_model"
TYPE_LABEL = "gen_ai_token_type"
MAX_MODELS = 100
"""Maximum number of labels; further models are `other`. Producers may name any model, and Prometheus keeps each label
value for ever."""


class ModelNames:
    """The label of a model: its name for the first `MAX_MODELS`, then `other`."""

    def __init__(self) -> None:
        self._known: set[str] = set()

    def __call__(self, name: str | None) -> str:
        name = name or ""
        if name not in self._known:
            if len(self._known) >= MAX_MODELS:
                return "other"
            self._known.add(name)
        return name


def counter_family(name: str, text: str, *labels: str) -> CounterMetricFamily:
    return CounterMetricFamily(name, text, labels=labels)
