"""Open-loop load on the vault: cardholders who keep having numbers kept, shown and forgotten, whether anything answers or not.

Run as `python -m lab.vault_load --settings FILE`. Prints one JSON line when errands begin and its last stats as another when it is
over. SIGTERM ends the errands; unsettled ones are attempted until the settle window is over. A second SIGTERM ends those too.
"""

import argparse
import asyncio
import json
import random
import secrets
import signal
import sys
import time
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path

import uvloop

from lab.load_payer import Device, Manners, Reply, Route
from lab.load_schedule import first_share, ignores_ttl
from lab.load_stats import publish
from lab.load_transport import Request as Carried
from lab.load_transport import Transport, transport
from lab.record import Answered, Defect, Enrolled, Habit, Unanswered
from lab.resolver import Answer, Ask, StubResolver, udp
from lab.selection import Authorities
from lab.vault_load_answers import Request
from lab.vault_load_holder import Holder, Send
from lab.vault_load_record import Line, VaultRecord
from lab.vault_load_schedule import Due, errands
from lab.vault_load_settings import Settings
from lab.vault_load_stats import Stats
from lab.vault_load_wallet import Wallet
from lab.vault_load_wishes import Wishes


class Cardholders:
    """One run."""

    def __init__(self, settings: Settings, record: VaultRecord, send: Send, servers: Mapping[str, Ask]) -> None:
        """`servers`: how to ask each authority's name server."""
        self._settings, self._record, self._servers = settings, record, dict(servers)
        self.stats = Stats(time.monotonic)
        self.stop_wanting, self.stop_settling = asyncio.Event(), asyncio.Event()
        self.phase = "offering"
        self.broken = False
        """The record could not be written: the run proves nothing."""
        self._under_way: set[asyncio.Task[None]] = set()
        wallet = Wallet(settings.run, settings.seed, secrets.token_bytes(32), settings.cards)
        self._holder = Holder(
            send=send,
            routes={address: Route(site=r.site, host=r.host, port=r.port) for address, r in settings.routes.items()},
            write=self._write,
            digest=wallet.digest,
            manners=Manners(
                request_deadline=settings.request_deadline,
                first_pause=settings.first_pause,
                longest_pause=settings.longest_pause,
            ),
            monotonic=time.monotonic,
            sleep=asyncio.sleep,
        )
        self._wishes = Wishes(settings, wallet, self._holder, time.monotonic)
        self._devices = [self._device(number) for number in range(settings.devices)]

    async def run(self) -> None:
        """Want, settle, and leave no errand without a last word in the record."""
        reporting = asyncio.create_task(self._report())
        try:
            with suppress(OSError):  # which has ended the run already
                self._enrol()
                await self._want()
                self.phase = "settling"
                self._holder.settle(self._settings.settle)
                await self._settle()
                if self._holder.unasked and self._settings.settle > 0:
                    what = f"{self._holder.unasked} errands were not asked for again after the last one began"
                    self._write(Defect(what=what, t=time.monotonic()))
        finally:
            for task in self._under_way:
                task.cancel()
            await asyncio.gather(*self._under_way, return_exceptions=True)
            reporting.cancel()
            self.phase = "done"
            self._publish()

    def _device(self, number: int) -> Device:
        settings, seed = self._settings, f"{self._settings.seed}/{number}/vault"

        def tell(name: str, authority: str, answer: Answer | None) -> None:
            now = time.monotonic()
            if answer is None:
                self._write(Unanswered(device=number, name=name, authority=authority, t=now))
            else:
                address = next(iter(answer.addresses), None)
                self._write(Answered(device=number, name=name, authority=authority, address=address, ttl=answer.ttl, t=now))

        choose = random.Random(f"{seed}/authority").randrange
        resolver = StubResolver(
            Authorities(self._servers, choose, time.monotonic, tell).ask,
            time.monotonic,
            first_share=first_share(settings.run, settings.seed, number),
            ignores_ttl=ignores_ttl(number, settings.ignoring_ttl),
        )
        name = settings.names[number % len(settings.names)]
        return Device(number=number, name=name, resolver=resolver, chance=random.Random(seed))

    def _enrol(self) -> None:
        for device in self._devices:
            habit = Habit.IGNORES_TTL if ignores_ttl(device.number, self._settings.ignoring_ttl) else Habit.HONEST
            self._write(Enrolled(device=device.number, name=device.name, habit=habit, t=time.monotonic()))

    async def _want(self) -> None:
        began = time.monotonic()
        for due in errands(self._settings.rates):
            if self._settings.duration is not None and due.at >= self._settings.duration:
                return
            late = time.monotonic() - began - due.at
            if late < 0:
                with suppress(TimeoutError):
                    async with asyncio.timeout(-late):
                        await self.stop_wanting.wait()
            if self.stop_wanting.is_set():
                return
            self.stats.latest_offer = max(self.stats.latest_offer, late)
            self._begin(due)

    def _begin(self, due: Due) -> None:
        if len(self._under_way) >= self._settings.max_in_flight:
            if not self.stats.bound_hit:
                what = f"{self._settings.max_in_flight} errands under way: further ones are dropped"
                self._write(Defect(what=what, t=time.monotonic()))
            self.stats.bound_hit += 1
            return
        device = self._devices[due.number % len(self._devices)]
        task = asyncio.create_task(self._wishes.carry(due, device))
        self._under_way.add(task)
        task.add_done_callback(lambda done: self._ended(due, done))

    def _ended(self, due: Due, task: "asyncio.Task[None]") -> None:
        """A cardholder who stumbled before anything was wanted says nothing by itself, and leaves no line."""
        self._under_way.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None and not self.broken:
            self._write(Defect(what=f"{due.errand} {due.number} ended with {error!r}", t=time.monotonic()))

    async def _settle(self) -> None:
        """At most one request longer than the window: no attempt begins after it."""
        stopping = asyncio.create_task(self.stop_settling.wait())
        while self._under_way and not stopping.done():
            await asyncio.wait({*self._under_way, stopping}, return_when=asyncio.FIRST_COMPLETED)
        stopping.cancel()

    def _write(self, line: Line) -> None:
        """Safe first, counted second."""
        try:
            self._record.append(line)
        except OSError as error:
            # Without a record nothing that happens from here on can be proven: the run ends, and says why.
            print(json.dumps({"error": f"the record cannot be written: {error}"}), file=sys.stderr, flush=True)
            self.broken = True
            self.stop_wanting.set()
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


