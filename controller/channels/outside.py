"""A monitor outside that waits for pings, as Healthchecks and its like do: a request to an address that is this check's own."""

from dataclasses import dataclass, field
from datetime import timedelta

import aiohttp

from controller.channels.post import ask


@dataclass(frozen=True, slots=True, kw_only=True)
class Monitor:
    """`telling_ports.Outside`."""

    url: str = field(repr=False)
    http: aiohttp.ClientSession
    method: str = "POST"
    """HEAD, GET or POST."""

    async def ping(self, deadline: timedelta) -> None:
        """See `telling_ports.Outside`."""
        await ask(self.http, self.url, deadline, method=self.method)
