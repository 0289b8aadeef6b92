"""Why a part does not respond, and what to do about it, without quoting a URL or a driver."""

import ssl
from collections.abc import Iterator

import grpc
from openai import APIStatusError
from redis.exceptions import AuthenticationError, NoPermissionError

CERTIFICATE = "SSL_CERT_FILE names the CAs to trust; the certificate must be for the host in the URL"
TLS_WORDS = ("certificate", "peer name", "verification", "ssl")
"""gRPC's message about a failed handshake contains one of these, in every version."""


def reason(error: BaseException) -> str:
    """The types of the error and its cause, with their text only if it cannot contain a secret."""
    if isinstance(error, grpc.RpcError):
        return _of_grpc(error)
    for each in chain(error):
        if isinstance(each, ssl.SSLCertVerificationError):
            return f"TLS: {each.verify_message}"
    if isinstance(error, APIStatusError):
        return f"{type(error).__name__} (status {error.status_code})"
    cause = error.__cause__ or error.__context__
    return f"{type(error).__name__} ({type(cause).__name__})" if cause is not None else type(error).__name__


def advice(error: BaseException, otherwise: str) -> str:
    """What to do about the error. otherwise: the advice if the error only says that nothing responds."""
    if any(isinstance(each, ssl.SSLError) for each in chain(error)) or reason(error).startswith("TLS"):
        return CERTIFICATE
    if isinstance(error, NoPermissionError):
        return "this user lacks permissions: deploy/redis/users.acl lists what a worker needs"
    if isinstance(error, AuthenticationError):
        return "check the user and the password in ASKONCE_REDIS_URL (percent-encoded)"
    if isinstance(error, APIStatusError):
        rejected = error.status_code in (401, 403)
        return f"{'the key was rejected' if rejected else 'check the URL or the model'}: {otherwise}"
    if isinstance(error, grpc.RpcError) and error.code() in REFUSED:
        return "the key was rejected: ASKONCE_QDRANT_API_KEY"
    return otherwise


REFUSED = (grpc.StatusCode.UNAUTHENTICATED, grpc.StatusCode.PERMISSION_DENIED)


def _of_grpc(error: grpc.RpcError) -> str:
    details = str(error.details()).lower()
    if error.code() is grpc.StatusCode.UNAVAILABLE and any(word in details for word in TLS_WORDS):
        return "TLS: the certificate is not for this host, or its CA is not trusted"
    return f"{type(error).__name__} ({error.code().name})"


def chain(error: BaseException) -> Iterator[BaseException]:
    """The error and its causes."""
    seen: list[BaseException] = []
    following: BaseException | None = error
    while following is not None and following not in seen:
        seen.append(following)
        following = following.__cause__ or following.__context__
    yield from seen
