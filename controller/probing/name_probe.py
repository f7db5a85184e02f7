"""Looks up where a name leads, as a client would; without threads: of a resolver that hangs nothing is left when the deadline is over."""

from datetime import timedelta

import dns.asyncresolver
import dns.exception

from controller.errors import Transient


async def address_of(name: str, deadline: timedelta, resolver: dns.asyncresolver.Resolver | None = None) -> str:
    """An IPv4 address of it. `resolver`: whoever is asked; None: those of this machine. Raises Transient when none tells one in time."""
    try:
        answer = await (resolver or dns.asyncresolver.Resolver()).resolve(name, "A", lifetime=deadline.total_seconds())
    except (dns.exception.DNSException, OSError) as error:
        raise Transient(f"no resolver tells where {name} is: {type(error).__name__}") from error
    return min(str(record.address) for record in answer)
