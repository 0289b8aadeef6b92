"""What the pipeline needs of the part that leaves questions to a provider's batch."""

from typing import Protocol

from askonce_worker.answering.open_question import OpenQuestion


class Parking(Protocol):
    async def park(self, todo: list[OpenQuestion]) -> list[OpenQuestion]:
        """Takes over those that a batch answers, for good: whatever becomes of this worker. Returns the others."""
        ...


class NoParking:
    """Every question is asked now."""

    async def park(self, todo: list[OpenQuestion]) -> list[OpenQuestion]:
        return todo
