"""The profile that an evaluation writes for the workers."""

from pathlib import Path

import orjson

from askonce_worker.evaluate.report import FileReport, Report, Row
from askonce_worker.evaluate.tables import percent
from askonce_worker.matching.profiles import Profile


def write_profile(report: Report, profile: Profile, path: Path) -> None:
    """Write the recommended threshold and how it was measured.

    Args:
        report: One with a recommendation.
        profile: The model's current profile, for its token limit.
        path: The file.

    Raises:
        OSError: The file cannot be written.
    """
    record = {
        "model": report.model,
        "threshold": report.threshold,
        "max_tokens": profile.max_tokens,
        "measured": summary(report),
        "max_error": report.max_error,
        "seed": report.seed,
        "data": [_facts(file) for file in report.files],
    }
    path.write_bytes(orjson.dumps(record, option=orjson.OPT_INDENT_2 | orjson.OPT_APPEND_NEWLINE))


def summary(report: Report) -> str:
    """One line for the profile."""
    parts = [_sentence(file.name, file.held_out) for file in report.files if file.held_out is not None]
    return f"askonce-worker evaluate, guard on, held-out halves, intervals of 95 %: {'; '.join(parts)}"


def _sentence(name: str, row: Row) -> str:
    found = row.guarded
    return (
        f"{name} ({found.pairs} pairs) {percent(found.hit_rate)} of same-answer pairs hit, {percent(found.wrong)} "
        f"wrong ({percent(found.wrong_low)} to {percent(found.wrong_high)})"
    )


def _facts(file: FileReport) -> dict[str, object]:
    row = file.held_out
    if row is None:
        return {"file": file.name, "pairs": file.pairs}
    found = row.guarded
    return {
        "file": file.name,
        "pairs": file.pairs,
        "held_out": found.pairs,
        "hit_rate": round(found.hit_rate, 4),
        "wrong": round(found.wrong, 5),
        "wrong_95": [round(found.wrong_low, 5), round(found.wrong_high, 5)],
        "without_guard": {"hit_rate": round(row.bare.hit_rate, 4), "wrong": round(row.bare.wrong, 5)},
    }
