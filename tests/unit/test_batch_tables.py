"""`askonce batch --prompt` over the client's double: each row of a table has its answer beside it."""

import asyncio
import csv
import re
from datetime import date

import orjson
import pytest

from askonce.batch.table.prompt import parse_prompt, with_compared
from askonce.batch.table.writers import typed_cell
from askonce.contract.completion import text_body
from askonce.testing import FakeClient
from support.batch_runs import BROKEN, batch, records

PROMPT = "Classify: {subject} {body}"
ADDED = ["answer", "source", "similarity", "error", "cost"]


def rows_of(path, separator=","):
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file, delimiter=separator))


async def test_a_csv_becomes_a_tsv_in_its_order_with_what_came_of_each_row(files):
    (files / "in.csv").write_text('n;text\n1;"Where\nis it?"\n2;\n3;bad?\n4;a;b\n5;"say ""hi"""\n')
    async with FakeClient(lambda q: BROKEN if q.text == "bad?" else q.prompt()) as askonce:
        assert await batch(askonce, "in.csv", "out.tsv", "--prompt", "Say {{x}}: {text}!", "--id", "n") == 1
        assert {question.template for question in askonce.asked} == {"Say {x}: {text}!"}
    rows = rows_of(files / "out.tsv", "\t")
    assert list(rows[0]) == ["n", "text", *ADDED]
    assert [(row["n"], row["answer"]) for row in rows] == [
        ("1", "Say {x}: Where\nis it?!"), ("2", ""), ("3", ""), ("", ""), ("5", 'Say {x}: say "hi"!'),
    ]  # fmt: skip
    assert [row["error"].partition(":")[0] for row in rows] == [
        "",
        "malformed_line",
        "server_error",
        "malformed_line",
        "",
    ]
    assert "no value in {text}" in rows[1]["error"]
    assert {record["custom_id"] for record in records(files / "out.tsv.answers.jsonl")} == {"1", "5"}


async def test_parquet_keeps_the_types_of_its_columns(files):
    pa, parquet = pytest.importorskip("pyarrow"), pytest.importorskip("pyarrow.parquet")
    table = pa.table({"text": [f"t{i % 40}" for i in range(50)], "day": [date(2026, 1, 2)] * 50, "xs": [[1, 2]] * 50})
    parquet.write_table(table, files / "in.parquet", row_group_size=20)
    async with FakeClient() as askonce:
        assert await batch(askonce, "in.parquet", "out.parquet", "--prompt", "{text}") == 0
        assert await batch(askonce, "in.parquet", "out.jsonl", "--prompt", "{text}") == 0
    done = parquet.read_table(files / "out.parquet")
    assert done.select(table.column_names) == table
    assert done.column("answer").to_pylist() == [f"answer to: t{i % 40}" for i in range(50)]
    assert records(files / "out.jsonl")[49]["day"] == "2026-01-02"


async def test_rows_of_json_lines_become_parquet_of_texts(files):
    pytest.importorskip("pyarrow")
    from pyarrow import parquet

    (files / "in.jsonl").write_bytes(b'{"q": "a?", "n": 1}\n{"q": "b?", "more": {"x": null}}\n')
    async with FakeClient() as askonce:
        assert await batch(askonce, "in.jsonl", "out.parquet", "--prompt", "{q}") == 0
    first, second = parquet.read_table(files / "out.parquet").to_pylist()
    assert (first["n"], first["answer"], first["more"]) == ("1", "answer to: a?", None)
    assert (second["more"], second["source"], second["cost"]) == ('{"x":null}', "llm", None)


async def test_a_stopped_run_goes_on_and_a_failed_row_is_run_again(files):
    (files / "in.csv").write_text("text\n" + "".join(f"Number {i}?\n" for i in range(200)))
    arguments = ("in.csv", "out.csv", "--prompt", "{text}", "--in-flight", "20")
    async with FakeClient(lambda q: BROKEN if q.text == "Number 7?" else q.text) as askonce:
        run = asyncio.create_task(batch(askonce, *arguments))
        while len(askonce.asked) < 60 and not run.done():
            await asyncio.sleep(0)
        run.cancel()
        with pytest.raises(asyncio.CancelledError):
            await run
        assert not (files / "out.csv").exists()
        assert await batch(askonce, *arguments) == 1
    rows = rows_of(files / "out.csv")
    assert [row["text"] for row in rows] == [f"Number {i}?" for i in range(200)]
    assert [row["text"] for row in rows if row["answer"] != row["text"]] == ["Number 7?"]
    async with FakeClient() as askonce:
        assert await batch(askonce, *arguments, "--retry-failed") == 0
        assert len(askonce.asked) == 1
    assert [row["text"] for row in rows_of(files / "out.csv") if row["error"]] == []
    assert rows_of(files / "out.csv")[7]["answer"] == "answer to: Number 7?"


