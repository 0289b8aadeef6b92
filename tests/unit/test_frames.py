"""`askonce.enrich` over the client's double: each row has its answer beside it, whatever library the frame is of."""

import asyncio
import datetime as dt
import decimal
import enum
import signal
import subprocess
import sys

import numpy as np
import orjson
import pandas as pd
import polars as pl
import pyarrow as pa
import pydantic
import pytest
from pyarrow import parquet

import askonce
from askonce.testing import FakeClient
from support.batch_runs import BROKEN, batch

PROMPT = "Classify: {text}!"
ADDED = ["answer", "source", "similarity", "error", "cost"]
TEXTS = ["a?", None, "bad?", "a?", "", "ü?"]
KINDS = [None, "malformed_line", "server_error", None, "malformed_line", None]
KEPT = {"n": [1, 2, 3, 4, 5, 6], "text": TEXTS, "day": [dt.date(2026, 1, 2)] * 6}


def client():
    return FakeClient(lambda question: BROKEN if question.text == "bad?" else question.prompt())


def table():
    return pa.table(KEPT)


def reader():
    """Of several chunks."""
    return pa.RecordBatchReader.from_batches(table().schema, table().to_batches(max_chunksize=4))


class Foreign:
    """A frame of a library that nobody has heard of."""

    def __arrow_c_stream__(self, requested_schema=None):
        return table().__arrow_c_stream__(requested_schema)


FRAMES = {
    "pandas": (lambda: pd.DataFrame(KEPT, index=list("uvwxyz")), pd.DataFrame),
    "pandas of Arrow": (lambda: table().to_pandas(types_mapper=pd.ArrowDtype), pd.DataFrame),
    "polars": (lambda: pl.DataFrame(KEPT), pl.DataFrame),
    "table": (table, pa.Table),
    "batch": (lambda: table().combine_chunks().to_batches()[0], pa.RecordBatch),
    "reader": (reader, pa.RecordBatchReader),
    "foreign": (Foreign, pa.Table),
}


def rows_of(frame):
    if isinstance(frame, pd.DataFrame):
        return frame.astype(object).where(frame.notna(), None).to_dict("records")
    if isinstance(frame, pl.DataFrame):
        return frame.to_dicts()
    return (frame.read_all() if isinstance(frame, pa.RecordBatchReader) else frame).to_pylist()


@pytest.mark.parametrize("kind", FRAMES)
def test_a_frame_comes_back_whole_and_of_its_kind(kind):
    make, expected = FRAMES[kind]
    asked = client()
    done = askonce.enrich(make(), PROMPT, client=asked)
    assert isinstance(done, expected)
    rows = rows_of(done)
    assert list(rows[0]) == [*KEPT, *ADDED]
    assert [row["n"] for row in rows] == KEPT["n"]
    assert [row["day"] for row in rows] == KEPT["day"]
    assert [row["answer"] for row in rows] == [
        None if kind else f"Classify: {text}!" for kind, text in zip(KINDS, TEXTS, strict=True)
    ]
    assert [row["error"] and row["error"].partition(":")[0] for row in rows] == KINDS
    assert [row["source"] is None for row in rows] == [kind is not None for kind in KINDS]
    assert {question.template for question in asked.asked} == {"Classify: {text}!"}
    assert sorted(question.text for question in asked.asked) == ["a?", "bad?", "ü?"]


def test_pandas_keeps_its_index_its_types_and_the_frame_that_was_given():
    frame = pd.DataFrame({"text": ["a?", "b?"], "kind": pd.Categorical(["x", "y"])}, index=[7, 7])
    frame.attrs["of"] = "mine"
    done = askonce.enrich(frame, "{text}", client=client())
    assert list(frame.columns) == ["text", "kind"]
    assert (list(done.index), done.attrs) == ([7, 7], {"of": "mine"})
    assert (done["kind"].dtype, done["answer"].dtype) == (frame["kind"].dtype, pd.Series(["a"]).dtype)
    assert (done["similarity"].dtype, done["cost"].dtype) == ("float64", "float64")


