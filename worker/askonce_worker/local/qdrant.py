"""Qdrant's own engine (`qdrant-edge-py`) behind a gRPC server, for the official client and any number of processes.

Why gRPC and not REST, measured on two shared cores with the engine left out (client CPU in brackets, ms):

    | call                          | official REST | REST, orjson and httpx | gRPC, the client's stubs |
    | batch query, 64 of 384 dims   | 27.0 (24.8)   |  6.0 (3.8)             |  5.8 (2.3)               |
    | batch query, 64 of 1,536 dims | 85.8 (71.8)   | 17.1 (9.7)             | 11.8 (3.1)               |
    | one query, 384 dims           |  3.6 (3.1)    |  1.7 (1.3)             |  0.9 (0.4)               |
    | upsert, 64 of 384 dims        | 12.2 (9.2)    |  6.0 (3.8)             |  4.9 (2.6)               |
    | upsert, 64 of 1,536 dims      | 36.9 (25.7)   | 15.5 (8.2)             | 11.8 (4.1)               |

(The official client's own gRPC methods take 31.9 (28.3) for the first line. The cost is in its models, so the worker
builds the messages itself.)

Calls are served one at a time: the engine holds the GIL while it searches, so a second thread would gain nothing.
(Within a search the engine walks the graphs of a part in parallel.) A health check does not wait for its turn: its
latency is that of the network alone. Graphs are built by another process (`qdrant_rebuild.py`).
"""

import argparse
import logging
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Event, Thread

import grpc
from qdrant_client import grpc as qdrant

from askonce_worker.local.child import owned_directory, wait_for_parent
from askonce_worker.local.qdrant_collections import CollectionsService
from askonce_worker.local.qdrant_errors import Translation
from askonce_worker.local.qdrant_points import PointsService
from askonce_worker.local.qdrant_shards import Shards
from askonce_worker.local.qdrant_turns import InTurn, Turns
from askonce_worker.local.qdrant_upkeep import EVERY

log = logging.getLogger(__name__)

GRACE = 1.0
CALLS = 128
"""Calls held at once, all but one of them waiting. Further calls wait unread."""
_OPTIONS = [
    ("grpc.so_reuseport", 0),  # else two servers could share one port, and each would get half of the calls
    ("grpc.max_receive_message_length", 64 << 20),
    ("grpc.max_send_message_length", 64 << 20),
]


class HealthService(qdrant.QdrantServicer):
    def HealthCheck(self, _request: qdrant.HealthCheckRequest, _context: object) -> qdrant.HealthCheckReply:
        return qdrant.HealthCheckReply(title="askonce's embedded Qdrant")


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--data-dir", type=Path)
    arguments = parser.parse_args()
    with owned_directory(arguments.data_dir) as directory:
        serve(arguments.port, directory)


def serve(port: int, directory: Path) -> None:
    """Answer until the parent is gone, then write everything to disk."""
    turns, shards = Turns(), Shards(directory)
    calls = ThreadPoolExecutor(max_workers=CALLS)
    server = grpc.server(calls, interceptors=(Translation(), InTurn(turns)), options=_OPTIONS)
    qdrant.add_CollectionsServicer_to_server(CollectionsService(shards), server)  # type: ignore[no-untyped-call]
    qdrant.add_PointsServicer_to_server(PointsService(shards), server)  # type: ignore[no-untyped-call]
    qdrant.add_QdrantServicer_to_server(HealthService(), server)  # type: ignore[no-untyped-call]
    server.add_insecure_port(f"127.0.0.1:{port}")
    server.start()
    stopping = Event()
    tidying = Thread(target=_tidy, args=(turns, shards, stopping), daemon=True)
    tidying.start()
    wait_for_parent()
    stopping.set()
    server.stop(GRACE).wait()
    tidying.join()
    with turns:
        shards.close()
    calls.shutdown()


def _tidy(turns: Turns, shards: Shards, stopping: Event) -> None:
    pause = 0.0
    while not stopping.wait(pause):
        try:
            with turns:
                pause = shards.tidy()
        except Exception:
            log.exception("upkeep between requests failed")
            pause = EVERY
