"""A Python model: what `dbt.ref` gives is a frame, and so is what comes back."""

from typing import Any

import askonce

PROMPT = "Classify as parcel, refund or other: {message}"


def model(dbt: Any, session: Any) -> Any:  # noqa: ARG001 - as dbt calls it
    dbt.config(materialized="table")
    return askonce.enrich(dbt.ref("messages"), PROMPT, progress=False)
