"""Commands as they go over the wire."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from redis.asyncio.connection import Connection

from askonce.store.wire import packed

value = st.text() | st.binary() | st.integers() | st.floats()


@given(st.lists(st.lists(value, min_size=1).map(tuple), min_size=1))
def test_they_are_packed_as_redis_py_packs_them(commands):
    commands = [("SET", *command) for command in commands]
    assert packed(commands) == b"".join(Connection().pack_commands(commands))


@pytest.mark.parametrize("odd", [None, True, bytearray(b"x"), ["x"]])
def test_what_is_no_value_of_redis_is_refused(odd):
    with pytest.raises(TypeError):
        packed([("SET", "key", odd)])
