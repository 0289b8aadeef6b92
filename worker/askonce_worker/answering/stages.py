"""The stages of a question's way, for who wants to know how long each takes: metrics, traces, both or nobody."""

from collections.abc import Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager, nullcontext
from typing import Any, Protocol

STAGES = ("exact", "embed", "semantic", "turn", "claim", "llm", "follow", "publish")
"""exact, embed, semantic: of a chunk. turn: a question waits for a slot and the provider's budget. claim: lead or
follow? llm: all tries of a call. follow: it waits for its leader. publish: storing, settling and publishing, which are
one round trip."""


class Stage(Protocol):
    def __call__(self, name: str, **facts: str | int) -> AbstractContextManager[Any]:
        """Entered when the stage begins, left when it ends or fails. facts: `questions`, `model`; never a text."""
        ...


_NOBODY = nullcontext()


def unobserved(name: str, **facts: str | int) -> AbstractContextManager[Any]:  # noqa: ARG001
    """Where nobody looks."""
    return _NOBODY


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
