"""A reviewer and an officer beside the payers: each wish is asked for again until somebody answers it, or the run is over."""

import asyncio
import json
import math
import time
from collections.abc import Awaitable, Callable, Sequence
from typing import Any

from lab.load_payer import RETRIED, Device, NoReplyError, Reply, Route
from lab.load_schedule import backoff
from lab.load_transport import Request
from lab.papers import OFFICER
from lab.record import Approved, ForgetWanted, Forgotten, Line, ReviewWanted, Unfulfilled
from lab.resolver import UnresolvedError

Send = Callable[[Route, Request], Awaitable[Reply]]
"""Carry a request of one of the two; `Request.client` says whose. Raises NoReplyError."""

REVIEWS, ERASES = 0, 1
"""Which client of the staff's transport."""

DEADLINE = 2.0
"""Seconds for one attempt: nobody waits for these at a till."""
FIRST_PAUSE, LONGEST_PAUSE = 0.2, 2.0

BECAUSE, WHY, BY = "the payer confirmed it", "request of the subject", "a cardholder"


class Staff:
    """Carries wishes to their end. `write` must have the line safe when it returns."""

    def __init__(
        self,
        *,
        send: Send,
        find: Callable[[Device], Awaitable[Route]],
        write: Callable[[Line], None],
        devices: Sequence[Device],
        monotonic: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        """`devices`: whose addresses they use. `find`: where a device would go now; raises UnresolvedError, NoReplyError."""
        self._send, self._find, self._write, self._devices = send, find, write, devices
        self._monotonic, self._sleep = monotonic, sleep
        self.ends = math.inf
        """Monotonic seconds after which no further attempt is made."""

    async def approve(self, key: str, payment: str) -> bool:
        """Have a held payment made; True once the word counts. `key`: the payment's own."""
        self._write(ReviewWanted(key=key, payment=payment, t=self._monotonic()))
        body = {"verdict": "approve", "reason": BECAUSE}
        answer, site = await self._carry(key, "POST", f"/v1/reviews/{payment}", body, REVIEWS)
        if answer is None:
            return False
        epoch = int(answer["decided"]["epoch"])
        self._write(Approved(key=key, payment=payment, epoch=epoch, site=site, t=self._monotonic()))
        return True

    async def forget(self, subject: str) -> bool:
        """Have payments forget a subject; True once the proof was told."""
        key = f"forget-{subject}"
        self._write(ForgetWanted(key=key, subject=subject, caller=OFFICER, reason=WHY, t=self._monotonic()))
        answer, site = await self._carry(key, "DELETE", f"/v1/subjects/{subject}", {"reason": WHY, "by": BY}, ERASES)
        if answer is None:
            return False
        self._write(Forgotten(key=key, proof=str(answer["proof"]), epoch=int(answer["epoch"]), site=site, t=self._monotonic()))
        return True

    async def _carry(
        self, key: str, method: str, path: str, body: dict[str, str], client: int
    ) -> tuple[dict[str, Any] | None, str]:
        """The answer and whose it is; None when there will be none, which is written down with the reason."""
        attempt, why = 0, "nobody asked for it yet"
        device = self._devices[client % len(self._devices)]
        try:
            while self._monotonic() < self.ends:
                attempt += 1
                found = await self._ask(device, attempt, method, path, body, client)
                if not isinstance(found, str):
                    route, reply = found
                    if (said := _told(reply)) is not None:
                        return said, route.site
                    why = f"{reply.status} {reply.body[:120]!r}"
                    if 400 <= reply.status < 500 and reply.status not in RETRIED:
                        break
                else:
                    why = found
                pause = backoff(attempt, None, device.chance, first=FIRST_PAUSE, longest=LONGEST_PAUSE)
                await self._sleep(min(pause, max(self.ends - self._monotonic(), 0.0)))
        except asyncio.CancelledError:
            self._write(Unfulfilled(key=key, why=why, t=self._monotonic()))
            raise
        self._write(Unfulfilled(key=key, why=why, t=self._monotonic()))
        return None, ""

    async def _ask(
        self, device: Device, attempt: int, method: str, path: str, body: dict[str, str], client: int
    ) -> tuple[Route, Reply] | str:
        """One attempt: the answer, or why there is none."""
        headers = {
            "Content-Type": "application/json",
            "Deadline-Ms": str(int(1000 * DEADLINE)),
            "Retry-Attempt": str(attempt - 1),
        }
        try:
            async with asyncio.timeout(DEADLINE):
                route = await self._find(device)
                request = Request(
                    method=method, path=path, host=device.name, client=client, body=json.dumps(body).encode(), headers=headers
                )
                return route, await self._send(route, request)
        except TimeoutError:
            return "deadline"
        except (NoReplyError, UnresolvedError) as error:
            return str(error)


def _told(reply: Reply) -> dict[str, Any] | None:
    """What was wanted, when the answer says that it is so; payments that knew nothing of a subject say so (404), and keep a proof."""
    if reply.status not in (200, 404):
        return None
    try:
        said: dict[str, Any] = json.loads(reply.body)
        return said if reply.status == 200 else said.get("erasure")
    except (ValueError, AttributeError):
        return None
