"""Asks a resolver who serves the zone, as any client's resolver would find out."""

from dataclasses import dataclass
from datetime import timedelta

import dns.asyncresolver
import dns.exception
import dns.resolver

from controller.errors import Transient


@dataclass(frozen=True, slots=True, kw_only=True)
class Delegation:
    """Of the zone that a name lies in."""

    name: str
    deadline: timedelta

    async def __call__(self) -> frozenset[str]:
        """Names of its name servers, in lower case without the dot at the end. Raises Transient when no resolver tells."""
        try:
            resolver = dns.asyncresolver.Resolver()
            resolver.lifetime = self.deadline.total_seconds()
            zone = await dns.asyncresolver.zone_for_name(self.name, resolver=resolver)
            answer = await resolver.resolve(zone, "NS")
        except (dns.exception.DNSException, OSError) as error:
            raise Transient(f"no resolver tells who serves {self.name}: {type(error).__name__}") from error
        return frozenset(str(record.target).rstrip(".").lower() for record in answer)
