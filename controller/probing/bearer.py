"""A client's access token, fetched ahead and kept: nobody who shows it waits for the issuer, which may be away for hours.

OAuth 2.0 client credentials, proven by the client's certificate, to which the token is bound (RFC 6749 section 4.4, RFC 8705).
"""

import json
import ssl
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path

import aiohttp
import structlog

from controller.errors import Denied, ProviderError, Transient, Unsupported
from controller.ports import Clock

log = structlog.get_logger()

LARGEST = 64 * 1024
"""Bytes of the issuer's answer."""

SPARE = timedelta(seconds=10)
"""Before its end a token is shown no more: clocks differ, and a request is under way for a while."""

FIRST_PAUSE, LONGEST_PAUSE = timedelta(seconds=0.5), timedelta(seconds=30)
"""After a failure; doubled up to the longest."""

DEADLINE = timedelta(seconds=2)
"""Of one question to the issuer."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Granted:
    """What the issuer gave."""

    token: str = field(repr=False)
    lasts: timedelta


@dataclass(frozen=True, slots=True, kw_only=True)
class TokenEndpoint:
    """Where and how one client asks for its tokens."""

    url: str
    client: str
    """Its id; the certificate in `context` proves it."""
    context: ssl.SSLContext = field(repr=False)
    scope: str = ""
    """Empty: everything that it may have."""
    sockets: aiohttp.SocketFactoryType | None = None
    """Who makes connections; None: as usual. Under uvloop one that is reset at once must not be closed twice."""

    async def ask(self) -> Granted:
        """Ask once, over a connection of its own: there is one question in hours, and one that was kept would be dead by then.

        Raises Transient without an answer in time, Denied when the issuer refuses, Unsupported for an answer that is no token.
        """
        form = {"grant_type": "client_credentials", "client_id": self.client} | ({"scope": self.scope} if self.scope else {})
        connector, timeout = (
            aiohttp.TCPConnector(ssl=self.context, force_close=True, socket_factory=self.sockets),
            aiohttp.ClientTimeout(total=DEADLINE.total_seconds()),
        )
        try:
            async with (
                aiohttp.ClientSession(connector=connector, timeout=timeout) as http,
                http.post(self.url, data=form, allow_redirects=False) as answer,
            ):
                status, body = answer.status, await answer.content.read(LARGEST)
        except TimeoutError as error:
            raise Transient(f"the issuer was silent for {DEADLINE.total_seconds():g} s") from error
        except (
            aiohttp.ClientError,
            OSError,
            RuntimeError,
        ) as error:  # the last: uvloop, of a connection that ends while it is written to
            raise Transient(f"the issuer: {type(error).__name__}: {error}") from error
        return _granted(status, body)


def _granted(status: int, body: bytes) -> Granted:
    """RFC 6749 section 5. Nothing of the body is repeated in an error: a token in a log is a token for whoever reads it."""
    if status >= 500 or status == 429:
        raise Transient(f"the issuer answers HTTP {status}")
    if status != 200:
        raise Denied(f"the issuer answers HTTP {status}: it does not give this client a token")
    try:
        said = json.loads(body)
        kind, token, lasts = said["token_type"], said["access_token"], timedelta(seconds=float(said["expires_in"]))
    except (ValueError, KeyError, TypeError, OverflowError) as error:
        raise Unsupported("the issuer's answer is none that RFC 6749 knows") from error
    if not isinstance(kind, str) or kind.lower() != "bearer" or not isinstance(token, str) or not token:
        raise Unsupported("the issuer gives tokens of another kind than Bearer")
    return Granted(token=token, lasts=lasts)


class Bearer:
    """The token that one client shows at the moment."""

    def __init__(self, ask: Callable[[], Awaitable[Granted]], clock: Clock, chance: Callable[[], float]) -> None:
        """`ask`: one question to the issuer, with a deadline of its own; raises ProviderError. `chance`: between 0 and 1."""
        self._ask, self._clock, self._chance = ask, clock, chance
        self._held: tuple[str, timedelta] | None = None
        """The token, and the monotonic time from which it is not shown any more."""
        self.trouble = "the issuer was not asked yet"
        """Why the last question failed; empty when it did not."""

    @property
    def token(self) -> str | None:
        """What can be shown now; None: nothing, see `trouble`."""
        if self._held is None or self._clock.monotonic() >= self._held[1]:
            return None
        return self._held[0]

    async def keep(self) -> None:
        """Have a token at all times as far as the issuer gives any; for ever. Never raises for what the issuer does."""
        pause = FIRST_PAUSE
        while True:
            lasts = await self.renew()
            if lasts is None:
                # Up to half of it earlier: an issuer that comes back is not to be asked by everybody in one moment.
                await self._clock.sleep(pause * (1 - self._chance() / 2))
                pause = min(pause * 2, LONGEST_PAUSE)
            else:
                pause = FIRST_PAUSE
                # With half of its life left: as long as that lasts, the issuer may be away and nobody notices.
                await self._clock.sleep(max(lasts / 2 * (1 - self._chance() / 10), FIRST_PAUSE))

    async def renew(self) -> timedelta | None:
        """Ask once; answers how long the new token lasts. None: there is none, and the one before is shown as long as it lasts."""
        began = self._clock.monotonic()
        try:
            granted = await self._ask()
        except ProviderError as error:
            if not self.trouble:
                log.warning("no new access token; the last one is shown until its end", error=str(error))
            self.trouble = str(error)
            return None
        self._held, self.trouble = (granted.token, began + granted.lasts - SPARE), ""
        return granted.lasts


def client_context(certificate: Path | None, authority: Path | None) -> ssl.SSLContext:
    """TLS of a client: shows this certificate (with its chain and its key, PEM; None: none) and believes servers of this authority (None:
    those that the machine trusts), by their names. Raises OSError, ssl.SSLError."""
    context = ssl.create_default_context(cafile=None if authority is None else str(authority))
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    if certificate is not None:
        context.load_cert_chain(certificate)
    return context
