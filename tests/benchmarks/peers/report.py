"""The figures of a run of `bench_peers.py`, and the tables that are made of them.

    python tests/benchmarks/peers/report.py [FILE]

writes the tables into the documentation. FILE has the figures of a run, and is kept as `results.json` beside this file.
"""

import json
import platform
import re
import shutil
import sys
from datetime import datetime
from pathlib import Path
from statistics import median
from typing import Any, Self

RESULTS = Path(__file__).parent / "results.json"
ROOT = Path(__file__).parents[3]
NAMES = {
    "askonce-map": "askonce, by `map`",
    "askonce-ask": "askonce, by `ask`",
    "redisvl-batches": "RedisVL {redisvl}, in batches",
    "redisvl": "RedisVL {redisvl}, one by one",
    "litellm": "LiteLLM {litellm}",
    "gptcache": "GPTCache {gptcache}",
    "floor": "floor",
    "askonce": "askonce",
    "arq": "arq {arq}",
    "saq": "saq {saq}",
    "streaq": "streaq {streaq}",
}
CACHES = (
    "| | misses | semantic hits | exact repeats | p50 of each, one at a time | LLM calls for the hits "
    "| LLM calls for 100 paraphrases at once | wrong answers, and to 100 look-alikes |"
)
CACHES_IN_SHORT = (
    "| | misses | semantic hits | exact repeats | LLM calls for 100 paraphrases at once "
    "| wrong answers to 100 look-alikes |"
)
HITS = ("semantic", "exact")
KINDS = ("misses", *HITS)


class Report:
    def __init__(self, figures: dict[str, Any]) -> None:
        self.figures = figures

    @classmethod
    def new(cls, now: datetime, **setup: float) -> Self:
        machine = {**_processor(), "python": platform.python_version()}
        return cls(
            {"date": f"{now:%Y-%m-%d}", "machine": machine, "setup": setup, "load": [], "caches": {}, "queues": {}}
        )

    # What a run adds.

    def began(self, load: float) -> None:
        """A round, at this load average of the machine (of a minute, what runs here included)."""
        self.figures["load"].append(round(load, 1))

    def cache(self, name: str, versions: dict[str, str], processes: int, figures: dict[str, Any]) -> None:
        entry = self.figures["caches"].setdefault(name, {"versions": versions, "processes": processes, "rounds": []})
        entry["rounds"].append(figures)

    def alike(self, name: str, figures: dict[str, Any]) -> None:
        self.figures["caches"][name]["alike"] = figures

    def queue(self, name: str, figures: dict[str, Any]) -> None:
        versions = figures.pop("versions")
        self.figures["queues"].setdefault(name, {"versions": versions, "rounds": []})["rounds"].append(figures)

    # What is made of it.

    def text(self) -> str:
        """For a terminal of 80 columns."""
        rows = [["", "misses", "semantic", "exact", "p50, ms", "paid", "burst", "wrong"]]
        for name, entry in self.figures["caches"].items():
            rates = [number(_middle(entry, kind, "per_second")) for kind in KINDS]
            wrong = f"{_sum(entry, KINDS, 'wrong')}, {_alike(entry, 'wrong')}"
            paid, burst = _of_hits(entry, "calls"), number(_middle(entry, "burst", "calls"))
            rows.append([_plain(name), *rates, _p50s(entry).replace(", ", "/"), paid, burst, wrong])
        queues = [["", "jobs/s", "p50, ms"]]
        for name, entry in self.figures["queues"].items():
            queues.append([_plain(name), *_queue_figures(entry)])
        notes = (
            "Questions a second, 64 at once; of each kind the p50 of one alone. Paid: LLM\n"
            "calls for hits. Burst: LLM calls for 100 paraphrases of a new question at once.\n"
            "Wrong: answers to all these, and to 100 questions that look like others.\n"
            "Below: jobs that do nothing, by one worker; enqueuing to result."
        )
        return "\n".join([self.circumstances(), "", *_aligned(rows), "", notes, "", *_aligned(queues)])

    def circumstances(self) -> str:
        machine, load = self.figures["machine"], self.figures["load"]
        return (
            f"{self.figures['date']}, {machine['cores']} cores of {machine['ghz']} GHz, Python {machine['python']}, "
            f"medians of {len(load)} rounds,\nload average {min(load)} to {max(load)}"
        )

    def caches(self) -> str:
        rows = [CACHES, _rule(8)]
        for name, entry in self.figures["caches"].items():
            asked = _of_hits(entry, "asked")
            wrong = f"{_sum(entry, KINDS, 'wrong')}, {_alike(entry, 'wrong')}" if "alike" in entry else ""
            paid = f"{_of_hits(entry, 'calls')} of {asked}" if "alike" in entry else ""
            burst = number(_middle(entry, "burst", "calls")) if "alike" in entry else ""
            rates = " | ".join(f"{number(_middle(entry, kind, 'per_second'))}/s" for kind in KINDS)
            rows.append(f"| {_name(name, entry)} | {rates} | {_p50s(entry)} ms | {paid} | {burst} | {wrong} |")
        return "\n".join(rows)

    def caches_in_short(self) -> str:
        rows = [CACHES_IN_SHORT, _rule(6)]
        for name, entry in self.figures["caches"].items():
            if "alike" in entry and name != "askonce-ask":
                rates = " | ".join(f"{number(_middle(entry, kind, 'per_second'))}/s" for kind in KINDS)
                burst = number(_middle(entry, "burst", "calls"))
                rows.append(f"| {_name(name, entry)} | {rates} | {burst} | {_alike(entry, 'wrong')} |")
        return "\n".join(rows)

    def queues(self) -> str:
        rows = ["| | no-op jobs, one worker | from enqueuing to the result, p50 |", _rule(3)]
        for name, entry in self.figures["queues"].items():
            rate, ms = _queue_figures(entry)
            rows.append(f"| {_name(name, entry)} | {rate}/s | {ms} ms |")
        return "\n".join(rows)

    def pages(self) -> dict[Path, dict[str, str]]:
        """What stands between which marks of which pages."""
        circumstances = self.circumstances().replace("\n", " ")
        return {
            ROOT / "docs" / "benchmarks.md": {
                "peers": f"{circumstances}:\n\n{self.caches()}",
                "peers-queues": self.queues(),
            },
            ROOT / "README.md": {"peers": f"{circumstances}:\n\n{self.caches_in_short()}"},
        }


