"""Pays through a site as a client does, and so asks everything at once: edge, service, writer, barrier."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta

import aiohttp

from controller.core.model import Site
from controller.ports import Clock, ProbeResult
from controller.probing.bearer import Bearer
from controller.probing.http_probe import exchange


@dataclass(frozen=True, slots=True, kw_only=True)
class CanaryProbe:
    """One payment of one minor unit between two accounts that exist for this."""

    session: aiohttp.ClientSession
    site: Site
    """Who has to carry the payment out. An edge may hand it over, and another site's word proves nothing about this one."""
    url: str
    """`POST /v1/payments` of the site asked."""
    debtor: str
    creditor: str
    currency: str
    new_key: Callable[[], str]
    """A new idempotency key for every measurement."""
    clock: Clock
    name: str | None = None
    """By which the edge is asked and its certificate believed, when the URL names an address; None: by the URL's host."""
    bearer: Bearer | None = None
    """By whose token it may pay; None: nobody asks for one."""

    async def measure(self, deadline: timedelta) -> ProbeResult:
        """Pay once; only a payment that this site acknowledged (201) is well. One whose outcome is unknown counts as not well.

        Without a token nothing is asked and nobody waits for one: that says nothing about the site, and says so.
        """
        headers = {"Idempotency-Key": self.new_key(), **({} if self.name is None else {"Host": self.name})}
        if self.bearer is not None:
            if (token := self.bearer.token) is None:
                detail = f"not asked: this controller has no access token ({self.bearer.trouble or 'it has ended'})"
                return ProbeResult(ok=False, latency=timedelta(0), detail=detail)
            headers["Authorization"] = f"Bearer {token}"
        return await exchange(
            self.session,
            self.clock,
            deadline,
            method="POST",
            url=self.url,
            expected=frozenset({201}),
            by=self.site,
            name=self.name,
            headers=headers,
            body={"amount": 1, "debtor": self.debtor, "creditor": self.creditor, "currency": self.currency},
        )
