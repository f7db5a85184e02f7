"""Asks a URL whether a site serves, over a connection that stays warm.

The URL has to answer for its own site alone. One that needs the writer fails everywhere at once when the writer dies, and
would say about every site what is true of one.
"""

from dataclasses import dataclass
from datetime import timedelta

import aiohttp

from controller.ports import Clock, ProbeResult

REPLY_LIMIT = 64 * 1024
"""Bytes of a reply that are read, so that the connection stays usable; a longer one is closed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class HttpProbe:
    """GET; 200 is well, everything else is not. Redirects are not followed."""

    session: aiohttp.ClientSession
    url: str
    clock: Clock
    host: str | None = None
    """Whom the request is for, when several services stand behind one edge; None: whoever the URL names."""
    name: str | None = None
    """Whose certificate is asked for and believed, when the URL names an address; None: the URL's host's."""

    async def measure(self, deadline: timedelta) -> ProbeResult:
        """Ask once. The deadline covers connecting, sending and the whole reply, and ends with the connection closed."""
        headers = None if self.host is None else {"Host": self.host}
        expected = frozenset({200})
        return await exchange(
            self.session, self.clock, deadline, method="GET", url=self.url, expected=expected, headers=headers, name=self.name
        )


async def exchange(
    session: aiohttp.ClientSession,
    clock: Clock,
    deadline: timedelta,
    *,
    method: str,
    url: str,
    expected: frozenset[int],
    by: str | None = None,
    name: str | None = None,
    headers: dict[str, str] | None = None,
    body: dict[str, str | int] | None = None,
) -> ProbeResult:
    """One HTTP exchange as a measurement; never raises for a failure of the other side.

    `by`: the site that must have carried it out. `name`: in the handshake and in the certificate, in place of the URL's host.
    """
    began = clock.monotonic()
    timeout = aiohttp.ClientTimeout(total=deadline.total_seconds())
    try:
        async with session.request(
            method, url, timeout=timeout, allow_redirects=False, headers=headers, json=body, server_hostname=name
        ) as response:
            await _drained(response)
            ok, detail = response.status in expected, f"HTTP {response.status}"
            served = response.headers.get("Served-By", "nobody named")
            if ok and by is not None and served != by:
                ok, detail = False, f"{detail} by {served}, not by {by}"
    except TimeoutError:
        ok, detail = False, f"no answer within {deadline.total_seconds():g} s"
    except (
        aiohttp.ClientError,
        OSError,
        RuntimeError,
    ) as error:  # the last: uvloop, of a connection that ends while it is written to
        ok, detail = False, f"{type(error).__name__}: {error}"
    return ProbeResult(ok=ok, latency=clock.monotonic() - began, detail=detail)


async def _drained(response: aiohttp.ClientResponse) -> None:
    size = 0
    async for chunk in response.content.iter_chunked(4096):
        size += len(chunk)
        if size > REPLY_LIMIT:
            return
