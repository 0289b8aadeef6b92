"""Whole numbers of any size reach the LLM as they were written, by each way into the queue."""

from askonce import Question
from askonce.batch.line_format import Form, read_line
from askonce.commands.question_arguments import params_from
from askonce.operator.csv_rows import CsvRows
from askonce.operator.warming import read_row
from support.asking import MODEL, client_for, settings_for
from support.worker_process import workers

SIZES = (2**64, 2**70, 2**70 + 1, -(2**64) - 1)
FORM = Form("default", MODEL)


async def test_large_numbers_are_sent_as_they_were_written(valkey_url, qdrant_url, llm_server, prefix):
    settings = settings_for(valkey_url, qdrant_url, llm_server, prefix) | {"TPM": "1000000"}
    asked = []
    for size in SIZES:
        line = f'{{"question": "of a line", "params": {{"seed": {size}}}}}'
        asked.append(read_line(1, line.encode(), FORM).question)
        asked.append(Question("of the command", params=params_from([f"seed={size}"])))
        rows = CsvRows()
        [row] = [*rows.feed(f'question,answer,params\nof a table,a,{{"seed": {size}}}\n'.encode()), *rows.end()]
        asked.append(read_row(row, FORM).question)
    async with client_for(settings) as client, workers(1, settings):
        answers = [answer async for _, answer in client.map(asked)]
    assert {(answer.status, answer.source) for answer in answers} == {("answered", "llm")}
    requests = (await llm_server.stats())["chat"]["requests"]
    sent = [(request["body"]["messages"][-1]["content"], request["body"]["seed"]) for request in requests]
    assert sorted(sent) == sorted((question.text, question.params["seed"]) for question in asked)
    assert {seed for _, seed in sent} == set(SIZES)


def test_numbers_that_cannot_be_read_are_bad_lines():
    line = read_line(1, b'{"question": "q", "params": {"seed": %b}}' % (b"1" * 5000), FORM)
    assert line.reason.startswith("not JSON: ")
    deep = b"[" * 900 + b"1" * 20 + b"]" * 900
    assert read_line(1, b'{"question": "q", "metadata": %b}' % deep, FORM).question is None
