"""Questions of one scope next to each other, and no scope for ever."""

from askonce_worker.answering.scoped_line import RUN, ScopedLine


def line_of(*scopes):
    line = ScopedLine()
    for number, scope in enumerate(scopes):
        line.append((scope, number), scope)
    return line


def drained(line):
    found = []
    while line:
        found.append(line.popleft())
    return found


def test_those_of_the_last_ones_scope_come_next_and_then_who_has_waited_longest():
    assert drained(line_of("a", "b", "c", "b", "a")) == [("a", 0), ("a", 4), ("b", 1), ("b", 3), ("c", 2)]


def test_a_scope_without_end_lets_others_through():
    line = line_of(*["a"] * 3 * RUN, "b", "c")
    scopes = [scope for scope, _ in drained(line)]
    assert (scopes.index("b"), scopes.index("c"), len(scopes)) == (RUN, RUN + 1, 3 * RUN + 2)


def test_without_scopes_the_order_stays():
    assert drained(line_of("", "", "")) == [("", 0), ("", 1), ("", 2)]


def test_who_leaves_is_not_waited_for():
    line = ScopedLine()
    first, second = object(), object()
    line.append(first, "a")
    line.append(second, "b")
    line.remove(first, "a")
    assert drained(line) == [second]
