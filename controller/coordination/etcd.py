"""A thin client of etcd's v3 JSON gateway over aiohttp: transactions and leases, endpoint rotation, deadlines that fire.

What happens to a lost answer: the transaction may have been applied, and a member that lost its leader drops a proposal
instead of queueing it, so silence says nothing. A transaction is sent again, to the next endpoint, only when that can do no
harm: it reads, or it changes a key that it compares (`Txn.repeatable`), so that whichever sending comes second writes
nothing. The second answer is then `succeeded=False`, and the caller recognizes its own work by what it wrote. Every other
write is sent once; its lost answer is Transient.
"""

import asyncio
import json
import ssl
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import timedelta
from http import HTTPStatus

import aiohttp

from controller.coordination.endpoints import Endpoints
from controller.coordination.transaction import Answer, LeaseLapsed, Range, Txn
from controller.coordination.wire import Json, spell, spell_range, understand, understand_range
from controller.errors import Denied, Transient, Unsupported

PAUSE = 0.02
"""Seconds between two rounds through all members, so that refusing ones are not asked in a busy loop."""

NOT_FOUND = 5
"""gRPC code NOT_FOUND."""

MISTRUSTED = frozenset({7, 16})
"""gRPC codes PERMISSION_DENIED and UNAUTHENTICATED."""

NEVER = frozenset({3, 12})
"""gRPC codes INVALID_ARGUMENT and UNIMPLEMENTED: asking again changes nothing."""


class Etcd:
    """One etcd group, seen through its members' client URLs. Implements `transaction.KeyValue`."""

    def __init__(
        self,
        urls: Sequence[str],
        *,
        call_deadline: timedelta = timedelta(seconds=0.2),
        deadline: timedelta = timedelta(seconds=1),
        context: ssl.SSLContext | None = None,
    ) -> None:
        """`urls` with the own site's member first; `call_deadline` bounds one attempt at one member, `deadline` the operation. `context`:
        who this is to members that want to know, and whom it believes; None: as anybody."""
        self._endpoints = Endpoints(urls)
        self._call_deadline = call_deadline.total_seconds()
        self._deadline = deadline.total_seconds()
        self._trust: ssl.SSLContext | bool = context or True
        self._http: aiohttp.ClientSession | None = None

    async def close(self) -> None:
        """Close every connection; the client may be used again afterwards."""
        if self._http is not None:
            http, self._http = self._http, None
            await http.close()

    async def transact(self, txn: Txn) -> Answer:
        """Apply the transaction once; raises LeaseLapsed, Transient, Denied or Unsupported.

        Reads go as plain ranges, because a read-only transaction that its client gives up on kills a 3.5.1 member
        ("unexpected error during txn: context canceled", etcd-io/etcd#14110), and giving up is what a deadline does.
        """
        if not txn.writes:
            return await self._read(txn.reads)
        try:
            body = await self._ask("/v3/kv/txn", spell(txn), repeat=txn.repeatable)
        except _NotFound as unknown:
            raise LeaseLapsed from unknown  # the only thing a transaction can fail to find is the lease of a put
        with _translated("/v3/kv/txn"):
            return understand(body)

    async def _read(self, wanted: Sequence[Range]) -> Answer:
        bodies = await asyncio.gather(*(self._ask("/v3/kv/range", spell_range(one)) for one in wanted))
        with _translated("/v3/kv/range"):
            revision = min(int(body["header"]["revision"]) for body in bodies)
            return Answer(succeeded=True, revision=revision, found=tuple(map(understand_range, bodies)))

    async def grant(self, ttl: timedelta) -> int:
        """A new lease of at least `ttl`, rounded up to whole seconds as etcd counts them."""
        body = await self._ask("/v3/lease/grant", {"TTL": str(-int(-ttl.total_seconds() // 1))})
        with _translated("/v3/lease/grant"):
            return int(body["ID"])

    async def renew(self, lease: int) -> bool:
        """One keepalive; etcd answers a lapsed lease with a term of zero."""
        body = await self._ask("/v3/lease/keepalive", {"ID": str(lease)})
        with _translated("/v3/lease/keepalive"):
            if "error" in body:
                raise Transient(f"etcd: /v3/lease/keepalive: {body['error']}")
            return int(body["result"].get("TTL", 0)) > 0

    async def revoke(self, lease: int) -> None:
        """End the lease; one that has lapsed is no error."""
        try:
            await self._ask("/v3/lease/revoke", {"ID": str(lease)})
        except _NotFound:
            return

    async def _ask(self, path: str, body: Mapping[str, object], *, repeat: bool = True) -> Json:
        """The first usable answer before the deadline; without `repeat`, of the first member that took the request."""
        loop = asyncio.get_running_loop()
        give_up = loop.time() + self._deadline
        failures: list[str] = []
        while (remaining := give_up - loop.time()) > 0:
            url = self._endpoints.current
            try:
                return await self._call(url, path, body, min(self._call_deadline, remaining))
            except Transient as failure:
                failures.append(f"{url}: {failure}")
                self._endpoints.failed(url)
                if not repeat and not isinstance(failure, _NothingSent):
                    break
            if len(failures) % len(self._endpoints) == 0:
                await asyncio.sleep(PAUSE)
        raise Transient(
            f"etcd gave no answer to {path} within {self._deadline:g} s: {'; '.join(failures[-len(self._endpoints) :])}"
        )

    async def _call(self, url: str, path: str, body: Mapping[str, object], deadline: float) -> Json:
        """One attempt at one member. The deadline is ours: it abandons the connection, whatever state that is in."""
        try:
            async with asyncio.timeout(deadline), self._session().post(url + path, data=json.dumps(body)) as response:
                status, raw = response.status, await response.read()
        except aiohttp.ClientConnectorError as error:
            raise _NothingSent(str(error)) from error
        except TimeoutError as error:
            raise Transient(f"silent for {deadline:.2g} s") from error
        except (
            aiohttp.ClientError,
            OSError,
            RuntimeError,
        ) as error:  # the last: uvloop, of a connection that ends while it is written to
            raise Transient(f"{type(error).__name__}: {error}") from error
        with _translated(path):
            answer: Json = json.loads(raw)
            if status == HTTPStatus.OK:
                return answer
            raise _refusal(int(answer["code"]), str(answer.get("message") or answer.get("error")))

    def _session(self) -> aiohttp.ClientSession:
        """One pool of warm connections, made on first use because it belongs to the running loop."""
        if self._http is None:
            self._http = aiohttp.ClientSession(
                timeout=aiohttp.ClientTimeout(total=None),
                connector=aiohttp.TCPConnector(keepalive_timeout=60, ssl=self._trust),
                headers={"Content-Type": "application/json"},
            )
        return self._http


def _refusal(code: int, message: str) -> Exception:
    """etcd's gRPC status as our error, by who must act."""
    if code == NOT_FOUND:
        return _NotFound(message)
    if code in MISTRUSTED:
        return Denied(f"etcd: {message}")
    if code in NEVER:
        return Unsupported(f"etcd: {message}")
    return Transient(f"etcd: {message}")


@contextmanager
def _translated(path: str) -> Iterator[None]:
    """Whatever else listens on that port, its answer becomes Transient, never a crash of the controller."""
    try:
        yield
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise Transient(f"no etcd answer to {path}: {error!r}") from error


class _NothingSent(Transient):
    """The connection could not be made, so the request was certainly not applied."""


class _NotFound(Exception):
    """etcd does not know the lease that was named; a value in disguise, so it never leaves this module."""
