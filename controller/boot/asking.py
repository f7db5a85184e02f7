"""One question over HTTP, to the machine's own cloud."""

import http.client
import ssl
import urllib.error
import urllib.request
from collections.abc import Mapping
from typing import Protocol
from urllib.parse import urlsplit

PATIENCE = 30.0
"""Seconds without a byte."""


class NotYet(Exception):
    """It cannot be had at the moment. The message says who was asked and what came, and nothing of what was said."""


class Ask(Protocol):
    """Asks once; raises NotYet for everything but an answer of the kind 200."""

    def __call__(self, url: str, headers: Mapping[str, str], body: bytes | None = None, method: str | None = None) -> bytes:
        """What was answered."""
        ...


def asker(context: ssl.SSLContext | None = None, patience: float = PATIENCE) -> Ask:
    """Speaks to real servers. No proxy of the environment's: the metadata of this machine would be told to it."""
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}), urllib.request.HTTPSHandler(context=context))

    def ask(url: str, headers: Mapping[str, str], body: bytes | None = None, method: str | None = None) -> bytes:
        request = urllib.request.Request(url, data=body, method=method)  # noqa: S310  addresses are the vendor's or the node's own
        for name, value in headers.items():
            # Not told to whoever the answer leads to. 1. A registry leads to the vendor's storage. 2. The storage is shown the token as
            # well, and refuses a request that proves itself twice. 3. The node never starts.
            request.add_unredirected_header(name, value)
        whom = urlsplit(url).netloc
        try:
            with opener.open(request, timeout=patience) as answer:
                said: bytes = answer.read()
                return said
        except urllib.error.HTTPError as error:
            error.close()
            raise NotYet(f"{whom} answers HTTP {error.code}") from None
        except (OSError, http.client.HTTPException) as error:
            raise NotYet(f"{whom}: {type(error).__name__}: {error}") from error

    return ask
