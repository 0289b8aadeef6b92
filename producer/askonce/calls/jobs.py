"""Jobs that were submitted, by their ids."""

from collections.abc import Iterable

from askonce.calls.base import ClientBase
from askonce.session.arguments import checked_ids, each_checked
from askonce.session.backend import Status


class Jobs(ClientBase):
    async def status(self, job_ids: Iterable[str], *, namespace: str | None = None) -> dict[str, Status]:
        """Returns the state of jobs. It never waits.

        Args:
            job_ids: The jobs' ids.
            namespace: The jobs' namespace. None uses the client's.

        Returns:
            For each id: `queued`, `running`, `answered`, `failed` or `unknown`.

        Raises:
            StoreUnreachable: Redis does not answer.
        """
        ids = checked_ids(job_ids)
        return dict(zip(ids, await self._backends.get().status(self._space(namespace), ids), strict=True))

    async def cancel(self, job_ids: Iterable[str], *, namespace: str | None = None) -> list[str]:
        """Fails jobs that no worker has begun, with kind `cancelled`. Running ones continue and are cached.

        Args:
            job_ids: The jobs' ids.
            namespace: The jobs' namespace. None uses the client's.

        Returns:
            The ids of the cancelled jobs.

        Raises:
            StoreUnreachable: Redis does not answer.
        """
        ids = checked_ids(job_ids)
        cancelled = await self._backends.get().cancel(self._space(namespace), ids)
        return [job_id for job_id, done in zip(ids, cancelled, strict=True) if done]

    def forget(self, job_ids: Iterable[str], *, namespace: str | None = None) -> None:
        """Drops received results after a minute. It does not wait.

        Args:
            job_ids: The jobs' ids.
            namespace: The jobs' namespace. None uses the client's.
        """
        backend, space = self._backends.get(), self._space(namespace)
        for job_id in each_checked(job_ids):
            backend.forget(f"{space}:{job_id}")