def test_columns_of_pandas_may_be_numbers_alike_and_of_several_kinds():
    frame = pd.DataFrame([["a", 1.5, object()], ["b", "two", 3], ["c", None, ()], ["d", b"!", 4]])
    frame.columns = [5, "x", "x"]
    done = askonce.enrich(frame.rename(columns={5: 0}), "{0}", client=client())
    assert list(done["answer"]) == ["a", "b", "c", "d"]
    with pytest.raises(ValueError, match="two columns x"):
        askonce.enrich(frame, "{x}", client=client())
    frame.columns = ["text", "x", "y"]
    done = askonce.enrich(frame, "{text} {x}", client=client())
    assert list(done["answer"].dropna()) == ["a 1.5", "b two"]
    assert [row["error"] and row["error"].partition(": line ")[2] for row in rows_of(done)] == [
        None, None, "3: no value in {x}", "4: a cell holds bytes, not text",
    ]  # fmt: skip


def test_a_row_gets_what_the_command_writes_for_it(files):
    """A million of them may be a file or a frame: it is the same question, and the same row."""
    rows = {
        "who": ["child", "lawyer", None, "child"] * 30,
        "text": [f"Row {n}?" if n % 9 else None for n in range(118)] + ["bad?", " "],
        "n": [decimal.Decimal(n) for n in range(120)],
    }
    prompt = "For a {who}: is {{this}} kind? {text}"
    parquet.write_table(pa.table(rows), files / "in.parquet")

    def answering(question):
        return BROKEN if "bad?" in question.text else f"{question.template} {question.semantic} {question.prompt()}"

    with_command, with_frame = FakeClient(answering), FakeClient(answering)
    assert (
        asyncio.run(batch(with_command, "in.parquet", "out.parquet", "--prompt", prompt, "--system", "Be brief.")) == 1
    )
    done = askonce.enrich(pa.table(rows), prompt, system="Be brief.", client=with_frame)
    written = parquet.read_table(files / "out.parquet")
    assert written.column_names == done.column_names
    assert done.select(["n", "answer", "error", "cost"]) == written.select(["n", "answer", "error", "cost"])
    questions = [
        {(each.scope, each.text, each.semantic) for each in asked.asked} for asked in (with_command, with_frame)
    ]
    assert questions[0] == questions[1]


class Review(pydantic.BaseModel):
    kind: bool
    stars: int
    score: float | None
    topic: str
    words: list[str]


SAID = {"kind": True, "stars": 4, "score": 0.5, "topic": "lamps", "words": ["fine"]}
COLUMNS = {"kind": pa.bool_(), "stars": pa.int64(), "score": pa.float64(), "topic": pa.string(), "words": pa.string()}


def reviewing():
    said = {
        "one?": orjson.dumps(SAID).decode(),
        "two?": orjson.dumps({**SAID, "score": None}).decode(),
        "bad?": "Fine!",
    }
    return FakeClient(said)


@pytest.mark.parametrize("schema", [Review, Review.model_json_schema()], ids=["a model", "a JSON schema"])
def test_properties_of_a_schema_are_columns_with_their_types(schema):
    asked = reviewing()
    done = askonce.enrich(pa.table({"text": ["one?", "bad?", None, "two?"]}), "{text}", schema=schema, client=asked)
    assert {field.name: field.type for field in done.schema if field.name in COLUMNS} == COLUMNS
    assert done.column_names == ["text", *COLUMNS, *ADDED[1:]]
    one, bad, missing, two = done.to_pylist()
    assert {name: one[name] for name in COLUMNS} == {**SAID, "words": '["fine"]'}
    assert {name: two[name] for name in COLUMNS} == {**SAID, "words": '["fine"]', "score": None}
    assert [row["error"] and row["error"].partition(":")[0] for row in (one, bad, missing, two)] == [
        None, "invalid_answer", "malformed_line", None,
    ]  # fmt: skip
    assert [bad[name] for name in COLUMNS] == [None] * 5
    assert asked.asked[0].params["response_format"]["json_schema"]["name"] == "Review"


