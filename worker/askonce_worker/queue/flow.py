"""What is shared fairly: slots, and room for open questions, are shared between flows."""

from typing import NamedTuple


class Flow(NamedTuple):
    """The questions of one lane, namespace and model. '' where one of these is unknown."""

    lane: str
    namespace: str
    model: str
