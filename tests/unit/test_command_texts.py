"""What commands print for people: no control characters of others, and sums that say something."""

import pytest

from askonce.commands.output import say, say_json
from askonce.commands.provider_batches import _row
from askonce.commands.text_table import counted, money, table
from askonce.operator.provider_batches import ProviderBatch

RED = "\x1b[31mred\x9b\u202e"


def test_control_characters_are_written_out_for_people_and_kept_in_json(capsys):
    say(f"{RED}\nnext\tcell")
    say_json([RED])
    assert capsys.readouterr().out == ('\\u001b[31mred\\u009b\\u202e\nnext\tcell\n["\\u001b[31mred\x9b\u202e"]\n')
    assert table(["a"], [["x\ry"]]).splitlines()[-1] == "x\\u000dy"


@pytest.mark.parametrize(
    ("value", "shown"), [(0, "0.00"), (1234.5, "1,234.50"), (0.02, "0.0200"), (0.0000123, "0.000012")]
)
def test_small_sums_keep_two_digits(value, shown):
    assert money(value) == shown


def test_one_is_no_plural():
    assert [counted(1, "job"), counted(2000, "job")] == ["1 job", "2,000 jobs"]


def test_the_state_of_a_batch_is_never_cut():
    batch = ProviderBatch(
        "askonce-0123456789ab", "some-provider/a-long-model-name", "running", "in_progress", "",
        4000, 10, 0, 0, 7200, 0, 0, 0.1, "",
    )  # fmt: skip
    heads = ["batch", "state", "model", "lines", "done", "failed", "age", "cost"]
    said = table(heads, [_row(batch)], left=3, width=80, whole=2).splitlines()
    assert "in_progress" in said[-1]
    assert max(map(len, said)) <= 80