@pytest.mark.parametrize(
    ("rows", "compared", "says"),
    [
        ([[f"s{i}", f"b{i}"] for i in range(100)], None, "{subject} and {body} vary"),
        ([[f"s{i % 3}", f"b{i}"] for i in range(100)], "body", "{subject} must be equal"),
        ([["s", "b"]] * 100, None, "few values"),
    ],
)
def test_one_column_is_compared_where_the_others_have_few_values(rows, compared, says):
    prompt, how = with_compared(parse_prompt(PROMPT), rows)
    assert (prompt.compared, says in how) == (compared, True)
    filled = prompt.fill({"subject": "Bill {text}", "body": "Where?"})
    assert filled == {"question": "Classify: Bill {text} Where?", "semantic": False}
    if compared:
        assert prompt.fill({"subject": "Bill", "body": "Where?"}) == {
            "question": "Where?", "template": "Classify: Bill {text}",
        }  # fmt: skip


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (
            ["--prompt", "{tex}"],
            "no column tex (did you mean text?); the first row of in.csv, which names the columns, has {text} and {n}",
        ),
        (["--prompt", "no column"], "names no column"),
        (["--prompt", "{text"], "write {{ for a brace"),
        (["--prompt", "{text}", "--id", "no"], "--id: there is no column no"),
        (["--prompt", "{text}", "--text"], "--prompt and --text"),
        (["--id", "text"], "which --prompt asks about"),
        ([], "needs --prompt"),
    ],
)
async def test_what_cannot_be_asked_is_refused_before_anything_is_written(files, arguments, says):
    (files / "in.csv").write_text("text,n\na?,1\n")
    async with FakeClient() as askonce:
        with pytest.raises(ValueError, match=re.escape(says)):
            await batch(askonce, "in.csv", "out.csv", *arguments)
    assert [path.name for path in files.iterdir()] == ["in.csv"]


@pytest.mark.parametrize(
    ("output", "says"),
    [
        ("-", "name two files"),
        ("in.csv", "is the input"),
        ("no/out.csv", "no such directory"),
        ("there.csv", "already exists"),
        ("out.csv.gz", "plain"),
        ("out.xlsx", r"must end in .csv, .*\.jsonl"),
    ],
)
async def test_outputs_that_cannot_be_are_refused(files, output, says):
    (files / "in.csv").write_text("text\na?\n")
    (files / "there.csv").write_text("mine")
    async with FakeClient() as askonce:
        with pytest.raises(ValueError, match=says):
            await batch(askonce, "in.csv", output, "--prompt", "{text}")
        assert askonce.asked == []


@pytest.mark.parametrize(
    ("head", "says"),
    [
        ("answer,text", "already, which the output adds"),
        ("text,text", "in.csv: two columns have the name text"),
        ("text,, ", "in.csv: two columns have no name"),
    ],
)
async def test_names_of_columns_that_would_be_lost_are_refused(files, head, says):
    (files / "in.csv").write_text(f"{head}\na,b\n")
    async with FakeClient() as askonce:
        with pytest.raises(ValueError, match=says):
            await batch(askonce, "in.csv", "out.csv", "--prompt", "{text}")


@pytest.mark.parametrize("content", ["text,n\na,1\n", '[{"text": "a"}, {"text": "b"}]\n'])
async def test_lines_none_of_which_is_an_object_are_refused_with_the_reason(files, content):
    (files / "in.txt").write_text(content)
    async with FakeClient() as askonce:
        with pytest.raises(
            ValueError, match=r"in\.txt: read as JSON lines, as its name says, .*line 1: (not JSON|an array)"
        ):
            await batch(askonce, "in.txt", "out.csv", "--prompt", "{text}")
    assert [path.name for path in files.iterdir()] == ["in.txt"]


