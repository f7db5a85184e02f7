"""Open-loop load: payers who keep wanting payments on a fixed schedule, whether anything answers or not.

Run as `python -m lab.load --settings FILE`. Prints one JSON line when offers begin and its last stats as another when it is over.
SIGTERM ends the offers; unsettled payments are attempted until the settle window is over. A second SIGTERM ends those too.
A closed-loop generator would stop asking while the service is down, and so would hide the very outage it is there to measure.
"""

import argparse
import asyncio
import json
import random
import signal
import sys
import time
from collections.abc import AsyncIterator, Coroutine, Iterator, Mapping
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any

import uvloop

from lab.load_desk import Desk
from lab.load_payer import Device, Manners, Payer, Post, Reply, Route, Sending
from lab.load_purse import Purse
from lab.load_schedule import Offer, first_share, ignores_ttl, offers
from lab.load_settings import Settings
from lab.load_staff import Send, Staff
from lab.load_stats import Stats, publish
from lab.load_transport import KEEP_ALIVE as KEEP_ALIVE
from lab.load_transport import Request, Transport, transport
from lab.record import Answered, Defect, Enrolled, Habit, Line, Record, Unanswered
from lab.resolver import Answer, Ask, StubResolver, udp
from lab.selection import Authorities
from lab.spans import traceparent


class Load:
    """One run."""

    def __init__(
        self, settings: Settings, record: Record, post: Post, servers: Mapping[str, Ask], staff: Send | None = None
    ) -> None:
        """`servers`: how to ask each authority's name server. `staff`: how a reviewer and an officer ask; None: there are none."""
        self._settings, self._record, self._servers = settings, record, dict(servers)
        self.stats = Stats(time.monotonic, time.process_time)
        self.stop_offering, self.stop_settling = asyncio.Event(), asyncio.Event()
        self.phase = "offering"
        self.broken = False
        """The record could not be written: the run proves nothing."""
        self._paying: set[asyncio.Task[object]] = set()
        manners = Manners(
            request_deadline=settings.request_deadline, first_pause=settings.first_pause, longest_pause=settings.longest_pause
        )
        self._payer = Payer(
            post=post,
            routes={address: Route(site=r.site, host=r.host, port=r.port) for address, r in settings.routes.items()},
            write=self._write,
            currency=settings.currency,
            manners=manners,
            monotonic=time.monotonic,
            sleep=asyncio.sleep,
        )
        self._devices = [self._device(number) for number in range(settings.devices)]
        purse = (
            None if settings.purse is None else Purse(settings.purse, settings.accounts, random.Random(f"{settings.seed}/purse"))
        )
        self._desk = Desk(
            staff=None if staff is None else Staff(send=staff, find=self._payer.find, write=self._write, devices=self._devices),
            payer=self._payer,
            purse=purse,
        )

    def _device(self, number: int) -> Device:
        settings = self._settings

        def tell(name: str, authority: str, answer: Answer | None) -> None:
            now = time.monotonic()
            if answer is None:
                self._write(Unanswered(device=number, name=name, authority=authority, t=now))
            else:
                address = next(iter(answer.addresses), None)
                self._write(Answered(device=number, name=name, authority=authority, address=address, ttl=answer.ttl, t=now))

        choose = random.Random(f"{settings.seed}/{number}/authority").randrange
        resolver = StubResolver(
            Authorities(self._servers, choose, time.monotonic, tell).ask,
            time.monotonic,
            first_share=first_share(settings.run, settings.seed, number),
            ignores_ttl=ignores_ttl(number, settings.ignoring_ttl),
        )
        name, chance = settings.names[number % len(settings.names)], random.Random(f"{settings.seed}/{number}")
        return Device(number=number, name=name, resolver=resolver, chance=chance)

    async def run(self) -> None:
        """Offer, settle, and leave no payment without a last word in the record."""
        with suppress(OSError):  # which has ended the run already
            self._enrol()
        reporting, desk = asyncio.create_task(self._report()), asyncio.create_task(self._desk.run())
        desk.add_done_callback(lambda done: self._stumbled("the desk", done))
        try:
            await _race(self._offer(), self.stop_offering)
            self.phase = "settling"
            self._desk.settle(self._settings.settle)
            await _race(self._settle(), self.stop_settling)
            if self._payer.unasked and self._settings.settle > 0:
                what = f"{self._payer.unasked} payments were not asked for again after the last offer"
                self._write(Defect(what=what, t=time.monotonic()))
        finally:
            for task in self._paying:
                task.cancel()
            await asyncio.gather(*self._paying, return_exceptions=True)
            desk.cancel()
            await asyncio.gather(desk, return_exceptions=True)
            reporting.cancel()
            self.phase = "done"
            self._publish()

    def _enrol(self) -> None:
        for device in self._devices:
            habit = Habit.IGNORES_TTL if ignores_ttl(device.number, self._settings.ignoring_ttl) else Habit.HONEST
            self._write(Enrolled(device=device.number, name=device.name, habit=habit, t=time.monotonic()))

    async def _offer(self) -> None:
        began = time.monotonic()
        for offer in self._schedule():
            if self._settings.duration is not None and offer.due >= self._settings.duration:
                return
            late = time.monotonic() - began - offer.due
            if late < 0:
                await asyncio.sleep(-late)
            self.stats.latest_offer = max(self.stats.latest_offer, late)
            self._begin(offer)

    def _begin(self, offer: Offer) -> None:
        if len(self._paying) >= self._settings.max_in_flight:
            if not self.stats.bound_hit:
                self._write(
                    Defect(what=f"{self._settings.max_in_flight} payments in flight: offers are dropped", t=time.monotonic())
                )
            self.stats.bound_hit += 1
            return
        offer = self._desk.sourced(offer)
        task: asyncio.Task[object] = asyncio.create_task(self._desk.pay(offer, self._devices[offer.device]))
        self._paying.add(task)
        task.add_done_callback(lambda done: self._ended(offer, done))

    def _ended(self, offer: Offer, task: "asyncio.Task[object]") -> None:
        """A payer that stumbled leaves a payment without a last word, and says nothing by itself."""
        self._paying.discard(task)
        self._stumbled(f"the payer of {offer.key}", task)

    def _stumbled(self, who: str, task: "asyncio.Task[Any]") -> None:
        if not task.cancelled() and (error := task.exception()) is not None and not self.broken:
            self._write(Defect(what=f"{who} ended with {error!r}", t=time.monotonic()))

    async def _settle(self) -> None:
        """At most one request longer than the window: no attempt begins after it."""
        while under_way := self._paying | self._desk.under_way:
            await asyncio.wait(under_way)

    def _schedule(self) -> Iterator[Offer]:
        settings = self._settings
        return offers(
            run=settings.run,
            rate=settings.rate,
            devices=settings.devices,
            accounts=settings.accounts,
            largest=settings.largest_amount,
            seed=settings.seed,
            suspects=settings.suspects,
        )

    def _write(self, line: Line) -> None:
        """Safe first, counted second."""
        try:
            self._record.append(line)
        except OSError as error:
            # Without a record nothing that happens from here on can be proven: the run ends, and says why.
            print(json.dumps({"error": f"the record cannot be written: {error}"}), file=sys.stderr, flush=True)
            self.broken = True
            self.stop_offering.set()
            self.stop_settling.set()
            raise
        self.stats.count(line)

    async def _report(self) -> None:
        while True:
            self._publish()
            await asyncio.sleep(1)

    def _publish(self) -> None:
        if self._settings.stats is not None:
            publish(self._settings.stats, self.stats.snapshot(phase=self.phase))


