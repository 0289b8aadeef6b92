"""The client: questions in, answers out."""

from askonce.calls.cache import Cache
from askonce.calls.jobs import Jobs
from askonce.calls.many import ManyQuestions
from askonce.calls.one import OneQuestion


class Client(OneQuestion, ManyQuestions, Jobs, Cache):
    """Queues questions and waits for their answers.

    Creating a client does no I/O and needs no running loop. Several loops may use it, and so may a forked child; each
    loop has its own connections, which `aclose` (or leaving `async with`) closes. A closed client can be used again.

    Methods never raise errors of the Redis driver: if Redis does not respond, they raise StoreUnreachable.

    Args:
        redis_url: The URL of Redis. None uses ASKONCE_REDIS_URL; other settings come from the environment, too.
        namespace: The tenant for questions that name none. Answers never cross namespaces.
        model: The model for questions that name none.
        timeout: Seconds `ask` waits, unless it is given a timeout.
        key_prefix: The prefix of all keys in Redis.
        chunk_size: The maximum number of questions in a job.
        job_ttl: Seconds a submitted question may wait for its answer.
        result_ttl: Seconds an answer can be fetched.
        cache_ttl: Seconds `store` keeps an answer.
        max_queued: The maximum number of questions in a lane; 0 for no limit.

    Raises:
        ValueError: A setting is malformed.
    """
