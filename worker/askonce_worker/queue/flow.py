"""The unit of fairness: slots, and room for open questions, are shared between flows."""

from typing import NamedTuple


class Flow(NamedTuple):
    """The questions of one lane, namespace and model. '' for an unknown part."""

    lane: str
    namespace: str
    model: str
