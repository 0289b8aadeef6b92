"""Vectors of a provider's reply: floats are kept in one form, all others as they came."""

import orjson
import pytest

from askonce_worker.providers.embedding_bodies import read_reply
from askonce_worker.providers.provider import ProviderError


def reply_with(embedding):
    return orjson.dumps({"object": "list", "data": [{"index": 0, "embedding": embedding}]})


@pytest.mark.parametrize("embedding", ["AAA=", "AAAAAA==", [1, -128], [0.5]])
def test_vectors_of_another_kind_stay_as_they_came(embedding):
    assert read_reply(reply_with(embedding), 1, floats=False).vectors == [embedding]


def test_floats_are_packed_and_base64_of_none_is_refused():
    assert read_reply(reply_with([0.5]), 1, floats=True).vectors == ["AAAAPw=="]
    with pytest.raises(ProviderError, match="does not encode floats"):
        read_reply(reply_with("AAA="), 1, floats=True)
