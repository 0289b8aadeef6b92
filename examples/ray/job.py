"""`map_batches` over Arrow blocks: `enrich` itself is the function."""

import ray

import askonce

PROMPT = "Classify as parcel, refund or other: {message}"

messages = ray.data.read_csv("messages.csv")
done = messages.map_batches(askonce.enrich, fn_args=[PROMPT], batch_format="pyarrow", batch_size=10_000)
for row in sorted(done.take_all(), key=lambda row: row["id"]):
    print(row["id"], row["answer"] or row["error"])
