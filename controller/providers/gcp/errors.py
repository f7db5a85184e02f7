"""What Google's client libraries raise, translated into our own tree by one context manager. Nothing of theirs crosses this border."""

import http.client
import json
import re
from collections.abc import Iterator
from contextlib import contextmanager

import google.auth.exceptions
import httplib2  # type: ignore[import-untyped]
from googleapiclient.errors import HttpError  # type: ignore[import-untyped]

from controller.errors import Conflict, Denied, ProviderError, Transient, TrimaranError, Unsupported

RATE = frozenset({"quotaExceeded", "rateLimitExceeded", "userRateLimitExceeded", "RATE_LIMIT_EXCEEDED", "RESOURCE_EXHAUSTED"})
"""Google answers 429 or 403 above its rate, so the status alone does not tell. A quota of things rather than of requests is no missing
permission either: it is asked again, until somebody has made room."""
PART_OF_CHANGE = re.compile(r"entity\.change\.(additions|deletions)\[(\d+)\]")
"""How Cloud DNS names the part of a change that it refuses (Cloud DNS documentation, "Error messages")."""


class Missing(Unsupported):
    """What was asked about is not there. A value where "not found" is one; otherwise the place in the settings is wrong."""


class RefusedChange(Unsupported):
    """Cloud DNS will never take one part of this change; carries which."""

    def __init__(self, text: str, *, part: str, index: int) -> None:
        super().__init__(text)
        self.part, self.index = part, index


@contextmanager
def translated(operation: str) -> Iterator[None]:
    """Raise our errors instead of Google's, with the operation, the status and the vendor's reason in the message.

    An answer that cannot be read (a proxy's page with status 200, a truncated body) is Transient, for the request may have been
    carried out. So is a lost connection. Credentials that cannot be had are Denied, unless the library says that a retry may help.
    """
    try:
        yield
    except TrimaranError:
        raise
    except HttpError as error:
        raise _from_answer(operation, error) from error
    except google.auth.exceptions.GoogleAuthError as error:
        lost = isinstance(error, google.auth.exceptions.TransportError | google.auth.exceptions.TimeoutError)
        kind = Transient if lost or error.retryable else Denied
        raise kind(f"{operation}: credentials: {error}") from error
    except (OSError, httplib2.HttpLib2Error, http.client.HTTPException) as error:
        raise Transient(f"{operation}: {type(error).__name__}: {error}") from error
    except Exception as error:
        raise Transient(f"{operation}: an answer that cannot be read: {type(error).__name__}: {error}") from error


def _from_answer(operation: str, error: HttpError) -> ProviderError:
    status, (message, reasons) = int(error.resp.status), _details(error.content)
    text = f"{operation}: {status} {' '.join(sorted(reasons))}: {message or error.reason}"
    part = PART_OF_CHANGE.search(message)
    if status in (408, 429) or status >= 500 or reasons & RATE:
        return Transient(text)
    if status in (401, 403):
        return Denied(text)
    if status in (409, 412) or (status == 404 and part):
        return Conflict(text)
    if status == 404:
        return Missing(text)
    if status == 400 and part:
        return RefusedChange(text, part=part[1], index=int(part[2]))
    return Unsupported(text) if status == 400 else ProviderError(text)


def _details(content: bytes) -> tuple[str, frozenset[str]]:
    """Message and reasons of Google's error body, both its older form (`errors[].reason`) and its newer one (`status`)."""
    try:
        error = json.loads(content)["error"]
        reasons = [item.get("reason", "") for item in error.get("errors", ())] + [error.get("status", "")]
        return str(error.get("message", "")), frozenset(filter(None, map(str, reasons)))
    except (ValueError, KeyError, TypeError, AttributeError):
        return "", frozenset()