def test_typed_columns_of_pandas_and_polars_bear_rows_without_an_answer():
    rows = {"text": ["one?", None]}
    done = askonce.enrich(pd.DataFrame(rows), "{text}", schema=Review, client=reviewing())
    assert (done["stars"].dtype, done["kind"].dtype, done["score"].dtype) == ("Int64", "boolean", "float64")
    assert (done["stars"][0], done["kind"][0], done["stars"].isna()[1]) == (4, True, True)
    done = askonce.enrich(pl.DataFrame(rows), "{text}", schema=Review, client=reviewing())
    assert (done["stars"].dtype, done["kind"].dtype) == (pl.Int64, pl.Boolean)
    assert done["stars"].to_list() == [4, None]


def test_a_typed_row_gets_what_the_command_writes_for_it(files):
    rows = pa.table({"text": ["one?", "bad?", "two?"]})
    parquet.write_table(rows, files / "in.parquet")
    (files / "review.json").write_bytes(orjson.dumps(Review.model_json_schema()))
    told = ("in.parquet", "out.parquet", "--prompt", "{text}", "--schema", "review.json")
    assert asyncio.run(batch(reviewing(), *told)) == 1
    done = askonce.enrich(rows, "{text}", schema=Review.model_json_schema(), client=reviewing())
    assert parquet.read_table(files / "out.parquet") == done


def test_which_column_is_compared_is_decided_by_a_sample_or_by_the_caller():
    rows = pa.table({"a": [f"a{n}" for n in range(40)], "b": [f"b{n}" for n in range(40)]})
    by_sample, by_caller = client(), client()
    askonce.enrich(rows, "{a} of {b}", client=by_sample)
    askonce.enrich(rows, "{a} of {b}", compared="b", client=by_caller)
    assert {question.semantic for question in by_sample.asked} == {False}
    assert {question.template for question in by_caller.asked} == {f"a{n} of {{text}}" for n in range(40)}


def test_types_of_cells_are_written_as_a_person_would():
    cells = {
        "number": 7,
        "truth": True,
        "share": 0.5,
        "day": dt.date(2026, 1, 2),
        "list": [1, None],
        "map": {"k": "v"},
        "price": decimal.Decimal("1.20"),
    }
    for name, cell in cells.items():
        done = askonce.enrich(pa.table({"x": [cell]}), "{x}", client=client())
        written = {"truth": "true", "list": "[1,null]", "map": '{"k":"v"}'}.get(name, str(cell))
        assert done["answer"].to_pylist() == [written]
    coded = pa.table({"x": pa.array(["a", "b", "a"]).dictionary_encode()})
    assert askonce.enrich(coded, "{x}", client=client())["answer"].to_pylist() == ["a", "b", "a"]
    odd = askonce.enrich(pa.table({"x": [[decimal.Decimal(1)]]}), "{x}", client=client())
    assert "neither text nor number" in odd["error"][0].as_py()


APART = {
    "objects": [{"a": 1}, {"b": 2}],
    "a day and an hour": [dt.date(2026, 1, 2), dt.datetime(2026, 1, 2, 3, 4)],
    "numbers": [1, 2.5],
    "prices": [decimal.Decimal("1.2"), decimal.Decimal("1.25")],
    "truth": [True, "yes"],
    "arrays": [np.array([1, 2]), {"of": np.array([[1, None], ["x", 2]], dtype=object)}],
    "numpy's": [np.int64(7), np.bool_(True), np.float64("inf"), np.datetime64("2026-01-02", "ns"), np.float32("nan")],
}
WRITTEN = {
    "objects": ['{"a":1}', '{"b":2}'],
    "a day and an hour": ["2026-01-02", "2026-01-02 03:04:00"],
    "numbers": ["1", "2.5"],
    "prices": ["1.2", "1.25"],
    "truth": ["true", "yes"],
    "arrays": ["[1,2]", '{"of":[[1,null],["x",2]]}'],
    "numpy's": ["7", "true", "inf", "2026-01-02T00:00:00.000000000", None],
}