async def _race(work: Coroutine[object, object, None], stop: asyncio.Event) -> None:
    """Do the work until it is done or the event is set."""
    working = asyncio.create_task(work)
    stopping = asyncio.create_task(stop.wait())
    await asyncio.wait({working, stopping}, return_when=asyncio.FIRST_COMPLETED)
    stopping.cancel()
    if not working.done():
        working.cancel()
        with suppress(asyncio.CancelledError):
            await working
    else:
        await working


def posting(transport: Transport, traced: float = 0) -> Post:
    """Payments through this transport; that share of them with the wish that their way be shown."""

    async def post(route: Route, sending: Sending) -> Reply:
        headers = {
            "Content-Type": "application/json",
            "Idempotency-Key": sending.key,
            "Deadline-Ms": str(int(1000 * sending.left)),
            "Retry-Attempt": str(sending.attempt - 1),
            "traceparent": traceparent(sending.key, sending.attempt, 1.0 if sending.sourced else traced),
        }
        request = Request(
            method="POST", path="/v1/payments", host=sending.name, client=sending.device, body=sending.body, headers=headers
        )
        return await transport.carry(route, request)

    return post


@asynccontextmanager
async def _staffed(settings: Settings, sites: set[str]) -> AsyncIterator[Send | None]:
    """How reviewer and officer ask, with connections and tokens of their own."""
    if settings.staff is None:
        yield None
        return
    async with transport(settings.staff, sites) as carrying:
        yield carrying.carry


async def _main(settings: Settings) -> int:
    with Record(settings.record) as record:
        sites = {route.site for route in settings.routes.values()}
        async with transport(settings.entrance, sites) as carrying, _staffed(settings, sites) as staff:
            post = posting(carrying, settings.traced)
            servers = {authority: udp("127.0.0.1", port) for authority, port in settings.nameservers.items()}
            load, loop = Load(settings, record, post, servers, staff), asyncio.get_running_loop()

            def stop() -> None:
                (load.stop_settling if load.stop_offering.is_set() else load.stop_offering).set()

            for number in (signal.SIGTERM, signal.SIGINT):
                loop.add_signal_handler(number, stop)
            print(json.dumps({"ready": True, "t": time.monotonic()}), flush=True)
            await load.run()
    print(json.dumps(load.stats.snapshot(phase="done")), flush=True)
    return 2 if load.broken else 1 if load.stats.bound_hit else 0


def main() -> None:
    """Offer until the duration is over or SIGTERM; exit 1 when the bound on payments in flight was hit, 2 without a record."""
    parser = argparse.ArgumentParser(prog="lab.load")
    parser.add_argument("--settings", type=Path, required=True)
    settings = Settings.model_validate_json(parser.parse_args().settings.read_bytes())
    sys.exit(uvloop.run(_main(settings)))


if __name__ == "__main__":
    main()
