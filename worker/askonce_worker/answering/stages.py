"""The pipeline's stages, as timed by metrics and traces.

Per chunk: `exact`, `embed`, `semantic`. Per question: `turn` (waiting for a slot and the provider's budget), `claim`
(leading or following), `llm` (all tries of a call), `follow` (waiting for its leader). `publish` stores, settles and
publishes, in one round trip.
"""

from collections.abc import Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager, nullcontext
from typing import Any, Protocol


class Stage(Protocol):
    def __call__(self, name: str, **facts: str | int) -> AbstractContextManager[Any]:
        """Entered when the stage begins, left when it ends or fails. facts: `questions`, `model`; never a text."""
        ...


_NOTHING = nullcontext()


def unobserved(name: str, **facts: str | int) -> AbstractContextManager[Any]:  # noqa: ARG001
    """For a worker without metrics and traces."""
    return _NOTHING


def observed_by(stages: list[Stage]) -> Stage:
    if len(stages) < 2:
        return stages[0] if stages else unobserved

    @contextmanager
    def all_of_them(name: str, **facts: str | int) -> Iterator[None]:
        with ExitStack() as stack:
            for stage in stages:
                stack.enter_context(stage(name, **facts))
            yield

    return all_of_them
