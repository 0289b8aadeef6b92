"""Questions that wait for a provider's batch, at half the price: who waits is kept in Redis, and no worker need live.

A question of tier `batch` that no cache and no live leader answers is *parked*: one script records it, and its job
ends. Its lease belongs to its batch. One worker at a time, the holder of a lock whose token every script checks, does
the rest, and any other one goes on where it ended:

    parked -> sorted -> gathered -> uploaded -> created -> polled -> settled, line by line

Each parked question is in one place: `new`, `ready:MODEL`, or `lines:BATCH` (sorted sets by deadline). Scripts move it,
so a kill anywhere leaves it in one of them.

- Parking joins equal fingerprints alone: their record has one name, whoever writes it. Sorting looks into both caches
  again, and then for parked questions that are near: it alone does so, hence no two lead. Their vectors are points of a
  collection of their own in Qdrant, and in Redis only until then: a million of them would take 1.5 GB in every worker.
- A batch is made in three steps, each recorded before the next begins: lines, file, creation. A creation whose outcome
  is unknown is looked for in the provider's list, by the batch's name in its metadata and by its file, until the
  request cannot arrive any more; only then it is made again.
- A line is settled as if a worker had called: stored, published to all who wait, then counted and forgotten in one
  script. Done again after a kill, the first two change nothing, and the last has not happened.
- What a batch did not answer goes on: to the next batch, or, near its deadline (`BATCH_MARGIN`) or after several tries,
  back to the queue at the standard price. A batch that would keep a question too long is cancelled: what it has done
  is taken, what it has not is not billed.
"""
