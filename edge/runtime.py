"""HAProxy's runtime socket: how its servers stand, and what share each of them gets (HAProxy management guide, 9.3).

One connection per question; HAProxy closes it after the answer. A deadline abandons the connection, whatever state that is in.
"""

import asyncio
import csv
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

from controller.core.model import Health
from controller.errors import Denied, Transient, Unsupported

DEADLINE = timedelta(seconds=0.3)
"""For one question. HAProxy answers within a millisecond unless it is stopped."""

LONGEST = 1 << 20
"""Bytes of an answer that are read."""

NOT_CHECKED = frozenset({0, 1})
"""`srv_check_status` before the first check ended: nothing known, initialised."""

STOPPED, STARTING, RUNNING = 0, 1, 2
"""`srv_op_state`; 3 is a server that finishes what it has."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Server:
    """One server of one backend."""

    weight: int
    """As it was set last, 0 to 256."""
    health: Health
    """By HAProxy's own checks; unknown before the first of them ended."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Counts:
    """What a server was asked and how it answered, since HAProxy started."""

    answered: int
    """Responses of any status, and attempts without one."""
    failed: int
    """5xx, and attempts that got no connection or no response."""
    mean: timedelta
    """Until the first byte of a response, over its last 1024 requests; zero before the first."""


class Runtime:
    """One HAProxy, seen through its socket."""

    def __init__(self, socket: Path, deadline: timedelta = DEADLINE) -> None:
        self._socket, self._deadline = socket, deadline.total_seconds()

    async def servers(self) -> Mapping[str, Server]:
        """Every server as `backend/server`. Raises Transient when HAProxy gives no answer, Unsupported for one of another shape."""
        answer = await self._ask("show servers state")
        lines = answer.splitlines()
        if len(lines) < 2 or not lines[1].startswith("# "):
            raise _objection("show servers state", answer)
        names = lines[1].removeprefix("# ").split()
        try:
            rows = [dict(zip(names, line.split(), strict=False)) for line in lines[2:] if line.strip()]
            return {f"{row['be_name']}/{row['srv_name']}": _server(row) for row in rows}
        except (KeyError, ValueError) as error:
            raise Unsupported(f"HAProxy describes its servers in a way that is not known here: {error!r}") from error

    async def counts(self) -> Mapping[str, Counts]:
        """Every server that takes HTTP requests, as `backend/server`. Raises as `servers` does."""
        answer = await self._ask("show stat -1 4 -1")
        if not answer.startswith("# "):
            raise _objection("show stat", answer)
        try:
            rows = csv.DictReader(answer.removeprefix("# ").splitlines())
            return {f"{row['pxname']}/{row['svname']}": _counts(row) for row in rows}
        except (KeyError, TypeError, ValueError) as error:
            raise Unsupported(f"HAProxy counts in a way that is not known here: {error!r}") from error

    async def set_weights(self, weights: Mapping[str, int]) -> None:
        """Give servers, by `backend/server`, their weights; those that gain come first.

        1. A site is to be drained. 2. The own server's weight becomes 0, and the peers' are about to follow. 3. A request that
        arrives in between finds nobody.

        Raises Transient when HAProxy gives no answer (some of it may be done), Unsupported for a server that it does not have.
        """
        for weight in weights.values():
            if not 0 <= weight <= 256:
                raise ValueError(f"a weight is between 0 and 256, not {weight}")
        ordered = sorted(weights.items(), key=lambda item: item[1] == 0)
        if not ordered:
            return
        command = ";".join(f"set server {name} weight {weight}" for name, weight in ordered)
        answer = await self._ask(command)
        if answer.strip():
            raise _objection("set server weight", answer)

    async def _ask(self, command: str) -> str:
        writer: asyncio.StreamWriter | None = None
        try:
            async with asyncio.timeout(self._deadline):
                reader, writer = await asyncio.open_unix_connection(self._socket)
                writer.write(command.encode() + b"\n")
                await writer.drain()
                return await _whole(reader)
        except PermissionError as error:
            raise Denied(f"HAProxy's socket {self._socket} may not be used by this account") from error
        except TimeoutError as error:
            raise Transient(f"HAProxy was silent for {self._deadline:g} s") from error
        except OSError as error:
            raise Transient(f"HAProxy's socket {self._socket}: {error.strerror or error}") from error
        finally:
            if writer is not None:
                writer.transport.abort()


async def _whole(reader: asyncio.StreamReader) -> str:
    """The answer up to its end. Raises Transient when there is no end to it."""
    parts: list[bytes] = []
    while part := await reader.read(1 << 16):
        parts.append(part)
        if sum(map(len, parts)) > LONGEST:
            raise Transient("HAProxy answers without end")
    return b"".join(parts).decode(errors="replace")


def _server(row: Mapping[str, str]) -> Server:
    state = int(row["srv_op_state"])
    if state not in (STARTING, RUNNING):
        health = Health.FAILING
    else:
        health = Health.UNKNOWN if int(row["srv_check_status"]) in NOT_CHECKED else Health.HEALTHY
    return Server(weight=int(row["srv_uweight"]), health=health)


RESPONSES = ("hrsp_1xx", "hrsp_2xx", "hrsp_3xx", "hrsp_4xx", "hrsp_5xx", "hrsp_other")
ATTEMPTS = ("econ", "eresp")
"""No connection; no response, or one that broke off."""


def _counts(row: Mapping[str, str]) -> Counts:
    """Management guide, 9.1; an empty field is 0."""
    count = {name: int(row[name] or 0) for name in (*RESPONSES, *ATTEMPTS, "rtime")}
    lost = sum(count[name] for name in ATTEMPTS)
    return Counts(
        answered=sum(count[name] for name in RESPONSES) + lost,
        failed=count["hrsp_5xx"] + lost,
        mean=timedelta(milliseconds=count["rtime"]),
    )


def _objection(command: str, answer: str) -> Denied | Unsupported:
    told = answer.strip()[:200]
    if "ermission" in told:
        return Denied(f"HAProxy's socket allows no {command}: {told}")
    return Unsupported(f"HAProxy to {command}: {told or 'nothing'}")