@pytest.mark.parametrize("kind", APART)
def test_the_text_of_a_cell_depends_on_no_other_row(kind):
    frame = pd.DataFrame({"x": pd.Series(APART[kind], dtype=object)})
    together = askonce.enrich(frame, "{x}", client=client())
    alone = [askonce.enrich(frame.iloc[[row]], "{x}", client=client())["answer"].iloc[0] for row in range(len(frame))]
    assert [None if pd.isna(text) else text for text in together["answer"]] == WRITTEN[kind]
    assert [None if pd.isna(text) else text for text in alone] == WRITTEN[kind]


def test_a_cell_that_is_no_text_fails_its_row_alone():
    endless = []
    endless.append(endless)
    cells = ["a?", "\ud800", 2**70, endless, {"k": "\ud800"}, b"!", "b?"]
    frame = pd.DataFrame({"x": pd.Series(cells, dtype=object), "y": "z"})
    for prompt, after in (("{x}", ""), ("{x} {y}", " z")):
        rows = rows_of(askonce.enrich(frame, prompt, client=client()))
        assert [rows[place]["answer"] for place in (0, 2, 6)] == [f"a?{after}", f"{2**70}{after}", f"b?{after}"]
        assert [(rows[place]["error"] or "").partition(":")[0] for place in (1, 3, 4)] == ["malformed_line"] * 3
        assert "surrogate" in rows[1]["error"]


def test_a_frame_whose_columns_have_levels_is_refused_and_loses_nothing():
    frame = pd.DataFrame([["a?", "mine"]], columns=pd.MultiIndex.from_tuples([("text", ""), ("answer", "")]))
    with pytest.raises(ValueError, match="several levels"):
        askonce.enrich(frame, "{('text', '')}", client=client())
    taken = enum.Enum("Taken", {"ANSWER": "answer"}, type=str)
    with pytest.raises(ValueError, match="answer already"):
        askonce.enrich(pd.DataFrame([["a?", "mine"]], columns=["text", taken.ANSWER]), "{text}", client=client())


def test_a_property_may_have_the_name_of_an_argument():
    schema = {"type": "object", "properties": {"self": {"type": "integer"}, "index": {"type": "string"}}}
    asked = FakeClient({"one?": '{"self": 1, "index": "x"}'})
    done = askonce.enrich(pd.DataFrame({"text": ["one?"]}, index=[9]), "{text}", schema=schema, client=asked)
    assert (done["self"][9], done["index"][9], list(done.index)) == (1, "x", [9])


@pytest.mark.parametrize("rows", [0, 2])
@pytest.mark.parametrize(
    ("field", "says"),
    [
        ({"cache": "nope"}, "cache must be one of"),
        ({"tier": "nope"}, "tier must be one of"),
        ({"params": {"stream": True}}, "stream is not supported"),
        ({"system": 7}, "system must be a string"),
    ],
)
def test_a_mistake_in_the_call_is_raised_once_and_nothing_is_asked(rows, field, says):
    asked = client()
    with pytest.raises(askonce.InvalidQuestion, match=says):
        askonce.enrich(pa.table({"text": pa.array(["a?"] * rows, pa.string())}), "{text}", client=asked, **field)
    assert asked.asked == []


TIMES = """
import sys

class Without:
    def find_spec(name, path, target=None):
        if name == "pandas":
            raise ImportError(name)

if sys.argv[1] == "without":
    sys.meta_path.insert(0, Without)
else:
    import pandas
import askonce, pyarrow as pa
from askonce.testing import FakeClient

nanoseconds = pa.array([1_767_312_000_000_000_000, 1_500_000_000, 3_600_000_000_005], pa.int64())
for kind in (pa.timestamp("ns"), pa.timestamp("ns", "UTC"), pa.timestamp("ns", "Asia/Kolkata"), pa.duration("ns")):
    frame = pa.table({"x": nanoseconds.cast(kind)})
    print(askonce.enrich(frame, "{x}", client=FakeClient(), progress=False)["error"].null_count)
    print(*askonce.enrich(frame, "{x}", client=FakeClient(lambda q: q.text))["answer"].to_pylist(), sep="|")
"""


