"""Why a server could not be reached, in words that quote neither a URL nor a driver. Pure."""

import socket
import ssl
from collections.abc import Iterator

PLAIN = frozenset({"WRONG_VERSION_NUMBER", "UNKNOWN_PROTOCOL", "HTTP_REQUEST", "PACKET_LENGTH_TOO_LONG"})
"""OpenSSL's reasons where the peer does not speak TLS."""


def fault_of(error: BaseException) -> str:
    """A summary of this error's causes; '' if they add nothing."""
    found = (_fault(each) for each in chain(error))
    return next(filter(None, found), "")


def _fault(error: BaseException) -> str:
    if isinstance(error, ssl.SSLCertVerificationError):
        return f"its certificate is refused ({error.verify_message}); SSL_CERT_FILE names the authorities to trust"
    if isinstance(error, ssl.SSLError):
        reason = getattr(error, "reason", None)  # aiohttp's own kinds have none
        if reason in PLAIN:
            return "it does not speak TLS at this port: write http:// instead of https://"
        return f"TLS failed ({reason})" if reason else ""
    if isinstance(error, socket.gaierror):
        return "its host name is not known"
    if isinstance(error, ConnectionRefusedError):
        return "it refuses connections at this port"
    return ""


def chain(error: BaseException) -> Iterator[BaseException]:
    """The error and its causes, each once."""
    seen: list[BaseException] = []
    following: BaseException | None = error
    while following is not None and following not in seen:
        seen.append(following)
        inner = getattr(following, "os_error", None)  # aiohttp keeps it beside the chain
        if isinstance(inner, BaseException) and inner not in seen:
            seen.append(inner)
        following = following.__cause__ or following.__context__
    yield from seen
