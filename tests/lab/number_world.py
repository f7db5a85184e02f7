"""A lab in which numbers are planted: requests as clients send them, and everything that the lab shows and holds."""

import asyncio
import json
import ssl
import uuid
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field

import aiohttp
import psycopg

from controller.probing.bearer import TokenEndpoint, client_context
from lab.addresses import LOCAL
from lab.cabling import CLIENTS, SITES, Door
from lab.door_settings import issuer_url
from lab.fleet import PAYMENTS, SCREENING, VAULT
from lab.laboratory import Laboratory
from lab.papers import MERCHANTS, WALLETS
from lab.site_settings import HOSTS
from tests.lab.number_plants import Plant
from workload.access.identity import Identity, service_name
from workload.access.identity import client_context as fleet_context

CLIENT = {PAYMENTS: MERCHANTS[0], VAULT: WALLETS[0]}
"""Who plants it, by service; screening is asked by payments alone."""

DOORS = {PAYMENTS: Door.SERVICE, VAULT: Door.VAULT, SCREENING: Door.SCREENING}
PATIENCE = aiohttp.ClientTimeout(total=5)


@dataclass(frozen=True, slots=True, kw_only=True)
class Reply:
    """What a client is told, headers included."""

    status: int
    said: str


@dataclass(slots=True, kw_only=True)
class Speaker:
    """Sends requests as clients do: over TLS to one site's edge, each service's by its own client."""

    lab: Laboratory
    http: aiohttp.ClientSession
    site: str
    _tokens: dict[str, str] = field(default_factory=dict)

    async def speak(self, plant: Plant) -> Reply:
        """One request. Raises OSError, aiohttp.ClientError, TimeoutError."""
        if plant.service == SCREENING:
            return await self._send(plant, Door.SCREENING, None, {}, self._as_payments())
        papers, host, client = self.lab.papers, HOSTS[plant.service][0], plant.client or CLIENT[plant.service]
        own = {"Host": host, "Authorization": f"Bearer {await self._token(client)}"}
        return await self._send(plant, Door.EDGE, host, own, client_context(papers.client(client), papers.doors))

    async def mumble(self, door: Door, request: bytes) -> bytes:
        """What is said to something that is not HTTP at all, without TLS; empty when the door just closes."""
        reader, writer = await asyncio.open_connection(LOCAL, self.lab.cabling.direct(self.site, door))
        writer.write(request)
        try:
            return await asyncio.wait_for(reader.read(4096), 5)
        except ConnectionError:
            return b""
        finally:
            writer.close()

    async def _token(self, client: str) -> str:
        if client not in self._tokens:
            context = client_context(self.lab.papers.client(client), self.lab.papers.issuer.authority)
            url = f"{issuer_url(self.lab.cabling, CLIENTS)}/token"
            self._tokens[client] = (await TokenEndpoint(url=url, client=client, context=context).ask()).token
        return self._tokens[client]

    def _as_payments(self) -> ssl.SSLContext:
        own = Identity(certificate=self.lab.papers.service(self.site, PAYMENTS), authority=self.lab.papers.fleet)
        return fleet_context(own, service_name(SCREENING))

    async def _send(self, plant: Plant, door: Door, host: str | None, own: Mapping[str, str], context: ssl.SSLContext) -> Reply:
        url = f"https://{LOCAL}:{self.lab.cabling.direct(self.site, door)}{plant.path}"
        # Asked to be shown: a refusal is neither traced nor logged otherwise, and there would be nothing to search.
        asked_for = f"00-{uuid.uuid4().hex}-{uuid.uuid4().hex[:16]}-01"
        headers = {"Content-Type": "application/json", "traceparent": asked_for, **own, **plant.headers}
        body = plant.body.encode() if plant.body else None
        asked = self.http.request(plant.method, url, headers=headers, data=body, ssl=context, server_hostname=host)
        async with asked as answer:
            return Reply(status=answer.status, said=f"{await answer.text()} {json.dumps(dict(answer.headers))}")


@asynccontextmanager
async def speaking(lab: Laboratory) -> AsyncIterator[Mapping[str, Speaker]]:
    """By site."""
    async with aiohttp.ClientSession(timeout=PATIENCE) as http:
        yield {site: Speaker(lab=lab, http=http, site=site) for site in SITES}


def dump(lab: Laboratory) -> Iterator[tuple[str, bytes]]:
    """Every table of every database of every site as text, and everything of it on disk: what was only in memory is written first."""
    for site, server in lab.sites.items():
        with psycopg.connect(server.server.dsn(), autocommit=True) as admin:
            admin.execute("CHECKPOINT")
            names = [row[0] for row in admin.execute("SELECT datname FROM pg_database WHERE datallowconn").fetchall()]
        for name in names:
            with psycopg.connect(server.server.dsn(name), autocommit=True) as one:
                tables = one.execute(
                    "SELECT format('%I.%I', schemaname, tablename) FROM pg_tables WHERE schemaname NOT LIKE 'information_schema'"
                ).fetchall()
                for (table,) in tables:
                    with one.cursor().copy(f"COPY {table} TO STDOUT") as rows:
                        yield f"{site} {name} {table}", b"".join(bytes(row) for row in rows)


async def pages(lab: Laboratory) -> list[tuple[str, bytes]]:
    """What can be asked of every process: metrics, readiness, the controllers' status and both journals."""
    found = [(f"journal of {name}", repr(await witness.journal()).encode()) for name, witness in lab.witnesses.items()]
    urls: list[tuple[str, str, ssl.SSLContext | None]] = []
    for site in SITES:
        for service, door in DOORS.items():
            origin, own = f"https://{LOCAL}:{lab.cabling.direct(site, door)}", lab.papers.towards(site, service)
            urls += [(f"{site} {service}", f"{origin}{path}", own) for path in ("/metrics", "/readyz", "/healthz")]
    for site, origin in lab.controllers().items():
        urls.append((f"controller of {site}", f"{origin}/metrics", None))
        urls += [(f"controller of {site}", f"{origin}/v1/services/{service}/status", None) for service in lab.witnesses]
    async with aiohttp.ClientSession(timeout=PATIENCE) as http:
        for place, url, context in urls:
            secure = {} if context is None else {"ssl": context}
            async with http.get(url, **secure) as answer:  # type: ignore[arg-type]
                found.append((f"{place} {url}", await answer.read()))
    return found


async def harass(speaker: Speaker, plants: Sequence[Plant]) -> list[tuple[Plant, Reply]]:
    """Send these over and over, whatever becomes of the site, until this is cancelled; answers collected meanwhile."""
    told: list[tuple[Plant, Reply]] = []
    with suppress(asyncio.CancelledError):
        for plant in plants:
            with suppress(OSError, aiohttp.ClientError, TimeoutError):
                told.append((plant, await speaker.speak(plant)))
            await asyncio.sleep(0.1)
    return told
