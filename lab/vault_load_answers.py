"""What the vault is asked and what its answers mean. Pure."""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from lab import load_payer
from lab.load_payer import Reply
from lab.record import Declined, Failed
from lab.vault_load_record import Erased, ErasureWanted, Revealed, RevealWanted, Tokenized, TokenWanted, Told, Wanted
from lab.vault_load_schedule import reason
from lab.vault_load_wallet import Card

TOLD = frozenset({200, 201})


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """What goes to the vault in one attempt."""

    method: str
    path: str
    body: bytes = field(repr=False)
    key: str | None = None
    """Idempotency-Key, where the operation takes one."""


Ask = Callable[[int], Request]
"""The request of an attempt, from 1."""


def tokenize(card: Card) -> Ask:
    """Keep a number: the same request in every attempt."""
    body = _body({"subject": card.subject, "kind": "card", "number": card.digits})
    request = Request(method="POST", path="/v1/tokens", body=body, key=card.key)
    return lambda attempt: request


def reveal(token: str, number: int) -> Ask:
    """Give a number out, with a reason of its own in every attempt."""
    return lambda attempt: Request(
        method="POST", path=f"/v1/tokens/{token}/reveal", body=_body({"reason": reason(number, attempt)})
    )


def erase(wanted: ErasureWanted) -> Ask:
    """Forget a subject: the same request in every attempt."""
    body = _body({"reason": wanted.reason, "by": wanted.by})
    request = Request(method="DELETE", path=f"/v1/subjects/{wanted.subject}", body=body)
    return lambda attempt: request


@dataclass(frozen=True, slots=True, kw_only=True)
class Attempt:
    """One request and where and when it was sent."""

    number: int
    """From 1."""
    request: Request
    site: str
    began: float


def judge(reply: Reply, wanted: Wanted, attempt: Attempt, now: float, digest: Callable[[str], str]) -> Told | Declined | Failed:
    """What an answer means. Only a 200 or 201 that names what was wanted is an acknowledgement; 5xx settles nothing."""
    if reply.status not in TOLD:
        other = load_payer.judge(reply, wanted.key, attempt.number, attempt.site, attempt.began, now)
        assert isinstance(other, Declined | Failed), "only 200 and 201 tell anything"
        return other
    try:
        return _told(json.loads(reply.body), reply.status, wanted, attempt, now, digest)
    except (ValueError, KeyError, TypeError):
        why = f"{reply.status} that cannot be read"
        return Failed(key=wanted.key, attempt=attempt.number, site=attempt.site, why=why, t=now)


def _told(
    said: Mapping[str, object], status: int, wanted: Wanted, attempt: Attempt, now: float, digest: Callable[[str], str]
) -> Told:
    key, number, site, latency = wanted.key, attempt.number, attempt.site, now - attempt.began
    match wanted:
        case TokenWanted():
            token, epoch = str(said["token"]), _whole(said["epoch"])
            return Tokenized(key=key, attempt=number, token=token, epoch=epoch, site=site, status=status, latency=latency, t=now)
        case RevealWanted():
            seen, why = digest(str(said["number"])), str(json.loads(attempt.request.body)["reason"])
            return Revealed(key=key, attempt=number, digest=seen, reason=why, site=site, status=status, latency=latency, t=now)
        case ErasureWanted():
            proof, epoch = str(said["proof"]), _whole(said["epoch"])
            return Erased(key=key, attempt=number, proof=proof, epoch=epoch, site=site, status=status, latency=latency, t=now)


def _whole(value: object) -> int:
    if not isinstance(value, int):
        raise TypeError(f"{value!r} is no epoch")
    return value


def _body(content: Mapping[str, object]) -> bytes:
    return json.dumps(content).encode()
