"""The embedded Qdrant as a process of its own: `python -m askonce_worker.local.qdrant_process --port PORT`."""

from askonce_worker.rest_free import load_qdrant_without_rest

load_qdrant_without_rest()

from askonce_worker.local.qdrant import main  # noqa: E402 - it imports the client, now without its REST models

main()
