"""The port for leaving questions to a provider batch."""

from typing import Protocol

from askonce_worker.answering.open_question import OpenQuestion


class Parking(Protocol):
    async def park(self, todo: list[OpenQuestion]) -> list[OpenQuestion]:
        """Takes over the questions that a batch will answer, even if this worker dies. Returns the others."""
        ...


class NoParking:
    """Every question is asked now."""

    async def park(self, todo: list[OpenQuestion]) -> list[OpenQuestion]:
        return todo
