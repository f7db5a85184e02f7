"""Google's errors become ours, each by who must act."""

import http.client
import json

import google.auth.exceptions
import httplib2  # type: ignore[import-untyped]
import pytest
from googleapiclient.errors import HttpError  # type: ignore[import-untyped]

from controller.errors import Conflict, Denied, ProviderError, Transient, Unsupported
from controller.providers.gcp.errors import Missing, RefusedChange, translated


def answer(status: int, reason: str = "", message: str = "as it is") -> HttpError:
    """What the vendor's client raises for an error body."""
    body = {"error": {"code": status, "message": message, "errors": [{"reason": reason}]}}
    return HttpError(httplib2.Response({"status": str(status)}), json.dumps(body).encode())


def kind_of(error: Exception) -> type[BaseException]:
    """Which of our errors it becomes."""
    with pytest.raises(ProviderError) as raised:
        with translated("changes.create"):
            raise error
    assert str(raised.value).startswith("changes.create: ")
    return raised.type


@pytest.mark.parametrize(
    ("error", "kind"),
    [
        (answer(429, "rateLimitExceeded"), Transient),
        (answer(403, "rateLimitExceeded"), Transient),
        (answer(403, "quotaExceeded"), Transient),
        (answer(403, "forbidden"), Denied),
        (answer(401, "required"), Denied),
        (answer(500), Transient),
        (answer(503, "backendError"), Transient),
        (answer(408), Transient),
        (answer(409, "operationInProgress"), Conflict),
        (answer(412, "conditionNotMet", "Precondition not met for 'entity.change.deletions[0]'"), Conflict),
        (answer(404, "notFound", "The 'entity.change.deletions[3]' resource named 'a. (A)' does not exist."), Conflict),
        (answer(404, "notFound", "The 'parameters.managedZone' resource named 'z' does not exist."), Missing),
        (answer(400, "invalid", "Invalid value for 'parameters.filter'"), Unsupported),
        (answer(400, "invalid", "Invalid value for 'entity.change.additions[7].ttl': '-1'"), RefusedChange),
        (answer(418), ProviderError),
        (HttpError(httplib2.Response({"status": "502"}), b"<html>upstream</html>"), Transient),
        (HttpError(httplib2.Response({"status": "403"}), b'["not", "the", "usual", "body"]'), Denied),
        (TimeoutError("timed out"), Transient),
        (ConnectionResetError(104, "reset"), Transient),
        (http.client.RemoteDisconnected("closed"), Transient),
        (httplib2.ServerNotFoundError("no such name"), Transient),
        (google.auth.exceptions.TransportError("lost"), Transient),  # type: ignore[no-untyped-call]
        (google.auth.exceptions.RefreshError("expired"), Denied),  # type: ignore[no-untyped-call]
        (google.auth.exceptions.RefreshError("busy", retryable=True), Transient),  # type: ignore[no-untyped-call]
        (json.JSONDecodeError("no JSON", "<html>", 0), Transient),
        (KeyError("status"), Transient),
    ],
)
def test_every_stumble_is_told_by_who_must_act(error: Exception, kind: type[BaseException]) -> None:
    """Throttling and lost answers are retried, permissions mended by someone, races read again; nothing of the vendor's gets out."""
    assert kind_of(error) is kind


def test_our_own_errors_pass_unchanged() -> None:
    """What is ours already keeps its kind and its words."""
    with pytest.raises(Denied, match=r"^not to be sent$"):
        with translated("changes.create"):
            raise Denied("not to be sent")


def test_a_refused_part_of_a_change_is_named() -> None:
    """The part and its index come out of the vendor's message, so that one group can be left out and the others go on."""
    with pytest.raises(RefusedChange) as refused:
        with translated("changes.create"):
            raise answer(400, "invalid", "Invalid value for 'entity.change.additions[7].rrdata': 'x'")
    assert (refused.value.part, refused.value.index) == ("additions", 7)
