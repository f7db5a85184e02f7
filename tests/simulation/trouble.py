"""Faults carried out on the places of a course, and taken back."""

import asyncio
from collections import Counter
from collections.abc import Callable, Iterable
from datetime import timedelta

from controller.core.model import Mode, Role, Site
from controller.providers.memory.server import Paid
from tests.simulation.faults import PARTS, REQUESTS, WHOLE, Fault
from tests.simulation.places import Places
from tests.simulation.processes import OUTSIDE

Undo = Callable[[], None]

NOISE = 0.3
"""Slowness and loss up to this much of the worst is noise, in which no writer is left."""
HARD = frozenset((*WHOLE, *PARTS)) - {
    "link is slow",
    "link loses",
    "clock jumps",
    "follower lags",
    "edge dies",
    "service dies",
    "schema differs",
}


class Trouble:
    """Everything that is broken at the moment. What two faults break is whole again when both are over."""

    def __init__(self, places: Places) -> None:
        self.places, self._loop = places, asyncio.get_running_loop()
        self._broken: Counter[str] = Counter()
        self._mend: dict[str, Undo] = {}
        self._asked = 0

    async def happen(self, faults: Iterable[Fault]) -> None:
        """All of them, each at its time."""
        for fault in faults:
            await asyncio.sleep(max(0.0, fault.at - self._loop.time()))
            self.begin(fault)

    def begin(self, fault: Fault) -> None:
        """One of them, now; it ends by itself."""
        site, other = self._victim(fault.victim), Site(fault.other)
        if fault.kind in REQUESTS:
            self._ask(fault, site, other)
            return
        self.places.watch.note("fault", f"{fault.kind} at {site} ({other}, {fault.amount})")
        if fault.kind in HARD or fault.amount > NOISE:
            for one in (site, other):
                self.places.hurt[one] = max(self.places.hurt.get(one, 0.0), fault.at + fault.lasts)
        undone = self._break(fault, site, other)
        if undone:
            self._loop.call_later(fault.lasts, self._end, fault.kind, site, undone, context=OUTSIDE)

    def heal(self) -> None:
        """Everything, at once."""
        self.places.watch.note("fault", "everything is healed")
        for mend in list(self._mend.values()):
            mend()
        self._mend.clear()
        self._broken.clear()

    def _victim(self, name: str) -> Site:
        places = self.places
        posture, owner = places.watch.posture, places.owner()
        if posture is None or name not in {"writer", "owner", "follower"}:
            return Site(name) if name in places.sites else places.sites[0]
        if name == "owner":
            return owner or posture.writer
        return posture.writer if name == "writer" else next(site for site in places.sites if site != posture.writer)

    def _end(self, kind: str, site: Site, names: tuple[str, ...]) -> None:
        self.places.watch.note("fault", f"{kind} at {site} is over")
        for name in names:
            self._whole(name)

    def _hurt(self, name: str, hurt: Callable[[], None], mend: Undo) -> tuple[str, ...]:
        self._broken[name] += 1
        if self._broken[name] == 1:
            self._mend[name] = mend
            hurt()
        return (name,)

    def _whole(self, name: str) -> None:
        if self._broken[name] == 0:
            return
        self._broken[name] -= 1
        if self._broken[name] == 0:
            self._mend.pop(name)()

    # ------------------------------------------------------------------------------------------------ kinds

    def _break(self, fault: Fault, site: Site, other: Site) -> tuple[str, ...]:
        match fault.kind:
            case "site dies":
                parts = (self._database, self._edge, self._controller, self._service, self._member)
                return tuple(name for part in parts for name in part(site))
            case "site freezes":
                frozen = (*self._frozen(site, "controller"), *self._frozen(site, "service"))
                return (*frozen, *self._cut((one, site) for one in self.places.sites), *self._alone(site, inward=False))
            case "site is cut off":
                return (*self._alone(site, inward=True), *self._alone(site, inward=False))
            case "site hears nobody":
                return self._alone(site, inward=True)
            case "nobody hears site":
                return self._alone(site, inward=False)
            case "database dies":
                return self._database(site)
            case "database shuts controllers out":
                shut = self.places.world.shut
                return self._hurt(f"shut {site}", lambda: shut.add(site), lambda: shut.discard(site))
            case "edge dies":
                return self._edge(site)
            case "all edges die":
                return tuple(name for one in self.places.sites for name in self._edge(one))
            case "controller dies":
                return self._controller(site)
            case "only one controller is left":
                return tuple(name for one in self.places.sites if one != site for name in self._controller(one))
            case "controller freezes" | "service freezes":
                return self._frozen(site, fault.kind.split()[0])
            case "controller dies soon":
                return self._dies_soon(site, 1 + int(fault.amount * 12))
            case "controller freezes soon":
                places, effects = self.places, 1 + int(fault.amount * 12)
                return self._hurt(
                    f"frozen controller {site}",
                    lambda: places.doom(site, effects, places.freeze_controller),
                    lambda: places.thaw_controller(site),
                )
            case "service dies":
                return self._service(site)
            case "etcd member dies":
                return self._member(site)
            case "etcd majority dies":
                return (*self._member(site), *self._member(next(one for one in self.places.sites if one != site)))
            case _:
                return self._break_more(fault, site, other)

    def _break_more(self, fault: Fault, site: Site, other: Site) -> tuple[str, ...]:
        places = self.places
        match fault.kind:
            case "link is cut":
                return self._cut([(site, other), (other, site)] if site != other else ())
            case "link is cut one way":
                return self._cut([(site, other)])
            case "link is slow" | "link loses":
                return self._bad(site, fault.amount, slow=fault.kind == "link is slow")
            case "follower lags":
                return self._hurt(
                    f"lag {site}",
                    lambda: places.world.lags.update({site: 0.1 + 2 * fault.amount}),
                    lambda: places.world.lags.pop(site, None) and None,
                )
            case "follower stands still":
                return self._hurt(f"still {site}", lambda: places.world.held.add(site), lambda: places.world.held.discard(site))
            case "clock jumps":
                places.jump(site, (fault.amount - 0.5) * 130)
                return ()
            case "in-cloud failover" | "in-cloud failover loses the last transaction":
                self._in_cloud(site, loses="loses" in fault.kind)
                return ()
            case "authority hangs":
                return self._authority("hanging", fault)
            case "authority lies":
                return self._authority("lying", fault)
            case "authority is throttled":
                places.authorities[int(fault.amount * 10) % len(places.authorities)].zone.throttled += 5
                return ()
            case "provider hangs":
                return self._hurt(f"provider {site}", lambda: places.mute.add(site), lambda: places.mute.discard(site))
            case "schema differs":
                server = places.world.servers[site]
                return self._hurt(
                    f"schema {site}", lambda: setattr(server, "schema", "schema-2"), lambda: setattr(server, "schema", "schema-1")
                )
            case _:
                raise AssertionError(fault.kind)

    def _database(self, site: Site) -> tuple[str, ...]:
        world = self.places.world
        return self._hurt(f"database {site}", lambda: world.crash(site), lambda: world.start(site))

    def _edge(self, site: Site) -> tuple[str, ...]:
        edges = self.places.edges
        return self._hurt(f"edge {site}", lambda: edges.update({site: False}), lambda: edges.update({site: True}))

    def _controller(self, site: Site) -> tuple[str, ...]:
        return self._hurt(
            f"controller {site}", lambda: self.places.kill_controller(site), lambda: self.places.begin_controller(site)
        )

    def _service(self, site: Site) -> tuple[str, ...]:
        return self._hurt(f"service {site}", lambda: self.places.kill_till(site), lambda: self.places.begin_till(site))

    def _member(self, site: Site) -> tuple[str, ...]:
        def put(up: bool) -> None:
            self.places.members.up[site] = up
            self.places.members.look()

        return self._hurt(f"member {site}", lambda: put(False), lambda: put(True))

    def _frozen(self, site: Site, what: str) -> tuple[str, ...]:
        def process() -> list[object]:
            return [self.places.controllers[site].process if what == "controller" else self.places.tills[site].process]

        return self._hurt(
            f"frozen {what} {site}",
            lambda: [one.freeze() for one in process()],  # type: ignore[attr-defined,func-returns-value]
            lambda: [one.thaw() for one in process()],  # type: ignore[attr-defined,func-returns-value]
        )

    def _dies_soon(self, site: Site, effects: int) -> tuple[str, ...]:
        """After so many more of its effects; it stays dead until the fault is over."""
        name = f"controller {site}"
        self._broken[name] += 1
        self._mend[name] = lambda: self.places.begin_controller(site)
        if self._broken[name] == 1:
            self.places.doom(site, effects, self.places.kill_controller)
        return (name,)

    def _alone(self, site: Site, *, inward: bool) -> tuple[str, ...]:
        others = [one for one in self.places.sites if one != site]
        return self._cut(((one, site) if inward else (site, one)) for one in others)

    def _cut(self, links: Iterable[tuple[Site, Site]]) -> tuple[str, ...]:
        net, members = self.places.net, self.places.members
        names: list[str] = []
        for source, target in links:

            def hurt(source: Site = source, target: Site = target) -> None:
                net.cut(source, target)
                members.look()

            def mend(source: Site = source, target: Site = target) -> None:
                net.heal(source, target)
                members.look()

            names += self._hurt(f"link {source} {target}", hurt, mend)
        return tuple(names)

    def _bad(self, site: Site, amount: float, *, slow: bool) -> tuple[str, ...]:
        links = [
            link for (source, target), link in self.places.net.links.items() if site in (source, target) and source != target
        ]

        def put(much: float) -> None:
            for link in links:
                if slow:
                    link.jitter = 0.0025 + 0.4 * much
                else:
                    link.loss = 0.4 * much

        return self._hurt(f"{'slow' if slow else 'loss'} {site}", lambda: put(amount), lambda: put(0.0))

    def _in_cloud(self, site: Site, *, loses: bool) -> None:
        """The database is back at once on its standby. What a step of ours left there the standby has; the last payment or marker it may
        lack."""
        server = self.places.world.servers[site]
        last = server.log[-1].rows if len(server.log) > 1 else ()
        there = bool(last) and all(row.key in server.ledger for row in last if isinstance(row, Paid))
        self.places.world.fail_over_in_cloud(site, lose_last=loses and there)
        self.places.watch.changed(site)

    def _authority(self, how: str, fault: Fault) -> tuple[str, ...]:
        number = int(fault.amount * 10) % len(self.places.authorities)
        zone = self.places.authorities[number].zone
        return self._hurt(f"{how} {number}", lambda: setattr(zone, how, True), lambda: setattr(zone, how, False))

    # ------------------------------------------------------------------------------------------------ operators

    def _ask(self, fault: Fault, site: Site, other: Site) -> None:
        arguments: dict[str, str] = {}
        verb = fault.kind
        match verb:
            case "switchover":
                arguments = {"to": other}
                if fault.amount < 0.2:
                    arguments["override"] = "schema,freeze-window"
            case "failover":
                arguments = {"from": site}
                if fault.amount < 0.3:
                    arguments["override"] = "surviving-capacity"
            case "mode":
                arguments = {"mode": str(tuple(Mode)[int(fault.amount * len(Mode))])}
            case "pause" if fault.amount < 0.5:
                until = self.places.controllers[site].process.clock.now() + timedelta(seconds=5)
                arguments = {"until": until.isoformat()}
            case "promote":
                arguments = {"site": "gcp" if fault.amount < 0.7 else other}
            case _:
                pass
        self._asked += 1
        self.places.request(f"wish-{self._asked}", verb, arguments, site)


def writes(places: Places) -> bool:
    """Is somebody in office?"""
    posture = places.watch.posture
    assert posture is not None
    server = places.world.servers[posture.writer]
    return server.up and server.pinned and server.role is Role.WRITER and server.epoch == posture.reign
