"""For all contract tests that have none of their own: `client`, `service`, a worker's `settings`, and workers that park
questions.
"""

import contextlib

from support.client_fixtures import client, service  # noqa: F401

with contextlib.suppress(ImportError):  # the client's tests also run where the worker's dependencies are not installed
    from support.parked_money import bounded  # noqa: F401
    from support.parking import batch_worker, hurried  # noqa: F401
    from support.wired import settings  # noqa: F401