def number(value: float) -> str:
    """Three digits that count."""
    if value >= 1000:
        step = 10 ** (len(str(int(value))) - 3)
        return f"{round(value / step) * step:,}"
    return f"{value:.0f}" if value >= 10 else f"{value:.2g}" if value >= 0.1 else f"{value:.2f}"


def filled(page: str, parts: dict[str, str]) -> str:
    """The page with these parts between their marks. Raises ValueError where a mark is missing."""
    for mark, text in parts.items():
        between = re.compile(f"(<!-- {mark} -->\n).*?(<!-- /{mark} -->)", re.DOTALL)
        page, found = between.subn(lambda match, text=text: f"{match[1]}{text}\n{match[2]}", page)
        if found != 1:
            raise ValueError(f"the mark {mark} is not there once")
    return page


def _processor() -> dict[str, Any]:
    lines = Path("/proc/cpuinfo").read_text().splitlines()
    clocks = [float(line.split(":")[1]) for line in lines if line.startswith("cpu MHz")]
    return {"cores": len(clocks), "ghz": round(max(clocks) / 1000, 1)}


def _name(name: str, entry: dict[str, Any]) -> str:
    return NAMES[name].format(**entry["versions"])


def _plain(name: str) -> str:
    return re.sub(r" ?{\w+}|[`,]", "", NAMES[name])


def _middle(entry: dict[str, Any], kind: str, figure: str) -> float:
    return median(each[kind][figure] for each in entry["rounds"])


def _sum(entry: dict[str, Any], kinds: tuple[str, ...], figure: str) -> int:
    return sum(each[kind][figure] for each in entry["rounds"] for kind in kinds)


def _of_hits(entry: dict[str, Any], figure: str) -> str:
    return f"{_sum(entry, HITS, figure):,}"


def _alike(entry: dict[str, Any], figure: str) -> str:
    return str(entry["alike"][figure]) if "alike" in entry else "-"


def _p50s(entry: dict[str, Any]) -> str:
    return ", ".join(number(_middle(entry, kind, "p50_ms")) for kind in KINDS)


def _queue_figures(entry: dict[str, Any]) -> tuple[str, str]:
    return tuple(number(median(each[figure] for each in entry["rounds"])) for figure in ("per_second", "p50_ms"))


def _rule(columns: int) -> str:
    return "|" + " --- |" * columns


def _aligned(rows: list[list[str]]) -> list[str]:
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return [
        "  ".join(
            [row[0].ljust(widths[0]), *(cell.rjust(width) for cell, width in zip(row[1:], widths[1:], strict=True))]
        )
        for row in rows
    ]


def main() -> None:
    if sys.argv[1:]:
        shutil.copyfile(sys.argv[1], RESULTS)
    for path, parts in Report(json.loads(RESULTS.read_text("utf-8"))).pages().items():
        path.write_text(filled(path.read_text("utf-8"), parts), "utf-8")


if __name__ == "__main__":
    main()
