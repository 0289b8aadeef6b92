"""ASKONCE_REDIS_URL, as the worker takes it or refuses it at its start."""

import pytest

from askonce_worker.settings import SettingsError, load_settings


@pytest.mark.parametrize("url", ["redis+sentinel://u:p@h1,h2:7/name/0", "rediss://u:p@h/1", "unix:///run/redis.sock"])
def test_what_leads_to_one_redis_is_taken(url, monkeypatch):
    monkeypatch.setenv("ASKONCE_REDIS_URL", url)
    assert load_settings().redis_url.get_secret_value() == url


@pytest.mark.parametrize(
    ("url", "said"),
    [
        ("redis+cluster://:secret@h1", "Redis Cluster is not supported"),
        ("redis+sentinel://:secret@h1,h2", "redis+sentinel://host:26379,host:26379/name/0"),
        ("http://:secret@h1", "begins with redis://"),
        ("redis://:sec/ret@h1:6379", "percent-encoded"),
    ],
)
def test_what_does_not_stops_the_start_with_one_line_and_no_password(url, said, monkeypatch):
    monkeypatch.setenv("ASKONCE_REDIS_URL", url)
    with pytest.raises(SettingsError, match="ASKONCE_REDIS_URL") as raised:
        load_settings()
    message = str(raised.value)
    assert said in message
    assert "ret" not in message.replace("percent", "")
    assert "\n" not in message
