"""Fixtures that several files of whole processes share."""

from support.front_door_fixtures import door, http, namespace, sdk  # noqa: F401