def test_times_with_nanoseconds_are_asked_alike_with_and_without_pandas():
    without, beside = (
        subprocess.run([sys.executable, "-c", TIMES, told], capture_output=True, text=True, check=False)
        for told in ("without", "with")
    )
    assert without.stderr == ""
    assert without.stdout.splitlines()[::2] == ["3"] * 4
    assert without.stdout.splitlines()[1::2] == [
        "2026-01-02 00:00:00|1970-01-01 00:00:01.500000|1970-01-01 01:00:00.000000005",
        "2026-01-02 00:00:00+00:00|1970-01-01 00:00:01.500000+00:00|1970-01-01 01:00:00.000000005+00:00",
        "2026-01-02 05:30:00+05:30|1970-01-01 05:30:01.500000+05:30|1970-01-01 06:30:00.000000005+05:30",
        "20455 days, 0:00:00|0:00:01.500000|1:00:00",
    ]
    assert beside.stdout == without.stdout
    stamps = pd.to_datetime([1_767_312_000_000_000_000, 1_500_000_000, 3_600_000_000_005], utc=True)
    done = askonce.enrich(pd.DataFrame({"x": stamps.astype("datetime64[ns, UTC]")}), "{x}", client=client())
    assert "|".join(done["answer"]) == without.stdout.splitlines()[3]


def test_types_that_json_has_no_word_for_are_asked_as_they_are_printed():
    months = pd.DataFrame(
        {"x": pd.period_range("2026-01", periods=2, freq="M"), "share": [float("inf"), -float("inf")]}
    )
    assert list(askonce.enrich(months, "{x}", client=client())["answer"]) == ["2026-01", "2026-02"]
    assert list(askonce.enrich(months, "{share}", client=client())["answer"]) == ["inf", "-inf"]


@pytest.mark.parametrize(
    "column",
    [pd.Series, pl.Series, pa.array, lambda texts: pa.chunked_array([texts])],
    ids=["pandas", "polars", "array", "chunks"],
)
def test_a_column_is_refused_and_told_where_it_belongs(column):
    with pytest.raises(TypeError, match=r"is a column: give frame\[\['text'\]\], or askonce.run"):
        askonce.enrich(column(["a?"]), "{text}", client=client())


@pytest.mark.parametrize("kind", FRAMES)
def test_an_empty_frame_gets_its_columns(kind):
    full = FRAMES[kind][0]()
    empty = full.slice(0, 0) if isinstance(full, pa.Table | pa.RecordBatch) else pa.table(KEPT).slice(0, 0)
    if isinstance(full, pd.DataFrame | pl.DataFrame):
        empty = full.head(0)
    done = askonce.enrich(empty, PROMPT, client=client())
    assert [*done.columns] == [*KEPT, *ADDED] if not isinstance(done, pa.Table | pa.RecordBatch) else done.num_rows == 0


@pytest.mark.parametrize(
    ("frame", "prompt", "error", "says"),
    [
        (table(), "{txt}", ValueError, "prompt: there is no column txt (did you mean text?)"),
        (table(), "no column", ValueError, "prompt names no column"),
        (table(), "{text", ValueError, "write {{ for a brace"),
        (pa.table({"text": ["a"], "error": ["b"]}), "{text}", ValueError, "the frame has a column error already"),
        ([{"text": "a"}], "{text}", TypeError, "list is not a data frame"),
        ([{"text": "a"}], "{text}", TypeError, "pyarrow.Table.from_pylist(rows) makes one"),
        ({"text": ["a"]}, "{text}", TypeError, "pyarrow.table(columns) makes one"),
        ("in.csv", "{text}", TypeError, "for a file there is `askonce batch --prompt`"),
        (pl.LazyFrame(KEPT), "{text}", TypeError, "collect"),
    ],
)
def test_what_cannot_be_asked_is_refused_before_anything_is(frame, prompt, error, says):
    asked = client()
    with pytest.raises(error) as caught:
        askonce.enrich(frame, prompt, client=asked)
    assert says in str(caught.value)
    assert asked.asked == []


