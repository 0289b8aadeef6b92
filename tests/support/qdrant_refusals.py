"""What a Qdrant server says when it does not do as it is told: status codes and words of its source, 1.17.1 to 1.19.0.

`StorageError` makes both (lib/storage/src/content_manager/errors.rs: the words; conversions.rs: the codes):

| here | there | made by |
| --- | --- | --- |
| WRONG_SIZE | BadInput, INVALID_ARGUMENT | OperationError::WrongVectorDimension, lib/segment/src/common/operation_error.rs |
| WRONG_SIZE_AT_A_PEER | the same, as another node passes it on | `From<tonic::Status>`, lib/collection/src/operations/types.rs |
| STRICT_LIMIT, MEMORY | BadRequest, INVALID_ARGUMENT | strict mode: check_limit_opt, check_resident_memory (1.19), lib/collection/src/operations/verification/mod.rs |
| POINTS, VECTOR_BYTES, PAYLOAD_BYTES | BadRequest, INVALID_ARGUMENT | strict mode: check_collection_size_limit, verification/update.rs |
| COLLECTIONS | BadRequest, INVALID_ARGUMENT | `max_collections`, lib/storage/src/content_manager/toc/create_collection.rs |
| ALIAS | BadInput, INVALID_ARGUMENT | an alias of that name, create_collection.rs |
| ALREADY_EXISTS | AlreadyExists, ALREADY_EXISTS | Checker, lib/storage/src/content_manager/collections_ops.rs |
| OUT_OF_MEMORY | ServiceError, INTERNAL | CollectionError::OutOfMemory, types.rs |
| QUOTA | InsufficientStorage, RESOURCE_EXHAUSTED | a node's quota (1.19) |
| RATE | RateLimitExceeded, RESOURCE_EXHAUSTED and `retry-after` | rate_limit_error, types.rs |
| TIMED_OUT | Timeout, DEADLINE_EXCEEDED | an update that is not applied in time, lib/collection/src/collection/point_ops.rs |
| SHARD_AWAY | ShardUnavailable, UNAVAILABLE | a shard that is moving or recovering |
| NO_KEY, WRONG_KEY | AuthError::Unauthorized, UNAUTHENTICATED | src/common/auth/mod.rs, src/tonic/auth.rs |
| READ_ONLY | Forbidden, PERMISSION_DENIED | a key that may only read, lib/storage/src/rbac/mod.rs |
"""  # noqa: E501

from dataclasses import dataclass

from grpc import StatusCode


@dataclass(frozen=True)
class Refusal:
    code: StatusCode
    text: str
    metadata: tuple[tuple[str, str], ...] = ()


def strict_limit(name: str, value: float, limit: float) -> Refusal:
    words = (
        f'Limit exceeded {value:g} > {limit:g} for "{name}". Help: Reduce the "{name}" parameter to or below {limit:g}.'
    )
    return Refusal(StatusCode.INVALID_ARGUMENT, f"Bad request: {words}")


def points_limit(limit: int) -> Refusal:
    return Refusal(StatusCode.INVALID_ARGUMENT, f"Bad request: Max points count limit of {limit} reached!")


_WRONG_SIZE = "Wrong input: Vector dimension error: expected dim: 8, got 9"

WRONG_SIZE = Refusal(StatusCode.INVALID_ARGUMENT, _WRONG_SIZE)
WRONG_SIZE_AT_A_PEER = Refusal(
    StatusCode.INVALID_ARGUMENT,
    f"Wrong input: InvalidArgument: code: 'Client specified an invalid argument', message: \"{_WRONG_SIZE}\"",
)
STRICT_LIMIT = strict_limit("upsert limit", 256, 100)
POINTS = points_limit(1000)
VECTOR_BYTES = Refusal(StatusCode.INVALID_ARGUMENT, "Bad request: Max vector storage size limit of 512MB reached!")
PAYLOAD_BYTES = Refusal(StatusCode.INVALID_ARGUMENT, "Bad request: Max payload storage size limit of 512MB reached!")
MEMORY = Refusal(
    StatusCode.INVALID_ARGUMENT,
    "Bad request: Resident memory usage is at 91% of total memory, exceeding the configured limit of 90%. Help: Reduce "
    "memory usage (e.g. delete points or drop collections), or raise `max_resident_memory_percent` in the strict mode "
    "config of this collection.",
)
COLLECTIONS = Refusal(
    StatusCode.INVALID_ARGUMENT,
    "Bad request: Can't create collection with name c. Max collections limit reached: 10",
)
ALIAS = Refusal(
    StatusCode.INVALID_ARGUMENT,
    "Wrong input: Can't create collection with name c. Alias with the same name already exists",
)
ALREADY_EXISTS = Refusal(StatusCode.ALREADY_EXISTS, "Wrong input: Collection `c` already exists!")
OUT_OF_MEMORY = Refusal(
    StatusCode.INTERNAL,
    "Service internal error: Out of memory, free: 1048576, IO Error: Cannot allocate memory (os error 12)",
)
QUOTA = Refusal(
    StatusCode.RESOURCE_EXHAUSTED,
    "Insufficient storage: Disk usage is at 96% of total capacity, exceeding the configured limit of 95%. Help: "
    "Reduce disk usage (e.g. delete points or drop collections), or raise `max_disk_usage_percent` in the global "
    "quota config.",
    (("qdrant-insufficient-storage", "1"),),
)
RATE = Refusal(
    StatusCode.RESOURCE_EXHAUSTED,
    "Rate limiting exceeded: Write rate limit exceeded: Operation requires 256 tokens but only 10.0 were available. "
    "Retry after 1s",
    (("retry-after", "1"),),
)
TIMED_OUT = Refusal(
    StatusCode.DEADLINE_EXCEEDED,
    "Timeout: Timeout error: Update operation timed out in 60.00 seconds on 1 out of 1 shards.",
)
SHARD_AWAY = Refusal(StatusCode.UNAVAILABLE, "Shard temporarily unavailable: partial snapshot recovery is in progress")
NO_KEY = Refusal(StatusCode.UNAUTHENTICATED, "Must provide an API key or an Authorization bearer token")
WRONG_KEY = Refusal(StatusCode.UNAUTHENTICATED, "Invalid API key or JWT")
READ_ONLY = Refusal(StatusCode.PERMISSION_DENIED, "Forbidden: Global manage access is required")
