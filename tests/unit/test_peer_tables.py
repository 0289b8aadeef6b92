"""Of the benchmark beside other caches: the tables in the documentation are those of the figures that are kept."""

import json
import re
import sys
from importlib import import_module
from pathlib import Path

import numpy as np
import pytest

from support.openai_server.vectors import vectors

BENCHMARKS = Path(__file__).parents[1] / "benchmarks"
REQUIREMENTS = sorted((BENCHMARKS / "peers" / "requirements").glob("*.txt"))


@pytest.fixture(scope="module", autouse=True)
def reachable():
    sys.path.insert(0, str(BENCHMARKS))
    yield
    sys.path.remove(str(BENCHMARKS))


@pytest.fixture(scope="module")
def report():
    return import_module("peers.report")


@pytest.fixture(scope="module")
def kept(report):
    return report.Report(json.loads(report.RESULTS.read_text("utf-8")))


def test_the_tables_are_those_of_the_figures(report, kept):
    for path, parts in kept.pages().items():
        page = path.read_text("utf-8")
        assert report.filled(page, parts) == page, f"write {path.name} again: make bench-report"


def test_medians_are_of_an_odd_number_of_rounds(kept):
    entries = [*kept.figures["caches"].values(), *kept.figures["queues"].values()]
    assert {len(entry["rounds"]) % 2 for entry in entries} == {1}
    assert {len(entry["rounds"]) for entry in entries} == {len(kept.figures["load"])}


def test_every_miss_was_one(kept):
    rounds = [each for entry in kept.figures["caches"].values() for each in entry["rounds"]]
    assert [each["misses"] for each in rounds if each["misses"]["calls"] != each["misses"]["asked"]] == []


def test_the_table_fits_a_terminal(kept):
    assert max(map(len, kept.text().splitlines())) <= 80


def test_a_page_without_the_marks_is_refused(report):
    with pytest.raises(ValueError, match="the mark peers is not there once"):
        report.filled("no mark", {"peers": "a table"})


def test_what_was_measured_is_what_is_pinned(kept):
    pinned = dict(re.findall(r"^(.+)==(.+)$", "\n".join(path.read_text() for path in REQUIREMENTS), re.MULTILINE))
    for entry in [*kept.figures["caches"].values(), *kept.figures["queues"].values()]:
        own = {
            name: version for name, version in entry["versions"].items() if name in ("redisvl", "litellm", "gptcache")
        }
        assert {name: pinned[name] for name in own} == own


@pytest.mark.parametrize("path", REQUIREMENTS, ids=lambda path: path.stem)
def test_every_package_of_a_rival_is_pinned(path):
    assert [line for line in path.read_text().splitlines() if not re.fullmatch(r"[\w.-]+==[\w.]+", line)] == []


def test_questions_of_the_same_meaning_are_near_and_no_others():
    questions = import_module("peers.questions").Questions()
    new = questions.new(500)
    reworded = questions.reworded(new, 1000)
    cosines = vectors(reworded, 384) @ vectors(new, 384).T
    own = cosines[np.arange(1000), np.arange(1000) % 500]
    assert own.min() > 0.97
    cosines[np.arange(1000), np.arange(1000) % 500] = 0
    assert cosines.max() < 0.9
    assert len({*new, *reworded}) == 1500


def test_look_alikes_are_as_near_as_paraphrases_and_want_other_answers():
    questions = import_module("peers.questions").Questions()
    first, second = questions.alike()
    assert len({*first, *second}) == 200
    assert (vectors(first, 384) * vectors(second, 384)).sum(axis=1).min() > 0.97
    for one, other in zip(first, second, strict=True):
        assert questions.right(one, f"answer to: {one}")
        assert not questions.right(other, f"answer to: {one}")