async def test_an_empty_table_stays_one(files):
    (files / "in.csv").write_text("text,n\n")
    async with FakeClient() as askonce:
        assert await batch(askonce, "in.csv", "out.csv", "--prompt", "{text}") == 0
    assert (files / "out.csv").read_text() == ",".join(["text", "n", *ADDED]) + "\n"


async def test_the_estimate_reads_the_table_too(files, capsys):
    (files / "in.csv").write_text("text\na?\na?\nb?\n")
    async with FakeClient() as askonce:
        assert await batch(askonce, "in.csv", "out.csv", "--prompt", "{text}", "--dry-run", "--json") == 0
    assert orjson.loads(capsys.readouterr().out)["exact_repeats"] == 1


SCHEMA = {
    "type": "object",
    "properties": {
        "label": {"$ref": "#/$defs/Label"},
        "sure": {"type": ["number", "null"]},
        "count": {"anyOf": [{"type": "integer"}, {"type": "null"}]},
        "urgent": {"type": "boolean"},
        "words": {"type": "array"},
    },
    "$defs": {"Label": {"enum": ["refund", "order"]}},
}
SAID = {"label": "refund", "sure": 1, "count": 3.0, "urgent": True, "words": ["a", {"b": None}], "more": 1}
NONE_OF_IT = dict.fromkeys(SCHEMA["properties"])


def typed(question):
    return "no idea" if question.text == "bad?" else orjson.dumps(SAID).decode()


@pytest.fixture
def table(files):
    (files / "label.json").write_bytes(orjson.dumps(SCHEMA))
    (files / "in.csv").write_text("n,text\n1,good?\n2,bad?\n")
    return files


async def test_the_properties_of_a_schema_are_columns_in_place_of_the_answer(table):
    async with FakeClient(typed) as askonce:
        assert await batch(askonce, "in.csv", "out.csv", "--prompt", "{text}", "--schema", "label.json") == 1
        assert {question.params["response_format"]["type"] for question in askonce.asked} == {"json_schema"}
    good, bad = rows_of(table / "out.csv")
    assert list(good) == ["n", "text", *SCHEMA["properties"], *ADDED[1:]]
    assert [good[name] for name in SCHEMA["properties"]] == ["refund", "1", "3.0", "true", '["a",{"b":null}]']
    assert [bad[name] for name in SCHEMA["properties"]] == [""] * 5
    assert bad["error"].startswith("invalid_answer: the answer does not fit its schema")


async def test_json_lines_keep_lists_and_parquet_has_types(table):
    pytest.importorskip("pyarrow")
    from pyarrow import parquet

    async with FakeClient(typed) as askonce:
        for output in ("out.jsonl", "out.parquet"):
            assert await batch(askonce, "in.csv", output, "--prompt", "{text}", "--schema", "label.json") == 1
        parquet.write_table(parquet.read_table(table / "out.parquet").select(["n", "text"]), table / "in.parquet")
        assert await batch(askonce, "in.parquet", "wide.parquet", "--prompt", "{text}", "--schema", "label.json") == 1
    good, bad = records(table / "out.jsonl")
    assert (good["words"], good["count"], bad["words"]) == (["a", {"b": None}], 3.0, None)
    for name in ("out.parquet", "wide.parquet"):
        done = parquet.read_table(table / name)
        types = {field.name: str(field.type) for field in done.schema}
        assert [types[each] for each in SCHEMA["properties"]] == ["string", "double", "int64", "bool", "string"]
        good, bad = done.to_pylist()
        assert {each: good[each] for each in SCHEMA["properties"]} == {
            "label": "refund", "sure": 1.0, "count": 3, "urgent": True, "words": '["a",{"b":null}]',
        }  # fmt: skip
        assert {each: bad[each] for each in SCHEMA["properties"]} == NONE_OF_IT


@pytest.mark.parametrize(
    ("value", "kind", "cell"),
    [
        ("a", "integer", None),
        (1.5, "integer", None),
        (3.0, "integer", 3),
        (2**63, "integer", None),
        (True, "integer", None),
        (True, "number", None),
        ([1], "number", None),
        (1, "number", 1.0),
        (1, "boolean", None),
        ("true", "boolean", None),
    ],
)
def test_a_cell_of_parquet_is_of_its_columns_type_or_left_out(value, kind, cell):
    assert typed_cell(value, kind) == cell


