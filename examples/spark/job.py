"""`mapInArrow` passes the rows of a partition as record batches and takes record batches back."""

from collections.abc import Iterator

import pyarrow as pa
from pyspark.sql import SparkSession

import askonce

PROMPT = "Classify as parcel, refund or other: {message}"
ADDED = "answer string, source string, similarity double, error string, cost double"


def classified(batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
    for batch in batches:
        yield askonce.enrich(batch, PROMPT)


spark = SparkSession.builder.getOrCreate()
messages = spark.read.csv("messages.csv", header=True, schema="id int, message string")
done = messages.mapInArrow(classified, f"id int, message string, {ADDED}")
for row in sorted(done.collect()):
    print(row.id, row.answer or row.error)
