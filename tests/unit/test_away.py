"""Which errors of Redis say that it is away: the same call may succeed later."""

import pytest
from redis._parsers import _AsyncRESP2Parser
from redis.exceptions import AuthenticationError, ConnectionError, ResponseError, TimeoutError  # noqa: A004

from askonce.errors import StoreUnreachable
from askonce.store.away import AWAY, TROUBLE, is_refusal_for_now, passes


def error_of(line):
    """As redis-py makes it of a server's error line."""
    return _AsyncRESP2Parser.parse_error(line)


@pytest.mark.parametrize(
    "line",
    [
        "READONLY You can't write against a read only replica.",
        "READONLY You can't write against a read only replica. script: 3e2f, on @user_script:5.",
        "ERR Error running script (call to f_3e2f): @user_script:1: @user_script: 1: -READONLY You can't write",
        "MASTERDOWN Link with MASTER is down and replica-serve-stale-data is set to 'no'.",
        "NOREPLICAS Not enough good replicas to write.",
        "CLUSTERDOWN The cluster is down",
        "MISCONF Redis is configured to save RDB snapshots, but it's currently unable to persist to disk.",
        "BUSY Redis is busy running a script. You can only call SCRIPT KILL or SHUTDOWN NOSAVE.",
        "UNBLOCKED force unblock from blocking operation, instance state changed (master -> replica?)",
    ],
)
def test_a_server_that_cannot_work_now_is_away(line):
    assert is_refusal_for_now(error_of(line))


@pytest.mark.parametrize(
    "line",
    [
        "BUSYGROUP Consumer Group name already exists",
        "WRONGTYPE Operation against a key holding the wrong kind of value",
        "NOSCRIPT No matching script. Please use EVAL.",
        "OOM command not allowed when used memory > 'maxmemory'.",
        "NOPERM this user has no permissions to run the 'set' command",
        "ERR unknown command 'LOADING x', with args beginning with: 'READONLY ' ",
    ],
)
def test_what_is_wrong_with_a_call_is_not(line):
    assert not is_refusal_for_now(error_of(line))


@pytest.mark.parametrize("error", [ConnectionError("gone"), TimeoutError("slow"), ConnectionResetError(), OSError()])
def test_a_connection_that_fails_is_away(error):
    assert isinstance(error, AWAY)
    assert passes(error)
    wrapped = StoreUnreachable("away")
    wrapped.__cause__ = error
    assert passes(wrapped)


def test_refused_credentials_do_not_pass_by_waiting():
    assert not passes(AuthenticationError("WRONGPASS"))


def test_trouble_is_whatever_a_call_may_raise():
    assert isinstance(ResponseError("any"), TROUBLE)
    assert all(issubclass(kind, TROUBLE) for kind in AWAY)
