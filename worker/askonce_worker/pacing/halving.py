"""Splits requests, because some servers refuse a whole request for one bad item."""

from collections.abc import Awaitable, Callable

from askonce_worker.pacing.trouble import Trouble, Undelivered
from askonce_worker.pacing.waiting import Found, Item, Wanted

MAX_REQUESTS = 40
"""Maximum requests to find the refused items of one batch; one among 2,048 takes 23."""


async def in_pieces(
    batch: list[Wanted[Item, Found]], ask: Callable[[list[Wanted[Item, Found]]], Awaitable[None]]
) -> None:
    """Sends all items, halving an unfit request until the item at fault is alone.

    ask: settles them, or raises Undelivered. Re-raises errors that no item caused: if nothing of a batch was accepted,
    its items are not at fault.
    """
    pieces, refusal = [batch], None
    for _ in range(MAX_REQUESTS):
        if not pieces:
            break
        piece = pieces.pop()
        try:
            await ask(piece)
        except Undelivered as error:
            if error.trouble is not Trouble.UNFIT:
                raise
            refusal = error
            half = len(piece) // 2
            pieces += [piece[half:], piece[:half]] if half else []
    if refusal is not None and len(batch) > 1 and not any(wanted.found.done() for wanted in batch):
        raise Undelivered(Trouble.REFUSED, status=refusal.status) from refusal
