"""Problems of the layers that a request passes before an application sees it, and of what every application is built on.

Which statuses and kinds there are comes from the code that answers them; only what they mean is written here, and a kind that nobody
explained keeps the documents from being made.
"""

from collections.abc import Iterator, Mapping, Sequence

from workload.access.refusal import AccessRefused
from workload.access.refusal import Kind as AccessKind
from workload.durable.errors import Busy, Late, NoSession, NoWriter, OutcomeUnknown, Rejected, Unanswered
from workload.limits.refusal import Kind as LimitKind
from workload.limits.refusal import Refusal as LimitRefusal
from workload.limits.refusal import problem as limit_problem
from workload.openapi.answer import Refusal
from workload.openapi.problems import Mistakes
from workload.problems import describe_unanswered

MEANS: Mapping[str, str] = {
    "no-token": "an access token is needed",
    "malformed-credentials": "there is more than one Authorization header, or one that cannot be read",
    "unknown-token": "no access token, or none of this issuer",
    "wrong-algorithm": "signed in a way that is not allowed",
    "expired": "the token's time is over",
    "not-yet-valid": "the token's time has not come",
    "wrong-audience": "the token is meant for another service",
    "wrong-certificate": "the token is bound to another client certificate than the one that was shown",
    "missing-scope": "the token does not have the scope of this operation, or this is none",
    "keys-unknown": "the issuer's keys are not known here, or too old; nothing happened",
    "too-many-requests": "this client asks more often than it may; nothing happened",
    "overloaded": "no place was free, or became free in time; nothing happened",
    "deadline-over": "the answer would come after the time that Deadline-Ms gives; nothing happened",
    "no-writer": "no site is known to write at present; nothing happened",
    "writer-out-of-reach": "no session to the site that writes is free or alive; nothing happened",
    "accounts-busy": "others held the same rows for too long; nothing happened",
    "outcome-unknown": "it may have happened: repeat the request with the same Idempotency-Key to learn what did",
    "database-refused": "the database refused for a reason that repeating does not mend; nothing happened",
}

MALFORMED = Refusal(
    status=400, kind="malformed-request", says="a header, the address, or the JSON itself cannot be read", members=Mistakes
)
UNREADABLE = Refusal(status=400, kind="bad-request", says="the body is no text")
INVALID = Refusal(
    status=422, kind="invalid-content", says="the body says something that it may not; `errors` says where", members=Mistakes
)
NOT_FOUND = Refusal(status=404, kind="not-found", says="there is nothing at this address")
DEFECT = Refusal(status=500, kind="defect", says="a defect of the service; what happened is unknown")

UNANSWERED: Sequence[type[Unanswered]] = (NoWriter, NoSession, Busy, Late, OutcomeUnknown, Rejected)


def _limits() -> Iterator[Refusal]:
    for kind in LimitKind:
        told = limit_problem(LimitRefusal(kind=kind, retry_after=1, places=1))
        yield Refusal(status=told.status, kind=told.kind, says=MEANS[told.kind])


def _door() -> Iterator[Refusal]:
    for kind in AccessKind:
        yield Refusal(status=AccessRefused(kind, "").status, kind=kind.value, says=MEANS[kind.value])


def _durable() -> Iterator[Refusal]:
    for error in UNANSWERED:
        told = describe_unanswered(error(""))
        yield Refusal(status=told.status, kind=told.kind, says=MEANS[told.kind])


ARRIVING: Sequence[Refusal] = (
    Refusal(status=400, kind="malformed-deadline", says="Deadline-Ms is no whole number of milliseconds"),
    Refusal(status=401, kind="wrong-certificate", says=MEANS["wrong-certificate"]),
    Refusal(status=504, kind="deadline-over", says=MEANS["deadline-over"]),
)
"""Of every request, also one that needs no token: whoever is no edge and tells of a certificate is refused."""

GATE: Sequence[Refusal] = (
    Refusal(status=408, kind="request-timeout", says="the body did not arrive in time; nothing happened"),
    Refusal(status=411, kind="length-required", says="the body has no Content-Length"),
    Refusal(status=413, kind="body-too-large", says="the body is longer than a request may be"),
    *dict.fromkeys(_limits()),
)
"""Who is let in at all."""

DOOR: Sequence[Refusal] = tuple(_door())
"""Who may ask."""

DURABLE: Sequence[Refusal] = tuple(_durable())
"""Of everything that waits for the writer and the barrier."""

SHARED: Sequence[Refusal] = (*ARRIVING, *GATE, *DOOR, *DURABLE, MALFORMED, UNREADABLE, INVALID, NOT_FOUND, DEFECT)
