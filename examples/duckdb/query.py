"""Asks about each row of a query, then queries the answers."""

import duckdb

import askonce

PROMPT = "Classify as parcel, refund or other: {message}"

messages = duckdb.sql("SELECT * FROM 'messages.csv'")
done = askonce.enrich(messages, PROMPT)
for number, said in duckdb.from_arrow(done).order("id").project("id, coalesce(answer, error)").fetchall():
    print(number, said)
