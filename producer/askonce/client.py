"""The client: questions in, answers out."""

from askonce.calls.cache import Cache
from askonce.calls.jobs import Jobs
from askonce.calls.many import ManyQuestions
from askonce.calls.one import OneQuestion


class Client(OneQuestion, ManyQuestions, Jobs, Cache):
    """Puts questions into the queue, and waits for their answers.

    Making a client does no I/O and needs no running loop. Several loops may use it, and a child after a fork; each loop
    has connections of its own, which `aclose` (or the end of `async with`) closes. A closed client can be used again.

    No method ever raises an error of the Redis driver: where Redis does not answer, it is StoreUnreachable.

    Args:
        redis_url: Where Redis is. None takes ASKONCE_REDIS_URL; the other settings come from the environment likewise.
        namespace: The tenant of questions that name none. Answers never cross namespaces.
        model: The model of questions that name none.
        timeout: Seconds for which `ask` waits, unless it is given a timeout.
        key_prefix: What all keys in Redis begin with.
        chunk_size: Most questions in one job.
        job_ttl: Seconds for which a submitted question may wait for its answer.
        result_ttl: Seconds for which an answer can be fetched.
        cache_ttl: Seconds for which `store` keeps an answer.
        max_queued: Most questions in a lane; 0 for no bound.

    Raises:
        ValueError: A setting is malformed.
    """
