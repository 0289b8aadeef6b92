"""What all calls of a client have in common: its settings, its connections, and the check of a question."""

from collections.abc import Mapping
from typing import Any, TypedDict

from askonce.closing import Closing
from askonce.question import Question
from askonce.question_checks import check_namespace
from askonce.session.arguments import checked_seconds, fields_of
from askonce.session.backend import Backend
from askonce.session.per_loop import PerLoop
from askonce.session.session import Session
from askonce.settings import client_settings
from askonce.store.redis_url import check_url


class CommonOptions(TypedDict, total=False):
    """Arguments of `Client` and of its double for tests."""

    namespace: str
    key_prefix: str | None
    chunk_size: int | None
    job_ttl: float | None
    result_ttl: float | None
    cache_ttl: float | None
    max_queued: int | None


class ClientOptions(CommonOptions, total=False):
    """Arguments of `Client`, but for the timeout of `ask`."""

    redis_url: str | None
    model: str | None


class ClientBase(Closing):
    def __init__(
        self,
        redis_url: str | None = None,
        *,
        namespace: str = "default",
        model: str | None = None,
        timeout: float = 60.0,
        key_prefix: str | None = None,
        chunk_size: int | None = None,
        job_ttl: float | None = None,
        result_ttl: float | None = None,
        cache_ttl: float | None = None,
        max_queued: int | None = None,
    ) -> None:
        given: dict[str, Any] = {"redis_url": redis_url, "model": model, "key_prefix": key_prefix}
        given |= {"chunk_size": chunk_size, "max_queued": max_queued}
        given |= {"job_ttl": job_ttl, "result_ttl": result_ttl, "cache_ttl": cache_ttl}
        self._settings = client_settings(given)
        check_url(self._settings.redis_url)
        check_namespace(namespace)
        self._namespace = namespace
        self._timeout = checked_seconds(timeout)
        self._empty = Question("", namespace=namespace, model=self._settings.model)
        self._backends: PerLoop[Backend] = PerLoop(self._make_backend)

    def _make_backend(self) -> Backend:
        return Session(self._settings)

    @property
    def namespace(self) -> str:
        """The tenant for questions that name none."""
        return self._namespace

    @property
    def model(self) -> str | None:
        """The model for questions that name none, if set."""
        return self._settings.model

    async def workers_alive(self) -> int:
        """Counts live workers.

        Returns:
            The number of workers whose heartbeat is younger than their lease (10 s by default).

        Raises:
            StoreUnreachable: Redis does not answer.
        """
        return await self._backends.get().workers_alive()

    async def aclose(self) -> None:
        """Closes the running loop's connections. Pending calls raise StoreUnreachable."""
        backend = self._backends.pop()
        if backend is not None:
            await backend.aclose()

    def _checked(self, question: Question | str, fields: Mapping[str, Any] | None = None) -> Question:
        if not isinstance(question, Question):
            question = Question(question, **fields) if fields else self._empty.with_fields(text=question)
        elif fields:
            question = Question(**{**fields_of(question), **fields})
        return question.checked(namespace=self._namespace, model=self._settings.model)

    def _filled(self, question: Question | str, job_id: str | None) -> Question:
        if not isinstance(question, Question):
            return self._empty.with_fields(text=question, job_id=job_id)
        return question.filled(namespace=self._namespace, model=self._settings.model, job_id=job_id)

    def _space(self, namespace: str | None) -> str:
        if namespace is not None:
            check_namespace(namespace)
        return namespace or self._namespace

    def _deadline(self, timeout: float | None) -> float:
        return self._settings.job_ttl if timeout is None else checked_seconds(timeout)
