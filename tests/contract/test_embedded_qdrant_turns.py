"""Calls to the embedded Qdrant take turns; a greeting tells of the way alone."""

from concurrent.futures import ThreadPoolExecutor
from threading import Event, Lock

import grpc
import pytest
from qdrant_client import grpc as qdrant

from askonce_worker.local.qdrant import HealthService
from askonce_worker.local.qdrant_turns import InTurn, Turns


class Slow(qdrant.PointsServicer):
    """Each count lasts until it may end."""

    def __init__(self):
        self.began, self.may_end, self.alone = Event(), Event(), Lock()

    def Count(self, _request, _context):  # noqa: N802 - as gRPC names it
        assert self.alone.acquire(blocking=False), "two at once"
        self.began.set()
        self.may_end.wait(30)
        self.alone.release()
        return qdrant.CountResponse()


@pytest.fixture
def slow():
    return Slow()


@pytest.fixture
def channel(slow):
    with ThreadPoolExecutor(8) as calls:
        server = grpc.server(calls, interceptors=(InTurn(Turns()),))
        qdrant.add_PointsServicer_to_server(slow, server)
        qdrant.add_QdrantServicer_to_server(HealthService(), server)
        port = server.add_insecure_port("127.0.0.1:0")
        server.start()
        with grpc.insecure_channel(f"127.0.0.1:{port}") as channel:
            yield channel
        server.stop(None).wait()


def test_a_greeting_is_answered_while_calls_wait_for_one_another(channel, slow):
    points, health = qdrant.PointsStub(channel), qdrant.QdrantStub(channel)
    counts = [points.Count.future(qdrant.CountPoints(), timeout=30) for _ in range(4)]
    assert slow.began.wait(30)
    health.HealthCheck(qdrant.HealthCheckRequest(), timeout=60)
    assert not any(count.done() for count in counts)
    slow.may_end.set()
    for count in counts:
        count.result()
