"""A Qdrant that builds graphs: `python -m support.graph_qdrant`, on loopback, until stdin closes.

Prints its port on a line of its own. One thread does all the work, as in the stand-in.
"""

import sys
from concurrent.futures import ThreadPoolExecutor
from threading import Event, Thread

import grpc
from qdrant_client import grpc as qdrant

from askonce_worker.local.child import wait_for_parent
from askonce_worker.local.qdrant_errors import Translation
from support.graph_qdrant.collections import CollectionsService
from support.graph_qdrant.points import PointsService
from support.graph_qdrant.shards import Collections

TIDY_EVERY = 0.1


class HealthService(qdrant.QdrantServicer):
    def HealthCheck(self, _request: object, _context: object) -> qdrant.HealthCheckReply:
        return qdrant.HealthCheckReply(title="Qdrant's engine, with graphs")


def main() -> None:
    collections, thread, stopping = Collections(), ThreadPoolExecutor(max_workers=1), Event()
    options = [("grpc.so_reuseport", 0), ("grpc.max_receive_message_length", -1)]
    server = grpc.server(thread, interceptors=(Translation(),), options=options)
    qdrant.add_CollectionsServicer_to_server(CollectionsService(collections), server)
    qdrant.add_PointsServicer_to_server(PointsService(collections), server)
    qdrant.add_QdrantServicer_to_server(HealthService(), server)
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()

    def tidy() -> None:
        while not stopping.wait(TIDY_EVERY):
            thread.submit(collections.tidy).result()

    tidying = Thread(target=tidy, daemon=True)
    tidying.start()
    sys.stdout.write(f"{port}\n")
    sys.stdout.flush()
    wait_for_parent()
    stopping.set()
    tidying.join()
    server.stop(None).wait()
    collections.close()


if __name__ == "__main__":
    main()
