"""Pays through a site as a client does, and so asks everything at once: edge, service, writer, barrier."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta

import aiohttp

from controller.ports import Clock, ProbeResult
from controller.probing.http_probe import exchange


@dataclass(frozen=True, slots=True, kw_only=True)
class CanaryProbe:
    """One payment of one minor unit between two accounts that exist for this."""

    session: aiohttp.ClientSession
    url: str
    """`POST /v1/payments` of the site asked."""
    debtor: str
    creditor: str
    currency: str
    new_key: Callable[[], str]
    """A new idempotency key for every measurement."""
    clock: Clock

    async def measure(self, deadline: timedelta) -> ProbeResult:
        """Pay once; only an acknowledged payment (201) is well. A payment whose outcome is unknown counts as not well."""
        return await exchange(
            self.session,
            self.clock,
            deadline,
            method="POST",
            url=self.url,
            expected=frozenset({201}),
            headers={"Idempotency-Key": self.new_key()},
            body={"amount": 1, "debtor": self.debtor, "creditor": self.creditor, "currency": self.currency},
        )
