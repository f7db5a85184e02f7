"""One authority's name server: answers the zone from the emulated API's state over UDP and TCP, by weight, with the records' TTL.

Run as `python -m lab.nameserver --settings FILE`; prints one JSON line with its ports when it can be asked. It is a victim of its
own: while the API is down, hangs or lies, it goes on answering what it knows, as the vendors' name servers do. It asks the sites'
edges itself whether their records may be answered, as the vendors do: see lab/clouds/health.py. To have it answer nothing at all,
freeze it: a frozen process hears everything and says nothing, which is what a lost name server looks like from outside.
"""

import asyncio
import logging
import random
import struct
import time
from collections.abc import Callable
from contextlib import AsyncExitStack, suppress
from dataclasses import replace
from typing import cast

import aiohttp
import dns.exception
import dns.flags
import dns.message
import dns.rcode
from aiohttp import web
from pydantic import BaseModel, ConfigDict, Field, field_validator

from lab.checks import Checks
from lab.clouds.control import CloudControl
from lab.clouds.health import PACES, answerable, questions
from lab.clouds.zone import Record, respond
from lab.load_settings import RouteSettings
from lab.program import Ready, read_settings, run_until_told

log = logging.getLogger("lab.nameserver")

PATIENCE = 1.0
"""Seconds the API holds a question for news; a change arrives the moment it is published."""
PAUSE = 0.1
"""Seconds between questions while the API cannot be asked."""
LARGEST_UDP = 1232
IDLE = 5.0
"""Seconds after which a silent TCP client is let go."""


class Settings(BaseModel):
    """What one name server needs to know."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    zone: str = "trimaran.test"
    authority: str = "route53"
    """Whose name server this is; decides how health checks are made."""
    api: str
    """URL of the emulated cloud that holds the zone, with the lab's own routes."""
    routes: dict[str, RouteSettings] = {}
    """By address: where the internet takes a health check."""
    interval: float | None = Field(default=None, gt=0)
    """Seconds between two questions of a health check; None: the vendor's fastest. Unit tests have no minute to spare."""
    port: int = Field(default=0, ge=0, le=65535)
    """UDP and TCP on 127.0.0.1; 0: any free one, see the line printed."""
    control_port: int = Field(default=0, ge=0, le=65535)
    seed: int | None = None
    """Of the choice by weight; None: different in every run."""

    @field_validator("authority")
    @classmethod
    def _known(cls, name: str) -> str:
        if name not in PACES:
            raise ValueError(f"authority: one of {', '.join(PACES)}")
        return name


class Zone:
    """What this server knows of the zone, what of it may be answered, and whether it may learn more."""

    def __init__(self, origin: str, chance: Callable[[], float]) -> None:
        self._origin, self._chance = origin, chance
        self.records: tuple[Record, ...] | None = None
        """As published."""
        self.answered: tuple[Record, ...] | None = None
        """Without what the health checks forbid."""
        self.checks: Checks | None = None
        self.revision = 0
        self.stale = False
        """Fault: news of the zone is ignored."""
        self.learned_at: float | None = None
        """Monotonic seconds of the last news."""
        self.queries = 0

    def answer(self, wire: bytes, largest: int | None) -> bytes | None:
        """The answer to one query; None for what is not even a query."""
        self.queries += 1
        try:
            query = dns.message.from_wire(wire)
        except dns.exception.DNSException:
            return _format_error(wire)
        if query.flags & dns.flags.QR:
            return None
        limit = 65535 if largest is None else min(largest, max(512, query.payload))
        try:
            reply = respond(query, self._origin, self.answered, self._chance)
            return reply.to_wire(max_size=limit, prefer_truncation=True)
        except dns.exception.DNSException:
            log.exception("a record of the zone cannot be answered")
            reply = dns.message.make_response(query)
            reply.set_rcode(dns.rcode.SERVFAIL)
            return reply.to_wire()

    def refresh(self) -> None:
        """Bring answers and health checks to what is published and found healthy now."""
        if self.records is not None and self.checks is not None:
            self.checks.watch(questions(self.records))
            self.answered = answerable(self.records, self.checks.standings)
        else:
            self.answered = self.records

    async def follow(self, api: CloudControl) -> None:
        """Learn every change of the zone; never ends."""
        zone_id: str | None = None
        while True:
            try:
                zone_id = zone_id or await api.zone_id(self._origin)
                news = await api.zone(zone_id, after=self.revision, patience=PATIENCE)
            except (aiohttp.ClientError, TimeoutError, KeyError, ValueError) as error:
                log.info("cannot ask for the zone: %r", error)
                await asyncio.sleep(PAUSE)
                continue
            if self.stale:
                await asyncio.sleep(PAUSE)
            elif news is not None:
                self.records, self.revision, self.learned_at = news.records, news.revision, time.monotonic()
                self.refresh()


