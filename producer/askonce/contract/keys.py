"""Every key in Redis: its type, lifetime and writers. Values are orjson unless stated otherwise."""

from dataclasses import dataclass

from askonce.contract.audit_keys import AuditKeys
from askonce.contract.budget_keys import BudgetKeys
from askonce.contract.front_door_keys import FrontDoorKeys

LANES = ("interactive", "bulk")
MOST_WAITING = "most"
"""Field of `load`: maximum questions waiting in all lanes together, 0 or none for no bound; upkeep."""
PARKED = "parked"
"""Field of `load`: questions waiting for a provider batch, or in one; park.lua, worker."""
FILLING, FILLED = "filling", "filled"
"""Fields of `upkeep`: the estimated cost of a running refill (JSON), and how many vectors it has made."""
ARQ_JOB = "arq:job:"
"""string; until the questions in it are past their lifetime; submit. arq's own job record."""


@dataclass(frozen=True, slots=True)
class Keys:
    prefix: str = "askonce"

    def entry(self, fingerprint: str) -> str:
        """string; until `expires_at`; worker (deliver.lua), client (store)."""
        return f"{self.prefix}:entry:{fingerprint}"

    def result(self, namespace: str, job_id: str) -> str:
        """string: pending marker, then the answer; marker `JOB_TTL` + `RESULT_TTL`, answer `RESULT_TTL`, or a minute
        once received; submit.lua, listen.lua, deliver.lua, cancel.lua, forget.lua."""
        return f"{self.prefix}:result:{namespace}:{job_id}"

    def explained(self, reply_to: str) -> str:
        """string: a worker's explanation of a question; a minute; worker."""
        return f"{self.prefix}:explained:{reply_to}"

    def scope(self, scope: str) -> str:
        """string: summary of a scope (`scope_record.py`); as long as its answers, an hour for a conversation;
        keep_scopes.lua."""
        return f"{self.prefix}:scope:{scope}"

    def answered(self, client: str) -> str:
        """stream of `ids`, with the `record` of one that waits in the interactive lane if the client's name begins with
        `+`; one hour after the last one, or a minute where it has records alone; trimmed; deliver.lua, cancel.lua."""
        return f"{self.prefix}:answered:{client}"

    def queue(self, lane: str) -> str:
        """sorted set of waiting jobs, scored by when they are due (`interactive`, Unix ms) or by virtual start time
        (`bulk`); for ever; submit.lua, finish_job.lua. Its ZCARD is the number of waiting jobs."""
        return f"{self.prefix}:queue:{lane}"

    def alone(self, lane: str) -> str:
        """sorted set of waiting jobs that must run alone, separate from `queue` and scored alike; for ever;
        claim_jobs.lua, return_job.lua, split_job.lua."""
        return f"{self.prefix}:queue:{lane}:alone"

    def leases(self, lane: str) -> str:
        """sorted set of claimed jobs, scored by deadline (Unix ms); for ever; claim_jobs.lua, renew.lua."""
        return f"{self.prefix}:leases:{lane}"

    def tokens(self, lane: str) -> str:
        """hash: job -> `fence lapses failures score`, fence `-` while it is waiting again; until the job ends;
        claim_jobs.lua, return_job.lua, split_job.lua."""
        return f"{self.prefix}:tokens:{lane}"

    @property
    def fair(self) -> str:
        """hash: namespace -> virtual finish time, `` -> virtual time now; for ever; submit.lua, claim_jobs.lua."""
        return f"{self.prefix}:fair"

    @property
    def load(self) -> str:
        """hash: lane -> questions that wait or run, MOST_WAITING, `dead`: about the bytes of all dead letters, and
        PARKED; for ever; submit.lua, finish_job.lua, bury_job.lua, park.lua,
        upkeep."""
        return f"{self.prefix}:load"

    @property
    def wake(self) -> str:
        """list of at most about 64 tokens: `1`, and names of workers that could not take the job it stands for; for
        ever; submit.lua, claim_jobs.lua, worker."""
        return f"{self.prefix}:wake"

    @property
    def epochs(self) -> str:
        """hash of counters: `all`, `model:M`, `namespace:N`, `both:N:M`; for ever; invalidate."""
        return f"{self.prefix}:epochs"

    @property
    def touched(self) -> str:
        """sorted set: fingerprint -> last hit (Unix s), the idle clock; with its entry; deliver.lua, client."""
        return f"{self.prefix}:touched"

    @property
    def expiries(self) -> str:
        """sorted set: fingerprint -> expires_at (Unix s); with its entry; deliver.lua, client, drop scripts."""
        return f"{self.prefix}:expiries"

    @property
    def snapshot_runs(self) -> str:
        """hash: model -> JSON: the snapshot answering under its name, how often in a row, since when, and the longest
        run that ended in the return of another; for ever; deliver.lua."""
        return f"{self.prefix}:snapshots:runs"

    @property
    def models(self) -> str:
        """hash: model -> its snapshots and the fate of each; for ever; upkeep."""
        return f"{self.prefix}:models"

    @property
    def upkeep(self) -> str:
        """hash: progress of the sweeps, and FILLING; for ever; upkeep."""
        return f"{self.prefix}:upkeep"

    @property
    def upkeep_lock(self) -> str:
        """string: the worker that is doing the upkeep; 20 s, renewed; upkeep."""
        return f"{self.prefix}:upkeep:lock"

    @property
    def collections(self) -> str:
        """hash: collection in Qdrant -> when a worker last used it (Unix s); until it is dropped; every worker."""
        return f"{self.prefix}:collections"

    @property
    def outbox(self) -> str:
        """stream: vectors (raw float32) still to be written to Qdrant; until drained; deliver.lua."""
        return f"{self.prefix}:outbox"

    def refill(self, embedding: str) -> str:
        """stream: entries whose questions this embedding model must embed; a day after the last order; upkeep."""
        return f"{self.prefix}:refill:{embedding}"

    @property
    def workers(self) -> str:
        """sorted set: worker -> until when it counts as alive (Unix ms); a minute more; claim_jobs.lua, renew.lua,
        lead.lua."""
        return f"{self.prefix}:workers"

    @property
    def doubted(self) -> str:
        """hash: worker whose heartbeat has expired -> when its leaders lapse (Unix ms); a minute after the last one was
        added; watch.lua, and if it is alive after all: renew.lua, claim_jobs.lua, lead.lua, restore.lua."""
        return f"{self.prefix}:workers:doubted"

    @property
    def dead(self) -> str:
        """hash: job -> dead letter; at most 10,000 and about 64 MB, older ones make room; bury_job.lua."""
        return f"{self.prefix}:dead"

    def rates(self, provider: str, model: str) -> str:
        """hash: `requests`, `tokens` -> until when (Unix ms) the provider's limit is used up; `first:{lane}` -> who
        goes next, and how long that turn is kept; two minutes more; reserve.lua, settle_rates.lua."""
        return f"{self.prefix}:rates:{provider}:{model}"

    def pause(self, provider: str, model: str) -> str:
        """string: no worker calls this model; as long as the provider requested; pause.lua."""
        return f"{self.prefix}:rates:pause:{provider}:{model}"

    @property
    def wrong(self) -> str:
        """sorted set: pair of fingerprints with their texts -> when it was reported as a wrong hit (Unix us, no two the
        same); at most 100,000, the oldest make room; report_wrong.lua."""
        return f"{self.prefix}:wrong"

    @property
    def dropped(self) -> str:
        """sorted set: fingerprint -> when its entry was dropped with a report (Unix us, no two the same); an hour;
        report_wrong.lua."""
        return f"{self.prefix}:dropped"

    @property
    def budgets(self) -> BudgetKeys:
        """Keys of budgets."""
        return BudgetKeys(self.prefix)

    def cron(self, name: str, tick: int) -> str:
        """string: claims one tick of a periodic job; one hour; worker."""
        return f"{self.prefix}:cron:{name}:{tick}"

    def leaders(self, shard: int) -> str:
        """hash: leader -> record, authoritative for live leaders; for ever; lead.lua, deliver.lua, settle.lua."""
        return f"{self.prefix}:leaders:{shard}"

    def feed(self, shard: int) -> str:
        """stream of the changes to `leaders`; trimmed; lead.lua, deliver.lua, settle.lua."""
        return f"{self.prefix}:feed:{shard}"

    def inflight_answer(self, leader: str) -> str:
        """string: the answer that a leader's followers read; three minutes; deliver.lua."""
        return f"{self.prefix}:inflight:answer:{leader}"

    @property
    def front_door(self) -> FrontDoorKeys:
        """Keys of the front door."""
        return FrontDoorKeys(self.prefix)

    @property
    def parked_lock(self) -> str:
        """string: the worker that tends parked questions; 1.5 leases, renewed; worker."""
        return f"{self.prefix}:parked:lock"

    def parked(self, what: str) -> str:
        """Questions for provider batches; until answered; park.lua and the holder of the lock.

        `question:ID`: hash (`parked/records.py`). `new`, `ready:POOL`, `lines:BATCH`, `unreadable` (by this release):
        sorted sets, id -> deadline (Unix ms); each question is in one of them. POOL: a model, or a model and namespace
        if the namespace has a budget. `scopes`, `scopes:uses`: hashes. `since`: hash, pool -> since when it has waited.
        `limits`: hash, pool -> what the provider accepts at once. `batch:NAME`: hash, a week after its end. `batches`,
        `ended`, and `files` that are to be deleted: sorted sets, name -> since when. `none`: string, an hour.
        """
        return f"{self.prefix}:parked:{what}"

    def stats(self, bucket: str) -> str:
        """hash of counters `name|namespace|model` (names: `counters.py`); `hour:N` (Unix hours) until it is packed,
        `total` for ever; count_fresh.lua, touch.lua, cancel.lua, report_wrong.lua. Packed (`packed_counters.py`):
        `packed:hour:N` two days, `packed:day:N` (Unix days) 41 days; pack_hour.lua. And `fresh`, hash of notes on what
        was published but not yet counted; a second; deliver.lua, count_fresh.lua."""
        return f"{self.prefix}:stats:{bucket}"

    def tally(self, whose: str) -> str:
        """string: number of the last tally of this worker or client; a day, an hour; count_fresh.lua, touch.lua,
        record.lua."""
        return f"{self.prefix}:stats:tally:{whose}"

    @property
    def audit(self) -> AuditKeys:
        """Keys of what workers learn about their hits."""
        return AuditKeys(self.prefix)


def epoch_fields(namespace: str, model: str) -> tuple[str, str, str, str]:
    """The four counters that answers of this namespace and model depend on, in stored order."""
    return ("all", f"model:{model}", f"namespace:{namespace}", f"both:{namespace}:{model}")


def epoch_field(*, model: str | None, namespace: str | None, everything: bool) -> str:
    """The one counter that an invalidation increments. Raises ValueError."""
    if everything == (model is not None or namespace is not None):
        raise ValueError("invalidate what: a model, a namespace, both, or else all?")
    if model is not None and namespace is not None:
        return f"both:{namespace}:{model}"
    if model is not None:
        return f"model:{model}"
    return "all" if namespace is None else f"namespace:{namespace}"


def epoch_stamp(values: list[bytes | None]) -> str:
    """The four counters as stored with every entry, vector and leader: `0.0.0.0`."""
    return ".".join("0" if value is None else value.decode("utf-8", "replace") for value in values)
