"""What the door reads of a request, before anything else does. Pure."""

from collections.abc import Iterable
from dataclasses import dataclass

DIGITS = 9
"""Longer numbers are not read: no attempt and no body that can be served has as many."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """One request at the door."""

    method: str
    path: str
    length: int | None = 0
    """Bytes of its body; None: not a number."""
    is_chunked: bool = False
    key: str | None = None
    """Its Idempotency-Key."""
    is_retry: bool = False
    """Its client says that it has asked before: `Retry-Attempt` is above 0."""
    client: str | None = None
    """Who asks, as the edge says; None: nobody says."""


def read(method: str, path: str, headers: Iterable[tuple[bytes, bytes]], client_header: bytes | None) -> Asked:
    """What these headers say; names are lower case, as ASGI gives them."""
    length: int | None = 0
    key: str | None = None
    client: str | None = None
    is_chunked, is_retry = False, False
    for name, value in headers:
        if name == b"content-length":
            length = _number(value)
        elif name == b"transfer-encoding":
            is_chunked = True
        elif name == b"idempotency-key":
            key = value.decode("latin-1")
        elif name == b"retry-attempt":
            is_retry = (_number(value) or 0) > 0
        elif name == client_header:
            client = value.decode("latin-1")
    return Asked(method=method, path=path, length=length, is_chunked=is_chunked, key=key, is_retry=is_retry, client=client)


def _number(value: bytes) -> int | None:
    # Of bytes: text has digits that are no numbers, such as a superscript two.
    return int(value) if value.isdigit() and len(value) <= DIGITS else None
