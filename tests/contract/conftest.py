"""`client` and `service` for all contract tests that have none of their own."""

from support.client_fixtures import client, service  # noqa: F401
