"""`askonce batch --prompt` over the client's double: each row of a table has its answer beside it."""

import asyncio
import csv
from datetime import date

import orjson
import pytest

from askonce.batch.table.prompt import parse_prompt, with_compared
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
    assert "nothing stands in {text}" in rows[1]["error"]
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
        (["--prompt", "{tex}"], "did you mean text"),
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
        with pytest.raises(ValueError, match=says.replace("{", r"\{")):
            await batch(askonce, "in.csv", "out.csv", *arguments)
    assert [path.name for path in files.iterdir()] == ["in.csv"]


@pytest.mark.parametrize(
    ("output", "says"),
    [
        ("-", "name two files"),
        ("in.csv", "is the input"),
        ("no/out.csv", "no such directory"),
        ("there.csv", "is there already"),
        ("out.csv.gz", "plain"),
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
    ("head", "says"), [("answer,text", "already, which the output adds"), ("text,text", "two columns")]
)
async def test_names_of_columns_that_would_be_lost_are_refused(files, head, says):
    (files / "in.csv").write_text(f"{head}\na,b\n")
    async with FakeClient() as askonce:
        with pytest.raises(ValueError, match=says):
            await batch(askonce, "in.csv", "out.csv", "--prompt", "{text}")


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
