"""What azure-core raises, translated into our own tree by one context manager. Nothing of azure-core crosses this border."""

from collections.abc import Iterator
from contextlib import contextmanager

from azure.core.exceptions import (
    AzureError,
    ClientAuthenticationError,
    HttpResponseError,
    ServiceRequestError,
    ServiceResponseError,
)

from controller.errors import Conflict, Denied, ProviderError, Transient, Unsupported

BUSY = frozenset({"AnotherOperationInProgress", "OperationInProgress", "ServerIsBusy", "ServerBusy", "ResourceGroupBeingDeleted"})
"""Codes of a 409 that ask for the same request again after a pause."""
NO_SUCH_RESOURCE = frozenset({"ResourceNotFound", "NotFound", "OperationNotFound", "SecretNotFound"})
"""Codes of a 404 that say of the resource itself that there is none; the others say that its place is unknown."""


class Throttled(Transient):
    """More requests than Azure takes just now; any other one would be turned away too."""


class Busy(Conflict):
    """Azure still works on an earlier change of this resource; it asks for the same request again after a pause."""


class Absent(Unsupported):
    """There is no such resource in a place that exists: a value, which the adapter that asked makes of it."""


@contextmanager
def translated(operation: str) -> Iterator[None]:
    """Raise our errors instead of azure-core's, with the operation, the vendor's code and the request id in the message.

    A refused connection, a certificate that nobody trusts and a read that timed out all are Transient: the SDK tells them apart by
    their text only, and the request may have been carried out. So is everything that an answer can make the SDK, or our own reading
    of it, stumble over: a proxy's page with status 200 would otherwise end every controller that asks.
    """
    try:
        yield
    except HttpResponseError as error:
        raise _from_answer(operation, error) from error
    except (ServiceRequestError, ServiceResponseError) as error:
        raise Transient(f"{operation}: {type(error).__name__}: {error}") from error
    except ProviderError:
        raise
    except AzureError as error:
        raise ProviderError(f"{operation}: {type(error).__name__}: {error}") from error
    except Exception as error:
        raise Transient(f"{operation}: an answer that cannot be read: {type(error).__name__}: {error}") from error


def _from_answer(operation: str, error: HttpResponseError) -> ProviderError:
    """Source: Azure Resource Manager, "Common error codes"; 429 and `Retry-After`: "Understand how ARM throttles requests"."""
    status = error.status_code or 0
    code, message = (str(getattr(error.error, name, None) or "") for name in ("code", "message"))
    request = getattr(error.response, "headers", {}).get("x-ms-request-id", "unknown")
    text = f"{operation}: {code or status}: {message or error.message} (request {request})"
    if status == 429:
        return Throttled(text)
    if status == 408 or status >= 500:
        return Transient(text)
    if isinstance(error, ClientAuthenticationError) or status in (401, 403):  # the SDK's class also for an Entra that is down
        return Denied(text)
    if status < 400:
        return Transient(text)
    if status == 409 and code in BUSY:
        return Busy(text)
    if status in (409, 412):
        return Conflict(text)
    if status == 404 and code in NO_SUCH_RESOURCE:
        return Absent(text)
    if status in (400, 404):
        return Unsupported(text)
    return ProviderError(text)
