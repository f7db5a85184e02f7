"""A person's data go: one order to every service that holds some, with a proof from each.

What is asked of a service (`Eraser`; over HTTP `DELETE /v1/subjects/{subject}` with a JSON body `{"reason": "...", "by": "..."}` and a
bearer token of its erase scope): 200 with the proof, whether it was erased now or before; 404 when it never held anything of that
subject; 503 of type `...:erasure-under-way` when it has begun and some is left, for the next request; another problem document otherwise.
The answer is durable like that to a payment. Asked again, it tells the same proof. Who answers that it cannot at present is asked again.

Services do not ask each other: the vault destroys the keys under which a person's numbers are sealed, payments forgets which tokens were
theirs. One that is out of reach keeps no other one from erasing; the same order again brings it to the end. As long as payments has not
answered, a token that it knows pays on, whatever the vault did.
"""

import asyncio
import json
import re
from collections.abc import Awaitable, Callable, Collection, Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from enum import StrEnum
from typing import Protocol
from urllib.parse import quote, urlsplit
from uuid import UUID

import aiohttp

from workload.kept import REASON
from workload.layer_settings import is_loopback
from workload.schema.errors import Refused

HOLDERS = ("vault", "payments")
"""Who holds data of persons. An erasure is complete when all of them have answered."""

PAUSE = 0.1
"""Seconds before a service that has begun is asked to go on: it works for as long as a request lasts, and then so do others."""
LONGEST_PAUSE = 5.0
"""Seconds after which whoever was turned away asks again, whatever `Retry-After` says; the shortest are `PAUSE`."""
AT_PRESENT = frozenset({408, 425, 429, 502, 503, 504})
"""Statuses of a service, or of what stands before it, that cannot now and may soon. Between two steps of an erasure each other request is
in its way as it is in theirs: accounts are held, sites are overloaded, the writer changes."""


class Outcome(StrEnum):
    """What became of the order at one service."""

    ERASED = "erased"
    """Now or before; there is a proof."""
    UNKNOWN_SUBJECT = "unknown-subject"
    """The service never held anything of the subject."""
    UNFINISHED = "unfinished"
    """It has begun, and some is left: ask again."""
    REFUSED = "refused"
    """It said no; asking again changes nothing."""
    UNANSWERED = "unanswered"
    """It may or may not have erased: ask again."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Order:
    """What is asked."""

    subject: UUID
    reason: str
    by: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What one service answered."""

    service: str
    outcome: Outcome
    proof: Mapping[str, object] = field(default_factory=dict)
    detail: str = ""


class Eraser(Protocol):
    """One service that holds data of persons."""

    @property
    def service(self) -> str:
        """Whose word it is."""

    async def erase(self, order: Order, deadline: timedelta) -> Answer:
        """Erase what the service holds of the subject, once however often it is asked; never raises for what the service does."""