def test_options_that_contradict_each_other_are_refused(monkeypatch):
    monkeypatch.delenv("ASKONCE_MODEL", raising=False)
    with pytest.raises(TypeError, match="model is the client's own"):
        askonce.enrich(table(), PROMPT, client=client(), model="m")
    with pytest.raises(ValueError, match="schema: the output has a column cost of its own"):
        askonce.enrich(table(), PROMPT, client=client(), schema={"type": "object", "properties": {"cost": {}}})
    with pytest.raises(ValueError, match="compared"):
        askonce.enrich(table(), PROMPT, client=client(), compared="n")
    with pytest.raises(ValueError, match="no model"):
        askonce.enrich(table(), PROMPT, redis_url="redis://localhost:1")


def test_without_pyarrow_the_extra_is_named(monkeypatch):
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    with pytest.raises(ImportError, match=r"askonce\[tables\]"):
        askonce.enrich(pd.DataFrame(KEPT), PROMPT, client=client())


async def test_it_works_where_a_loop_runs_already():
    done = askonce.enrich(pl.DataFrame({"text": ["a?"]}), "{text}", client=client())
    assert done["answer"].to_list() == ["a?"]


@pytest.mark.parametrize("kind", FRAMES)
async def test_a_frame_comes_back_the_same_on_a_loop_and_its_client_stays_open(kind):
    make, expected = FRAMES[kind]
    async with client() as asked:
        done = await askonce.aenrich(make(), PROMPT, client=asked)
        assert isinstance(done, expected)
        assert rows_of(done) == rows_of(askonce.enrich(make(), PROMPT, client=client()))
        assert (await asked.ask("still?", model="m")).text == "still?"
    for field, error in ({"schema": 3}, askonce.InvalidQuestion), ({"redis_url": "redis://x"}, TypeError):
        with pytest.raises(error):
            await askonce.aenrich(make(), PROMPT, client=client(), **field)


async def test_who_is_cancelled_on_a_loop_waits_no_longer():
    begun = asyncio.Event()

    async def never(_):
        begun.set()
        await asyncio.Event().wait()

    async with FakeClient(never) as asked:
        task = asyncio.create_task(askonce.aenrich(pl.DataFrame({"text": ["a?"] * 9}), "{text}", client=asked))
        await asyncio.wait_for(begun.wait(), 60)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await asyncio.wait_for(task, 60)


async def test_what_ends_the_wait_on_a_loop_leaves_no_cancellation_behind(monkeypatch):
    async def never(_):
        await asyncio.Event().wait()

    class Broken:
        def show(self):
            raise OSError("the terminal is gone")

        def close(self):
            pass

    monkeypatch.setattr("askonce.frames.enriching.watching", lambda *_, **__: Broken())
    async with FakeClient(never) as asked:
        with pytest.raises(OSError, match="the terminal is gone"):
            await askonce.aenrich(pl.DataFrame({"text": ["a?"]}), "{text}", client=asked)
    assert asyncio.current_task().cancelling() == 0


@pytest.mark.parametrize(
    "column", [pd.Series, pl.Series, pa.array, lambda texts: pa.chunked_array([texts[:2], texts[2:]])]
)
def test_run_takes_a_column(column):
    answers = askonce.run(column(["a?", None, "b?"]), client=client())
    assert [answer.text for answer in answers] == ["a?", None, "b?"]
    assert answers[1].error.kind == "invalid_question"


@pytest.mark.parametrize("kind", ["pandas", "polars", "table", "batch"])
def test_run_refuses_a_whole_frame(kind):
    with pytest.raises(TypeError, match="give a column"):
        askonce.run(FRAMES[kind][0](), client=client())


WAITS = """
import asyncio, sys
import askonce, pyarrow
from askonce.testing import FakeClient

async def answering(question):
    print("asked", flush=True)
    await asyncio.Event().wait()
try:
    askonce.enrich(pyarrow.table({"text": ["q"]}), "{text}", client=FakeClient(answering))
except KeyboardInterrupt:
    print("interrupted", flush=True)
    sys.exit(7)
"""


def test_ctrl_c_ends_the_wait_and_nothing_is_shown_without_a_terminal():
    process = subprocess.Popen([sys.executable, "-c", WAITS], stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    assert process.stdout.readline() == b"asked\n"
    process.send_signal(signal.SIGINT)
    out, errors = process.communicate(timeout=20)
    assert (process.returncode, out, errors) == (7, b"interrupted\n", b"")
