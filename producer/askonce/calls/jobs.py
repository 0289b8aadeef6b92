"""Jobs that were submitted, by their ids."""

from collections.abc import Iterable

from askonce.calls.base import ClientBase
from askonce.session.arguments import checked_ids, each_checked
from askonce.session.backend import Status


class Jobs(ClientBase):
    async def status(self, job_ids: Iterable[str], *, namespace: str | None = None) -> dict[str, Status]:
        """Looks how far jobs are. It never waits.

        Args:
            job_ids: The jobs' ids.
            namespace: The jobs' namespace. None takes the client's.

        Returns:
            For each id `queued`, `running`, `answered`, `failed` or `unknown`.

        Raises:
            StoreUnreachable: Redis does not answer.
        """
        ids = checked_ids(job_ids)
        return dict(zip(ids, await self._backends.get().status(self._space(namespace), ids), strict=True))

    async def cancel(self, job_ids: Iterable[str], *, namespace: str | None = None) -> list[str]:
        """Ends jobs that no worker has begun as failed, kind `cancelled`. Running ones go on, and are cached.

        Args:
            job_ids: The jobs' ids.
            namespace: The jobs' namespace. None takes the client's.

        Returns:
            The ids of those that were cancelled.

        Raises:
            StoreUnreachable: Redis does not answer.
        """
        ids = checked_ids(job_ids)
        cancelled = await self._backends.get().cancel(self._space(namespace), ids)
        return [job_id for job_id, done in zip(ids, cancelled, strict=True) if done]

    def forget(self, job_ids: Iterable[str], *, namespace: str | None = None) -> None:
        """Lets results that were received be dropped a minute from now. It does not wait.

        Args:
            job_ids: The jobs' ids.
            namespace: The jobs' namespace. None takes the client's.
        """
        backend, space = self._backends.get(), self._space(namespace)
        for job_id in each_checked(job_ids):
            backend.forget(f"{space}:{job_id}")
