"""Questions that wait for a provider batch at half the price. Their waiters are stored in Redis, so no worker needs to
stay alive.

A question of tier `batch` that no cache and no live leader answers is *parked*: one script records it, and its job
ends. The rest is done by one worker at a time, the holder of a lock whose token every script checks. Any other worker
can continue where it stopped:

    parked -> sorted -> gathered -> uploaded -> created -> polled -> settled, line by line

Each parked question is in one place: `new`, `ready:MODEL`, or `lines:BATCH` (sorted sets by deadline). Only scripts
move it, so a kill at any point leaves it in one of them.

- Parking only joins equal fingerprints: their record has one name, whoever writes it. Sorting checks both caches again,
  and then looks for similar parked questions. Only sorting does so, so no two of these lead. Their vectors are in a
  separate Qdrant collection, and in Redis only until then: a million of them would take 1.5 GB in every worker.
- A batch is made in three steps, each recorded before the next begins: lines, file, creation. If the outcome of a
  creation is unknown, the batch is looked up in the provider's list, by its name in the metadata and by its file, until
  the request can no longer arrive; only then is it created again.
- A line is settled as if a worker had made the call: stored, published to all who wait, then counted and forgotten in
  one script. If repeated after a kill, the first two have no effect, and the last has not happened yet.
- Questions that a batch did not answer move on: to the next batch or, near their deadline (`BATCH_MARGIN`) or after
  several tries, back to the queue at the standard price. A batch that would delay a question too long is cancelled:
  finished lines are used, and the others are not billed.
"""
