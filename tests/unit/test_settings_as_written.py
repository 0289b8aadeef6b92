"""Settings as people write them: what files, shells and dashboards put around a value, and what cannot work."""

import pytest

from askonce_worker.settings import SettingsError, load_settings

WRITTEN = ["{}\n", " {} \r\n", '"{}"', "'{}'\n", '" {} "', "\ufeff{}", "{}\u00a0"]


@pytest.mark.parametrize("written", WRITTEN)
def test_white_space_and_quotes_around_a_value_are_no_part_of_it(written, monkeypatch):
    values = {
        "OPENAI_API_KEY": "sk-key",
        "OPENAI_BASE_URL": "https://provider/v1",
        "ASKONCE_QDRANT_URL": "http://qdrant:6334",
        "ASKONCE_QDRANT_API_KEY": "qd-key",
        "ASKONCE_EMBEDDING_API_KEY": "em-key",
        "ASKONCE_EMBEDDING_BASE_URL": "http://embeddings/v1",
        "ASKONCE_REDIS_URL": "redis://redis:6379/0",
        "ASKONCE_MODEL": "gpt",
        "ASKONCE_RPM": "60",
        "ASKONCE_ON_MODEL_UPGRADE": "keep",
    }
    for name, value in values.items():
        monkeypatch.setenv(name, written.format(value))
    settings = load_settings()
    secrets = (settings.openai_api_key, settings.qdrant_url, settings.qdrant_api_key, settings.embedding_api_key)
    found = [secret.get_secret_value() for secret in (*secrets, settings.redis_url)]
    assert found == ["sk-key", "http://qdrant:6334", "qd-key", "em-key", "redis://redis:6379/0"]
    assert (settings.openai_base_url, settings.embedding_base_url) == ("https://provider/v1", "http://embeddings/v1")
    assert (settings.model, settings.rpm, settings.on_model_upgrade) == ("gpt", 60, "keep")


@pytest.mark.parametrize("empty", ["\n", '""', " ' ' "])
def test_a_value_of_nothing_is_as_one_that_is_not_set(empty, monkeypatch):
    monkeypatch.setenv("OPENAI_API_KEY", empty)
    monkeypatch.setenv("ASKONCE_QDRANT_URL", empty)
    settings = load_settings()
    assert (settings.openai_api_key, settings.qdrant_url) == (None, None)


def test_the_quotes_of_a_pattern_are_its_own(monkeypatch):
    monkeypatch.setenv("ASKONCE_NEVER_CACHE", '"today"\n')
    assert load_settings().never_cache == '"today"'


@pytest.mark.parametrize("name", ["OPENAI_API_KEY", "ASKONCE_QDRANT_API_KEY", "ASKONCE_EMBEDDING_API_KEY"])
@pytest.mark.parametrize("key", ["sk-secret\nx: y", "sk-secret-…", "sk-secret\u200b-key", "sk-secret-ключ"])
def test_a_key_that_no_header_can_carry_stops_the_start_by_its_name(name, key, monkeypatch):
    monkeypatch.setenv(name, key)
    with pytest.raises(SettingsError, match=f"{name}: .*header") as raised:
        load_settings()
    assert "secret" not in str(raised.value)


@pytest.mark.parametrize(
    ("name", "url", "said"),
    [
        ("ASKONCE_QDRANT_URL", "qdrant:6334", "no scheme"),
        ("ASKONCE_QDRANT_URL", "10.0.0.7", "no scheme"),
        ("ASKONCE_QDRANT_URL", "grpc://qdrant:6334", "http or https"),
        ("ASKONCE_QDRANT_URL", "http://:6334", "no host"),
        ("ASKONCE_QDRANT_URL", "http://qdrant:633400", "ort"),
        ("OPENAI_BASE_URL", "api.provider.com/v1", "no scheme"),
        ("OPENAI_BASE_URL", "https://api.provider.com/v1 # ours", "white space"),
        ("OPENAI_BASE_URL", "https://name.openai.azure.com/openai/deployments/d", "api-version"),
        ("ASKONCE_EMBEDDING_BASE_URL", "localhost:8080/v1", "no scheme"),
    ],
)
def test_an_address_that_cannot_work_stops_the_start_with_what_to_write(name, url, said, monkeypatch):
    monkeypatch.setenv(name, url)
    with pytest.raises(SettingsError, match=f"{name}: .*{said}") as raised:
        load_settings()
    assert "\n" not in str(raised.value)


def test_what_is_wrong_with_a_setting_is_said_in_our_own_words_alone(monkeypatch):
    monkeypatch.setenv("ASKONCE_BUDGETS", "default=200")
    with pytest.raises(SettingsError) as raised:
        load_settings()
    assert str(raised.value) == "ASKONCE_BUDGETS: 'default=200' is not NAMESPACE=AMOUNT/day or /month"
