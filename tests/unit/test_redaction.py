"""What is taken out of a log line, and what of a client's errors."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from askonce import Client
from askonce.settings import ClientSettings
from askonce_worker.logs.redaction import Redactor, secrets_of
from askonce_worker.settings import Settings

SECRETS = st.text(st.characters(exclude_categories=["Cs"]), min_size=8, max_size=40)


@given(SECRETS, st.text(max_size=20))
def test_a_secret_is_found_however_json_writes_it(secret, around):
    redact = Redactor([secret])
    for line in (secret, json.dumps({around: secret}), json.dumps([secret], ensure_ascii=False)):
        assert secret not in redact(line)
        assert json.dumps(secret)[1:-1] not in redact(line)


def test_urls_lose_their_logins_also_where_nobody_named_them_a_secret():
    line = 'cannot reach rediss://user:pw@host:6379/0 and "http://k@h/v1", see https://example.org/a@b'
    shown = 'cannot reach rediss://***@host:6379/0 and "http://***@h/v1", see https://example.org/a@b'
    assert Redactor()(line) == shown


def test_what_is_short_is_left_in_ordinary_words():
    assert Redactor(["test"])("test-model") == "test-model"


def test_every_secret_of_the_settings_is_known():
    settings = Settings(
        redis_url="redis+sentinel://u:pass%2Fword@h:1/name?sentinel_password=of-the-sentinels",
        qdrant_url="https://u:of-qdrant@h",
        qdrant_api_key="key-of-qdrant",
        embedding_base_url="http://u:of-embeddings@h/v1",
        embedding_api_key="key-of-embeddings",
        OPENAI_API_KEY="key-of-the-llm",
        OPENAI_BASE_URL="http://u:of-the-llm@h/v1",
    )
    expected = {"pass%2Fword", "pass/word", "of-the-sentinels", "of-qdrant", "key-of-qdrant", "of-embeddings"}
    assert expected | {"key-of-embeddings", "key-of-the-llm", "of-the-llm"} <= secrets_of(settings)


@pytest.mark.parametrize("url", ["redis://u:the-secret\x00@h", "redis://u:the-secret/x@h:y", "other://u:the-secret@h"])
def test_a_client_does_not_repeat_its_url(url):
    with pytest.raises(ValueError, match=r"URL|url") as raised:
        Client(url, model="m")
    assert "the-secret" not in str(raised.value)
    assert "the-secret" not in repr(ClientSettings(redis_url=url))
