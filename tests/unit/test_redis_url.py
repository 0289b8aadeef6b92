"""Redis URLs as people write them: what is honoured, and what is refused by its name."""

import pytest

from askonce import Client
from askonce.store.failover import TcpConnection, TlsConnection, UnixConnection
from askonce.store.redis_url import check_url, connection_options, tidy
from askonce.store.sentinel import MasterConnection, MasterTlsConnection
from askonce_worker.settings import SettingsError, load_settings


@pytest.mark.parametrize(
    ("url", "kind"),
    [
        ("redis://h", TcpConnection),
        ("valkey://h", TcpConnection),
        ("rediss://h", TlsConnection),
        ("valkeys://h", TlsConnection),
        ("unix:///run/redis.sock", UnixConnection),
        ("redis+sentinel://h/name", MasterConnection),
        ("valkey+sentinel://h/name", MasterConnection),
        ("valkeys+sentinel://h/name", MasterTlsConnection),
    ],
)
def test_both_names_of_a_scheme_lead_to_the_same_connections(url, kind):
    assert connection_options(url)["connection_class"] is kind


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("db=3", {"db": 3}),
        ("protocol=3", {"protocol": 2}),
        ("decode_responses=false", {"decode_responses": False}),
        ("max_connections=20", {"max_connections": 20}),
        ("socket_timeout=7.5&socket_connect_timeout=2", {"socket_timeout": 7.5, "socket_connect_timeout": 2}),
        ("socket_keepalive=no", {"socket_keepalive": False}),
        ("health_check_interval=30", {"health_check_interval": 30}),
        ("client_name=shop", {"client_name": "shop"}),
        ("username=me&password=p%40ss", {"username": "me", "password": "p@ss"}),
    ],
)
def test_what_makes_sense_is_honoured(query, expected):
    assert connection_options(f"redis://h:1/0?{query}").items() >= expected.items()


@pytest.mark.parametrize("written", ["none", "CERT_NONE", "None"])
def test_certificates_may_be_left_unchecked_however_that_is_spelled(written):
    options = connection_options(f"rediss://h:1/0?ssl_cert_reqs={written}")
    assert (options["ssl_cert_reqs"], options["ssl_check_hostname"]) == ("none", False)


@pytest.mark.parametrize(
    ("url", "said"),
    [
        ("redis://h/abc", "the database of the Redis URL"),
        ("rediss://h/1/2", "the database of the Redis URL"),
        ("redis://h/0?pool_size=3", "unknown option 'pool_size'"),
        ("redis://h/0?decode_responses=true", "'decode_responses' must be omitted"),
        ("redis://h/0?protocol=4", "'protocol' must be 2 or 3"),
        ("redis://h/0?max_connections=1", "'max_connections' must be a whole number, at least 4"),
        ("redis://h/0?socket_timeout=soon", "'socket_timeout' must be a number of seconds"),
        ("redis://h/0?socket_timeout=0.1", "'socket_timeout' must be at least 2 seconds"),
        ("redis://h/0?ssl_cert_reqs=none", "'ssl_cert_reqs' needs TLS"),
        ("rediss://h/0?ssl_cert_reqs=maybe", "'ssl_cert_reqs' must be none, optional or required"),
        ("redis+sentinel://h/name?pool_size=3", "unknown option 'pool_size'"),
    ],
)
def test_the_rest_is_refused_by_its_name_by_client_and_worker(url, said, monkeypatch):
    with pytest.raises(ValueError, match=said):
        Client(url)
    monkeypatch.setenv("ASKONCE_REDIS_URL", url)
    with pytest.raises(SettingsError, match=said) as raised:
        load_settings()
    assert "\n" not in str(raised.value)


@pytest.mark.parametrize("url", ["redis://h/0?password=secret&x=1", "redis://h/0?max_connections=secret"])
def test_no_refusal_repeats_a_value(url):
    with pytest.raises(ValueError, match="option") as raised:
        check_url(url)
    assert "secret" not in str(raised.value)


@pytest.mark.parametrize("written", ["redis://h/1\n", " redis://h/1 ", '"redis://h/1"', "'redis://h/1'\r\n"])
def test_white_space_and_quotes_around_it_are_not_part_of_it(written, monkeypatch):
    assert tidy(written) == "redis://h/1"
    assert connection_options(written)["db"] == 1
    Client(written)
    monkeypatch.setenv("ASKONCE_REDIS_URL", written)
    assert load_settings().redis_url.get_secret_value() == "redis://h/1"