async def test_an_answer_too_deep_to_be_written_again_does_not_cost_the_table(table):
    deep = '{"label": "refund", "words": ' + "[" * 300 + "]" * 300 + "}"
    async with FakeClient(lambda question: deep) as askonce:
        assert await batch(askonce, "in.csv", "out.jsonl", "--prompt", "{text}", "--schema", "label.json") == 1
    assert [row["label"] for row in records(table / "out.jsonl")] == [None, None]


async def test_a_schema_of_other_lines_is_their_own(table):
    own = {"type": "json_schema", "json_schema": {"name": "mine", "schema": {"type": "integer"}}}
    request = {"model": "m", "messages": [{"role": "user", "content": "whole"}]}
    lines = [
        {"id": "short", "question": "short"},
        {"id": "said", "question": "said", "schema": {"type": "string"}},
        {"id": "sent", "question": "sent", "params": {"response_format": own}},
        {"id": "messages", "messages": [{"role": "user", "content": "messages"}]},
        {"custom_id": "whole", "method": "POST", "url": "/v1/chat/completions", "body": request},
        {"custom_id": "vectors", "method": "POST", "url": "/v1/embeddings", "body": {"model": "m", "input": "x"}},
    ]
    (table / "in.jsonl").write_bytes(b"\n".join(map(orjson.dumps, lines)))
    others = {"said": '"1"', "sent": "1"}
    async with FakeClient(lambda question: others.get(question.text) or typed(question)) as askonce:
        assert await batch(askonce, "in.jsonl", "out.jsonl", "--schema", "label.json", "--template", "none") == 1
        formats = {each.text: each.params["response_format"]["json_schema"] for each in askonce.asked}
    assert {text: each["schema"].get("type") for text, each in formats.items()} == {
        "short": "object", "said": "string", "sent": "integer", "messages": "object", "whole": "object",
    }  # fmt: skip
    assert formats["sent"]["name"] == "mine"
    [failed] = records(table / "out.errors.jsonl")
    assert (failed["custom_id"], "embeddings have no schema" in failed["error"]["message"]) == ("vectors", True)


async def test_what_an_answer_cost_that_does_not_fit_is_in_the_sums(table, capsys):
    body = text_body("no idea", model="m", usage={"prompt_tokens": 10, "completion_tokens": 5, "total_tokens": 15})
    (table / "prices.json").write_text('{"models": {"m": {"input": 1000, "output": 1000}}}')
    async with FakeClient(lambda question: body, model="m") as askonce:
        arguments = ("in.csv", "out.csv", "--prompt", "{text}", "--schema", "label.json", "--prices", "prices.json")
        assert await batch(askonce, *arguments, "--json") == 1
    report = orjson.loads(capsys.readouterr().out)
    assert (report["spent"]["prompt_tokens"], report["spent"]["completion_tokens"]) == (20, 10)
    assert report["spent"]["cost"] == pytest.approx(0.03)
    [first, _] = records(table / "out.csv.answers.errors.jsonl")
    assert (first["askonce"]["billed"], first["askonce"]["usage"]["total_tokens"]) == (True, 15)


@pytest.mark.parametrize(
    ("schema", "says"),
    [
        ('{"type": "object"}', "has no properties"),
        ('{"properties": {"cost": {}}}', "rename the property"),
        ('{"properties": {"text": {}}}', "a column text already"),
        ("[1]", "a JSON schema"),
        ("{", "not JSON"),
    ],
)
async def test_a_schema_that_makes_no_table_is_refused_before_anything_is_asked(table, schema, says):
    (table / "label.json").write_text(schema)
    async with FakeClient() as askonce:
        with pytest.raises(ValueError, match=says):
            await batch(askonce, "in.csv", "out.csv", "--prompt", "{text}", "--schema", "label.json")
        assert askonce.asked == []


async def test_another_schema_is_another_run(table):
    arguments = ("in.csv", "out.csv", "--prompt", "{text}", "--schema", "label.json")
    async with FakeClient(typed) as askonce:
        await batch(askonce, *arguments)
        (table / "label.json").write_text('{"properties": {"label": {}}}')
        with pytest.raises(ValueError, match="--schema was"):
            await batch(askonce, *arguments)
