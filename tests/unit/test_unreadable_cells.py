"""A cell of Arrow for which Python has no object fails its own row, in a data frame and in a file of Parquet."""

import pyarrow as pa
import pytest
from pyarrow import parquet

import askonce
from askonce.tables.arrow_cells import values_of
from askonce.testing import FakeClient
from support.batch_runs import batch

FAR, FARTHER = 2**62, 2**30
COLUMNS = {
    "a time beyond all years": pa.array([0, FAR, 1], pa.timestamp("us")),
    "a date beyond all years": pa.array([0, FARTHER, 1], pa.date32()),
    "a list of them": pa.array([[0], [FAR], [1]], pa.list_(pa.timestamp("us"))),
    "a text that is no UTF-8": pa.StringArray.from_buffers(
        3, pa.py_buffer(b"\0\0\0\0\1\0\0\0\2\0\0\0\3\0\0\0"), pa.py_buffer(b"a\xffb")
    ),
}


@pytest.mark.parametrize("name", COLUMNS)
def test_it_fails_its_row_of_a_frame(name):
    frame = pa.table({"cell": COLUMNS[name], "n": [1, 2, 3]})
    first, second, third = askonce.enrich(frame, "What is {cell}?", client=FakeClient()).column("error").to_pylist()
    assert (first, third) == (None, None)
    assert second.startswith("malformed_line: line 2: a cell cannot be read")


@pytest.mark.parametrize("unit", ["us", "ns"])
def test_a_zone_that_nobody_knows_fails_its_rows(unit):
    frame = pa.table({"cell": pa.array([0, None], pa.timestamp(unit, "Nowhere/City"))})
    first, second = askonce.enrich(frame, "What is {cell}?", client=FakeClient()).column("error").to_pylist()
    assert "a cell cannot be read" in first
    assert "no value in {cell}" in second


def test_a_zone_that_pytz_does_not_know_is_a_cell_that_cannot_be_read():
    """With pytz, Arrow raises its UnknownTimeZoneError, which is a KeyError."""

    class Cells(list):
        def to_pylist(self):
            return [cell.as_py() for cell in self]

    class Cell:
        def as_py(self):
            raise KeyError("Nowhere/City")

    [value] = values_of(Cells([Cell()]))
    assert str(value) == "<a cell cannot be read: 'Nowhere/City'>"


@pytest.mark.parametrize("output", ["out.parquet", "out.csv", "out.jsonl"])
async def test_it_fails_its_row_of_a_file(files, output):
    columns = {name: column for name, column in COLUMNS.items() if "UTF-8" not in name}
    parquet.write_table(pa.table({"text": ["a?", "b?", "c?"], **columns}), files / "in.parquet")
    async with FakeClient() as client:
        assert await batch(client, "in.parquet", output, "--prompt", "{text} {a date beyond all years}") == 1
        assert [question.text[:2] for question in client.asked] == ["a?", "c?"]
    assert (files / output).exists()
