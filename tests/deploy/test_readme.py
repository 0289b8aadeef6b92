"""What deploy/README.md tells to do is what the code does."""

import json
import re

from askonce.serve.serve_settings import VARIABLES, ServeSettings
from askonce.serve.server import GRACE
from askonce.serve.upload import OTHER
from askonce.store.redis_url import connection_options
from askonce_worker.cache.qdrant_messages import collection_of, collection_prefix
from askonce_worker.check.one_part import redacted
from askonce_worker.settings import Settings
from support.deployment import DEPLOY

README = (DEPLOY / "README.md").read_text()


def test_the_collection_made_by_hand_is_like_the_workers_own_but_for_its_shards():
    path, body = re.search(r"PUT /collections/(\S+)\n((?s:.*?))```", README).groups()
    told = json.loads(body)
    own = collection_of(path, told["vectors"]["size"])
    default = Settings.model_fields["embedding_model"].default
    assert path == f"{collection_prefix('askonce', default)}{own.vectors_config.params.size}"
    assert told["vectors"]["distance"] == "Cosine" and own.vectors_config.params.distance == 1
    assert told["hnsw_config"] == {"m": own.hnsw_config.m, "payload_m": own.hnsw_config.payload_m}
    assert told.keys() == {"vectors", "hnsw_config", "shard_number", "replication_factor"}


def test_the_sentinel_url_is_one_and_is_shown_without_its_passwords():
    (url,) = re.findall(r"`(redis\+sentinel://\S+)`", README)
    sentinels = connection_options(url)["sentinels"]
    assert ([host for host, _ in sentinels.hosts], sentinels.name) == (["h1", "h2", "h3"], "askonce")
    assert redacted(url) == "redis+sentinel://h1:26379,h2:26379,h3:26379/askonce/0"


def test_every_setting_that_is_named_is_one():
    found = re.findall(r"`([A-Z]+(?:_[A-Z]+)+)`", README)
    named = {name.removeprefix("ASKONCE_") for name in found} - {"PORT"}
    known = {name.upper() for name in Settings.model_fields}
    known |= {variable.removeprefix("ASKONCE_") for variable, _ in VARIABLES.values()}
    assert len(named) > 10
    assert named <= known


def test_what_stands_before_the_front_door_lets_files_through_and_waits_as_long_as_it_does():
    [megabytes], [seconds] = (
        re.findall(r"client_max_body_size (\d+)m", README),
        re.findall(r"read_timeout (\d+)s", README),
    )
    assert int(megabytes) << 20 >= ServeSettings().file_bytes + OTHER
    assert int(seconds) > ServeSettings().timeout
    assert f"have {GRACE} s" in README


def test_every_file_that_is_named_is_there():
    named = re.findall(r"`((?:redis|prometheus|grafana|kubernetes|tests)/[\w./]*)`|\]\(([\w./]+)\)", README)
    paths = [path for pair in named for path in pair if path]
    assert len(paths) > 5
    assert [path for path in paths if not ((DEPLOY / path).exists() or (DEPLOY.parent / path).exists())] == []