def sending(transport: Transport) -> Send:
    """Requests of cardholders through this transport."""

    async def send(route: Route, request: Request, device: Device, attempt: int, left: float) -> Reply:
        headers = {"Content-Type": "application/json", "Deadline-Ms": str(int(1000 * left)), "Retry-Attempt": str(attempt - 1)}
        if request.key is not None:
            headers["Idempotency-Key"] = request.key
        carried = Carried(
            method=request.method,
            path=request.path,
            host=device.name,
            client=device.number,
            body=request.body,
            headers=headers,
        )
        return await transport.carry(route, carried)

    return send


async def _main(settings: Settings) -> int:
    with VaultRecord(settings.record) as record:
        sites = {route.site for route in settings.routes.values()}
        async with transport(settings.entrance, sites) as carrying:
            servers = {authority: udp("127.0.0.1", port) for authority, port in settings.nameservers.items()}
            run = Cardholders(settings, record, sending(carrying), servers)

            def stop() -> None:
                (run.stop_settling if run.stop_wanting.is_set() else run.stop_wanting).set()

            for number in (signal.SIGTERM, signal.SIGINT):
                asyncio.get_running_loop().add_signal_handler(number, stop)
            print(json.dumps({"ready": True, "t": time.monotonic()}), flush=True)
            await run.run()
    print(json.dumps(run.stats.snapshot(phase="done")), flush=True)
    return 2 if run.broken else 1 if run.stats.bound_hit else 0


def main() -> None:
    """Want until the duration is over or SIGTERM; exit 1 when the bound on errands under way was hit, 2 without a record."""
    parser = argparse.ArgumentParser(prog="lab.vault_load")
    parser.add_argument("--settings", type=Path, required=True)
    settings = Settings.model_validate_json(parser.parse_args().settings.read_bytes())
    sys.exit(uvloop.run(_main(settings)))


if __name__ == "__main__":
    main()
