"""What azure-core raises, and who must act on it."""

import json
from typing import Any

import pytest
from azure.core.exceptions import (
    AzureError,
    ClientAuthenticationError,
    DecodeError,
    HttpResponseError,
    ServiceRequestError,
    ServiceResponseTimeoutError,
)

from controller.errors import Conflict, Denied, ProviderError, Transient, Unsupported
from controller.providers.azure.errors import Absent, Busy, Throttled, translated


class Answer:
    """What azure-core needs of an answer to make an error of it."""

    def __init__(self, status: int, code: str) -> None:
        self.status_code, self.reason = status, "reason"
        self.headers = {"x-ms-request-id": "r-1"}
        self._body = json.dumps({"error": {"code": code, "message": "what the vendor says"}})

    def text(self, encoding: str | None = None) -> str:
        return self._body

    def body(self) -> bytes:
        return self._body.encode()


def answered(status: int, code: str = "SomeCode", kind: type[HttpResponseError] = HttpResponseError) -> HttpResponseError:
    """The SDK's error for such an answer."""
    response: Any = Answer(status, code)
    return kind(response=response)


@pytest.mark.parametrize(
    ("raised", "expected"),
    [
        (answered(401), Denied),
        (answered(403, "AuthorizationFailed"), Denied),
        (ClientAuthenticationError("no token"), Denied),
        (answered(400, "invalid_client", ClientAuthenticationError), Denied),
        (answered(503, "unavailable", ClientAuthenticationError), Transient),
        (answered(429, "TooManyRequests"), Throttled),
        (answered(408), Transient),
        (answered(500), Transient),
        (answered(503, "ServiceUnavailable"), Transient),
        (answered(409, "Conflict"), Conflict),
        (answered(409, "AnotherOperationInProgress"), Busy),
        (answered(412, "PreconditionFailed"), Conflict),
        (answered(404, "ResourceNotFound"), Absent),
        (answered(404, "ResourceGroupNotFound"), Unsupported),
        (answered(404, "ParentResourceNotFound"), Unsupported),
        (answered(400, "BadRequest"), Unsupported),
        (answered(418), ProviderError),
        (DecodeError("200 with a page"), Transient),
        (ServiceRequestError("refused"), Transient),
        (ServiceResponseTimeoutError("read timed out"), Transient),
        (AzureError("something else"), ProviderError),
        (KeyError("properties"), Transient),
        (Denied("no identity token"), Denied),
    ],
)
def test_whatever_is_raised_becomes_ours(raised: Exception, expected: type[ProviderError]) -> None:
    """Exactly this class: who must act follows from it."""
    with pytest.raises(ProviderError) as found, translated("Profiles_Get"):
        raise raised
    assert type(found.value) is expected


def test_the_message_says_what_was_asked_and_what_the_vendor_answered() -> None:
    """Operation, code, message and the id that the vendor's support asks for."""
    with pytest.raises(Denied) as found, translated("Profiles_Get"):
        raise answered(403, "AuthorizationFailed")
    assert str(found.value) == "Profiles_Get: AuthorizationFailed: what the vendor says (request r-1)"


def test_a_place_that_is_unknown_is_not_an_absent_resource() -> None:
    """A typing error in the resource group would otherwise read as "there is no such server", for ever."""
    with pytest.raises(Unsupported) as found, translated("Servers_Get"):
        raise answered(404, "ResourceGroupNotFound")
    assert not isinstance(found.value, Absent)
