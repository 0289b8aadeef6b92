"""A function over batches takes columns and returns one column, here a struct of several."""

import daft
import pyarrow as pa
from daft import DataType

import askonce

PROMPT = "Classify as parcel, refund or other: {message}"
TEXT = DataType.string()


@daft.func.batch(return_dtype=DataType.struct({"answer": TEXT, "source": TEXT, "error": TEXT}))
def classified(messages: daft.Series) -> pa.Array:
    done = askonce.enrich(pa.table({"message": messages.to_arrow()}), PROMPT)
    return done.select(["answer", "source", "error"]).to_struct_array().combine_chunks()


messages = daft.read_csv("messages.csv")
done = messages.with_column("made", classified(messages["message"]))
for row in done.sort("id").to_pylist():
    print(row["id"], row["made"]["answer"] or row["made"]["error"])