class Datagrams(asyncio.DatagramProtocol):
    """Queries over UDP."""

    def __init__(self, zone: Zone) -> None:
        self._zone = zone
        self._transport: asyncio.DatagramTransport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Remember where answers go out."""
        self._transport = cast(asyncio.DatagramTransport, transport)

    def datagram_received(self, data: bytes, addr: tuple[str | object, int]) -> None:
        """Answer at once."""
        answer = self._zone.answer(data, LARGEST_UDP)
        if answer is not None and self._transport is not None:
            self._transport.sendto(answer, addr)


async def serve_stream(zone: Zone, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Queries over one TCP connection, each with its length before it (RFC 1035 4.2.2)."""
    with suppress(asyncio.IncompleteReadError, ConnectionError, TimeoutError):
        while True:
            async with asyncio.timeout(IDLE):
                (size,) = struct.unpack("!H", await reader.readexactly(2))
                answer = zone.answer(await reader.readexactly(size), None)
                if answer is not None:
                    writer.write(struct.pack("!H", len(answer)) + answer)
                    await writer.drain()
    writer.close()
    with suppress(ConnectionError):
        await writer.wait_closed()


def control(zone: Zone) -> web.Application:
    """Routes of the lab's own: `GET /status`, `PUT /stale` with `true` or `false`."""

    async def status(_: web.Request) -> web.Response:
        age = None if zone.learned_at is None else time.monotonic() - zone.learned_at
        standings = zone.checks.standings if zone.checks is not None else {}
        return web.json_response(
            {
                "revision": zone.revision,
                "stale": zone.stale,
                "queries": zone.queries,
                "age_s": age,
                "loaded": zone.records is not None,
                "unhealthy": sorted(url for url, standing in standings.items() if not standing.healthy),
            }
        )

    async def stale(request: web.Request) -> web.Response:
        zone.stale = bool(await request.json())
        return web.json_response({"stale": zone.stale})

    application = web.Application()
    application.add_routes([web.get("/status", status), web.put("/stale", stale)])
    return application


async def run(settings: Settings, stop: asyncio.Event, ready: Ready) -> None:
    """Serve until `stop`; `ready` gets the ports, DNS and control, once both can be asked."""
    chance = random.Random(settings.seed).random
    zone = Zone(settings.zone, chance)
    pace, loop = PACES[settings.authority], asyncio.get_running_loop()
    if settings.interval is not None:
        pace = replace(pace, interval=settings.interval, patience=min(pace.patience, settings.interval))
    async with AsyncExitStack() as stack:
        http = await stack.enter_async_context(aiohttp.ClientSession())
        zone.checks = await stack.enter_async_context(Checks(pace, settings.routes, chance, zone.refresh))
        streams = await asyncio.start_server(lambda r, w: serve_stream(zone, r, w), "127.0.0.1", settings.port)
        stack.callback(streams.close)
        port: int = streams.sockets[0].getsockname()[1]
        transport, _ = await loop.create_datagram_endpoint(lambda: Datagrams(zone), local_addr=("127.0.0.1", port))
        stack.callback(transport.close)
        runner = web.AppRunner(control(zone), access_log=None)
        await runner.setup()
        stack.push_async_callback(runner.cleanup)
        await web.TCPSite(runner, "127.0.0.1", settings.control_port).start()
        following = asyncio.create_task(zone.follow(CloudControl(http, settings.api)))
        stack.callback(following.cancel)
        ready(port, runner.addresses[0][1])
        await stop.wait()


def _format_error(wire: bytes) -> bytes | None:
    if len(wire) < 12 or wire[2] & 0x80:
        return None
    reply = dns.message.Message(id=struct.unpack("!H", wire[:2])[0])
    reply.flags |= dns.flags.QR
    reply.set_rcode(dns.rcode.FORMERR)
    return reply.to_wire()


def main() -> None:
    """Serve until SIGTERM or SIGINT."""
    settings = read_settings("lab.nameserver", Settings)
    run_until_told(lambda stop, ready: run(settings, stop, ready))


if __name__ == "__main__":
    main()