class HttpEraser:
    """A service behind its HTTP API."""

    def __init__(
        self,
        *,
        service: str,
        url: str,
        token: str,
        http: aiohttp.ClientSession,
        pause: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        """`pause`: for so many seconds."""
        self._service, self._url, self._token, self._http = service, url.rstrip("/"), token, http
        self._pause = pause

    @property
    def service(self) -> str:
        return self._service

    async def erase(self, order: Order, deadline: timedelta) -> Answer:
        address = f"{self._url}/v1/subjects/{quote(str(order.subject), safe='')}"
        body = {"reason": order.reason, "by": order.by}
        headers = {"Authorization": f"Bearer {self._token}"}
        unfinished: Answer | None = None
        last: Answer | None = None
        try:
            async with asyncio.timeout(deadline.total_seconds()):
                while True:
                    async with self._http.delete(address, json=body, headers=headers, allow_redirects=False) as response:
                        last = self._answer(response.status, await response.read())
                    if last.outcome is Outcome.UNFINISHED:
                        unfinished = last
                        await self._pause(PAUSE)
                    elif last.outcome is Outcome.UNANSWERED and response.status in AT_PRESENT:
                        await self._pause(_wait(response.headers.get("Retry-After", "")))
                    elif last.outcome is Outcome.UNANSWERED:
                        return unfinished or last
                    else:
                        return last
        except TimeoutError:
            return unfinished or last or self._unanswered(f"no answer within {deadline.total_seconds():g} s")
        except (aiohttp.ClientError, OSError) as error:
            return unfinished or self._unanswered(str(error) or type(error).__name__)

    def _answer(self, status: int, body: bytes) -> Answer:
        try:
            document = json.loads(body)
        except ValueError:
            return self._unanswered(f"status {status} without a document")
        if not isinstance(document, dict):
            return self._unanswered(f"status {status} without a document")
        told = str(document.get("detail", status))
        if status == 200 and document.get("proof"):
            return Answer(service=self._service, outcome=Outcome.ERASED, proof=document)
        if status == 404 and str(document.get("type", "")).endswith("unknown-subject"):
            return Answer(service=self._service, outcome=Outcome.UNKNOWN_SUBJECT, detail=told)
        if status == 503 and str(document.get("type", "")).endswith(":erasure-under-way"):
            return Answer(service=self._service, outcome=Outcome.UNFINISHED, detail=told)
        if 400 <= status < 500 and status not in (408, 425, 429):
            return Answer(service=self._service, outcome=Outcome.REFUSED, detail=f"{status}: {told}")
        return self._unanswered(f"{status}: {told}")

    def _unanswered(self, detail: str) -> Answer:
        return Answer(service=self._service, outcome=Outcome.UNANSWERED, detail=detail)


def _wait(retry_after: str) -> float:
    """Seconds; a date, which ours never say, counts as nothing said."""
    seconds = float(retry_after) if retry_after.isascii() and retry_after.isdigit() else 0.0
    return min(max(seconds, PAUSE), LONGEST_PAUSE)


def read_order(subject: str, reason: str, by: str) -> Order:
    """The order as it was given. Raises Refused."""
    try:
        named = UUID(subject)
    except ValueError:
        value, limit = "a subject that is no UUID", "the subject's id, as the vault knows it"
        raise Refused(guard="order", value=value, limit=limit, way_out="Never a name or a number.") from None
    if re.fullmatch(REASON, reason) is None:
        limit = "a reason in words, without digits, of 3 to 200 letters"
        raise Refused(
            guard="order", value="a reason that cannot be kept", limit=limit, way_out="For example: request of the subject."
        )
    return Order(subject=named, reason=reason, by=by)


def read_services(given: Mapping[str, str], without: Collection[str]) -> Mapping[str, str]:
    """Whom to ask, by name, as it was given; every one of `HOLDERS` is among them or left out by name. Raises Refused."""
    if strange := sorted(set(without) - set(HOLDERS) | set(without) & given.keys()):
        limit = f"one of {', '.join(HOLDERS)}, and not also --at"
        raise Refused(guard="complete", value=f"--without {strange[0]}", limit=limit, way_out="Leave it out, or name it once.")
    if missing := [name for name in HOLDERS if name not in given and name not in without]:
        limit = f"every service that holds data of persons: {', '.join(HOLDERS)}"
        way_out = f"Add --at {missing[0]}=URL; or --without {missing[0]}, and give the order again for it."
        raise Refused(guard="complete", value=f"nothing that says where {missing[0]} is", limit=limit, way_out=way_out)
    for name, url in given.items():
        parts = urlsplit(url)
        if not parts.hostname or not (parts.scheme == "https" or (parts.scheme == "http" and is_loopback(parts.hostname))):
            value = f"an address of {name} that is not https"
            raise Refused(guard="address", value=value, limit="https://HOST", way_out="The token would be sent in the open.")
    return given


async def erase(order: Order, erasers: tuple[Eraser, ...], deadline: timedelta) -> tuple[Answer, ...]:
    """What every service answered, each within the deadline and whatever the others do."""
    return tuple(await asyncio.gather(*(one.erase(order, deadline) for one in erasers)))
