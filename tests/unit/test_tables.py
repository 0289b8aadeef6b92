"""Rows of other people's tables: JSON lines, CSV, TSV and Parquet, packed or not."""

import gzip

import pytest

from askonce.tables import parquet_rows
from askonce.tables.rows import read_rows

ROWS = [{"text": "Wo ist\ndie Karte?", "label": "card; lost"}, {"text": 'She said "hi"', "label": "é"}]
CELLS = '"Wo ist\ndie Karte?"{0}"card; lost"\n"She said ""hi"""{0}é\n'


def fields(path):
    return [row.fields for row in read_rows(str(path))]


@pytest.mark.parametrize("end", ["\n", "\r\n"])
@pytest.mark.parametrize(("name", "separator"), [("t.csv", ","), ("t.csv", ";"), ("t.tsv", "\t"), ("t.CSV.gz", ",")])
def test_cells_are_divided_by_what_the_first_row_has(tmp_path, name, separator, end):
    path, content = tmp_path / name, f"\ufefftext{separator}label\n{CELLS.format(separator)}".encode()
    path.write_bytes(gzip.compress(content) if name.endswith("gz") else content.replace(b"\n", end.encode()))
    assert fields(path) == ROWS


@pytest.mark.parametrize(
    ("content", "row"),
    [
        ('"Name, first";"Text, all, ""quoted"""\na;b\n', {"Name, first": "a", 'Text, all, "quoted"': "b"}),
        ('3.5" disk;n\na;b\n', {'3.5" disk': "a", "n": "b"}),
        ("2020,2021\n1,2\n", {"2020": "1", "2021": "2"}),
        ("PAR1,PAR2\na,b\n", {"PAR1": "a", "PAR2": "b"}),
    ],
)
def test_unusual_names_of_columns_are_taken_as_they_are(tmp_path, content, row):
    path = tmp_path / "t.csv"
    path.write_text(content)
    assert fields(path) == [row]


def test_lines_of_json_are_rows_and_what_is_none_says_why(tmp_path):
    path = tmp_path / "t.jsonl"
    path.write_bytes(b'{"text": "a"}\n\n1\n{"text": \n{"text": "b"}\n [{"text": "c"},')
    rows = list(read_rows(str(path)))
    assert [(row.number, row.fields) for row in rows] == [
        (1, {"text": "a"}), (3, None), (4, None), (5, {"text": "b"}), (6, None),
    ]  # fmt: skip
    assert rows[1].reason == "not a JSON object"
    assert rows[2].reason.startswith("not JSON")
    assert "jq -c" in rows[4].reason


def test_rows_of_csv_that_do_not_fit_are_told_from_the_others(tmp_path):
    path = tmp_path / "t.csv"
    path.write_bytes(b'a,b\n1,2,3\n\xff,1\n5,6\n"7,8\n')
    assert [(row.number, row.fields is None) for row in read_rows(str(path))] == [
        (2, True), (3, True), (4, False), (5, True),
    ]  # fmt: skip


def test_parquet_is_read_by_its_row_groups(tmp_path):
    pyarrow, parquet = pytest.importorskip("pyarrow"), pytest.importorskip("pyarrow.parquet")
    path = tmp_path / "t.parquet"
    table = pyarrow.table({"text": [f"t{i}" for i in range(5000)], "n": range(5000)})
    parquet.write_table(table, path, row_group_size=700)
    rows = list(read_rows(str(path)))
    assert [row.number for row in rows] == list(range(1, 5001))
    assert rows[-1].fields == {"text": "t4999", "n": 4999}


@pytest.mark.parametrize(
    ("name", "content", "says"),
    [
        ("none.jsonl", None, "No such file"),
        ("t.parquet", b"text\n", "not a Parquet"),
        ("t.csv", "text\n".encode("utf-16"), "UTF-16"),
        ("t.jsonl.gz", gzip.compress(b'{"a": 1}\n' * 999)[:-9], "cut off"),
        ("t.csv", b"PK\x03\x04\x14\x00\x06\x00", "save it as CSV"),
        ("t.csv.gz", gzip.compress(b"PAR1\x15\x04"), "end in .parquet"),
        ("t.csv", b"", "the first row, with the column names, is missing"),
        ("t.csv", b"\n  \n", "the first row, with the column names, is missing"),
        ("t.csv", "id,Grüße\n1,a\n".encode("latin-1"), "line 1 should name the columns, and is not UTF-8"),
        ("t.csv", b'{"id":1,"text":"a"}\n' * 2, "line 1 should name the columns, and is not CSV"),
        ("t.csv", b"id,text\r1,a\r2,b\r", "line 1 should name the columns, and is not CSV: there is a carriage return"),
        ("t.csv", b'"id,text\n1,a\n', "a quotation mark is not closed"),
        ("t.csv", b'"id,\n text"x\n1,a\n', "line 1 should name the columns"),
    ],
    ids=["none", "parquet", "utf-16", "gzip", "zip", "magic", "empty", "blank", "latin", "json", "mac", "quote", "two"],
)
def test_a_file_that_cannot_be_read_is_named_with_the_reason(tmp_path, name, content, says):
    path = tmp_path / name
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(ValueError, match=says) as caught:
        fields(path)
    assert name in str(caught.value)


def test_without_pyarrow_the_extra_is_named(tmp_path, monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "pyarrow", None)
    with pytest.raises(ValueError, match=r"askonce\[tables\]"):
        parquet_rows.ParquetRows(str(tmp_path / "t.parquet"))
