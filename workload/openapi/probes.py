"""What every process says about itself, to whoever watches it."""

from collections.abc import Mapping
from typing import Literal

from workload.openapi import layers
from workload.openapi.answer import Answer, Described, Descriptions, Refusal, Told

TAGS: Mapping[str, str] = {"probes": "For whoever watches the process; no token needed."}


class AliveDocument(Told):
    """The process lives."""

    status: Literal["alive"]


class SiteDocument(Told):
    """How a site's database looks from here."""

    role: str
    epoch: int | None
    sessions: int


class ReadyDocument(Told):
    """A write has just gone through: the writer took it, and the barrier opened."""

    ready: Literal[True]
    site: str
    writer: str | None
    epoch: int | None
    proof_age_seconds: float | None
    waiting: int
    """Requests at the barrier."""
    in_flight: int
    sites: dict[str, SiteDocument]
    issuer_keys_age_seconds: float | None = None
    """Since the issuer of tokens last confirmed its keys."""
    open_to_everybody: Literal[True] | None = None
    """Nobody is asked for a token: a bench."""


class UnreadyDocument(Told):
    """The same, when it has not."""

    ready: Literal[False] | None = None
    site: str | None = None
    writer: str | None = None
    epoch: int | None = None
    proof_age_seconds: float | None = None
    waiting: int | None = None
    in_flight: int | None = None
    sites: dict[str, SiteDocument] | None = None
    issuer_keys_age_seconds: float | None = None
    open_to_everybody: Literal[True] | None = None


LIVES = Described(
    summary="Does the process live?",
    tag="probes",
    answers={200: Answer(says="It does.", body=AliveDocument, example={"status": "alive"})},
)

METRICS = Described(summary="Numbers for Prometheus", tag="probes", answers={200: Answer(says="Its text format, version 0.0.4.")})


def durable(ready: type[ReadyDocument] = ReadyDocument, unready: type[UnreadyDocument] = UnreadyDocument) -> Descriptions:
    """Of a service with a database; `ready` and `unready` say what it tells there."""
    shown = Described(
        summary="Does the write path work?",
        says="Asks the writer to commit, and the barrier to open.",
        tag="probes",
        answers={200: Answer(says="It does.", body=ready)},
        refusals=tuple(Refusal(status=503, kind=one.kind, says=one.says, members=unready) for one in layers.DURABLE),
    )
    return {("GET", "/healthz"): LIVES, ("GET", "/readyz"): shown, ("GET", "/metrics"): METRICS}
