"""Heads posted to an address: a ledger, a timestamping service, somebody else's log. Its answer is the receipt, and is kept.

The head is the body, `application/json`; `Idempotency-Key` is its SHA-256, so that who is asked twice answers twice and notes it once.
"""

import asyncio
import ssl
from datetime import timedelta
from hashlib import sha256
from urllib.parse import urlsplit

import aiohttp

from controller.errors import Conflict, Denied, ProviderError, Transient, Unsupported

LARGEST = 16 * 1024
"""Bytes of a receipt; what is longer is none."""


class HttpAnchor:
    """Implements `ports_audit.Anchor`."""

    def __init__(self, url: str, *, token: str | None = None, context: ssl.SSLContext | bool = True) -> None:
        self._url, self._token, self._context = url, token, context

    @property
    def name(self) -> str:
        """For reports, without what may be secret in a path."""
        parts = urlsplit(self._url)
        return f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}"

    @property
    def id(self) -> str:
        """Part of a key."""
        return f"http-{sha256(self._url.encode()).hexdigest()[:12]}"

    async def put(self, text: str, deadline: timedelta) -> str:
        """Post it; a redirection is not followed, because a token would go with it."""
        headers = {"Content-Type": "application/json", "Idempotency-Key": sha256(text.encode()).hexdigest()}
        if self._token:
            headers["Authorization"] = f"Bearer {self._token}"
        try:
            async with (
                asyncio.timeout(deadline.total_seconds()),
                aiohttp.ClientSession(cookie_jar=aiohttp.DummyCookieJar()) as http,
                http.post(self._url, data=text.encode(), headers=headers, ssl=self._context, allow_redirects=False) as answer,
            ):
                body = await answer.content.read(LARGEST + 1)
                if 200 <= answer.status < 300 and len(body) <= LARGEST:
                    return body.decode(errors="replace")
                raise self._failed(answer.status, len(body))
        except TimeoutError as error:
            raise Transient(f"{self.name} was silent for {deadline.total_seconds():g} s") from error
        except (aiohttp.ClientError, OSError) as error:
            raise Transient(f"{self.name}: {type(error).__name__}: {error}") from error

    def _failed(self, status: int, length: int) -> ProviderError:
        said = f"{self.name} answers {status}"
        if status in {401, 403}:
            return Denied(said)
        if status == 409:
            return Conflict(f"{said}: it has another head in this one's place")
        if status == 429 or status >= 500:
            return Transient(said)
        if status < 300:
            return Unsupported(f"{said} with more than {LARGEST} bytes, of which {length} were read: no receipt")
        return Unsupported(said)
