"""What can be done to a lab, and how it is undone. One fault per place at a time."""

import time
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import StrEnum

from lab import disk, processes
from lab.authorities import Authority
from lab.cabling import ISSUER, SITES, Cabling
from lab.clouds.faults import FaultKind, Rule
from lab.errors import LabError
from lab.fleet import PAYMENTS
from lab.issuer_process import IssuerProcess
from lab.links import ONE_WAY
from lab.processes import Supervised
from lab.site import Site
from lab.vendors import AUTHORITIES, VENDORS

SLOW_DELAY, SLOW_JITTER, SLOW_LOSS = timedelta(milliseconds=75), timedelta(milliseconds=100), 0.02
"""A slow site: 150 ms round trip and up to 200 ms more, 2 % loss."""

LOSS = 0.25
"""A lossy site: so much of what touches it arrives late, as after TCP's retransmissions, and the rest as always."""

SKEW = timedelta(seconds=30)
"""By how much a wrong clock is wrong."""


class Fault(StrEnum):
    """Everything a lab can be made to suffer."""

    CRASH = "crash"
    """Links cut, then every process of the site stopped and killed: from outside, nothing answers and nothing refuses."""
    BLACKOUT = "blackout"
    """A crash in which etcd's member is stopped where it stands and not killed: of two sites at once a wheel's etcd, which can lose data
    when it is killed, would have to be founded anew."""
    FREEZE = "freeze"
    """Every process stopped where it stands; healed, they go on as if no time had passed."""
    PARTITION = "partition"
    """Links cut, everything inside goes on."""
    DEAF = "deaf"
    """Nothing comes in any more, from sites or clients; what the site sends goes out."""
    MUTE = "mute"
    """Nothing goes out any more; what others send comes in."""
    SLOW = "slow"
    LOSS = "loss"
    """A quarter of everything that touches the site is lost once or more; nothing takes longer but for that."""
    DISK_FULL = "disk-full"
    """No file of the site's PostgreSQL can grow any more; see `lab.disk`."""
    POSTGRES = "postgres"
    """The site's PostgreSQL killed; its machine answers, with a refusal."""
    POSTGRES_FREEZE = "postgres-freeze"
    """The site's PostgreSQL stopped where it stands: connections are accepted by the kernel and nothing is answered."""
    PAYMENTS = "payments"
    """The site's payments service killed."""
    EDGE = "edge"
    """The site's HAProxy and the agent beside it killed."""
    CONTROLLER = "controller"
    """The site's controller killed."""
    ETCD = "etcd"
    """The site's etcd member killed."""
    ETCD_MAJORITY = "etcd-majority"
    """The etcd members of this site and of the next one stopped where they stand: there is no majority. Not killed: a wheel's etcd that can
    lose data then would have to be founded anew."""
    CLOCK_AHEAD = "clock-ahead"
    """Controller and payments service start anew with a wall clock that is half a minute ahead; see `lab.skewed`."""
    CLOCK_BEHIND = "clock-behind"
    API_REFUSE = "api-refuse"
    """An authority's API resets every connection; its name servers go on answering."""
    API_HANG = "api-hang"
    API_THROTTLE = "api-throttle"
    API_LOSE_ANSWER = "api-lose-answer"
    """Carried out, and the answer lost."""
    API_NO_EFFECT = "api-no-effect"
    """Answered in the vendor's own words as if it had been carried out, and nothing was."""
    DNS_STALE = "dns-stale"
    """An authority's name servers go on answering what they know; its API says that all is in step."""
    DNS_DOWN = "dns-down"
    """An authority's name servers answer nothing and refuse nothing; its API works."""
    AUTHORITY_DOWN = "authority-down"
    """Both at once: name servers silent, API hanging."""
    ISSUER_DOWN = "issuer-down"
    """The issuer of tokens killed: nobody gets a token, and no service the keys that tokens are checked with."""


API_FAULTS: Mapping[Fault, FaultKind] = {
    Fault.API_REFUSE: FaultKind.REFUSE,
    Fault.API_HANG: FaultKind.HANG,
    Fault.API_THROTTLE: FaultKind.THROTTLE,
    Fault.API_LOSE_ANSWER: FaultKind.LOSE_ANSWER,
    Fault.API_NO_EFFECT: FaultKind.NO_EFFECT,
}


OF_AUTHORITIES = frozenset({*API_FAULTS, Fault.DNS_STALE, Fault.DNS_DOWN, Fault.AUTHORITY_DOWN})
"""Faults of an authority, not of a site."""

SKEWS: Mapping[Fault, timedelta] = {Fault.CLOCK_AHEAD: SKEW, Fault.CLOCK_BEHIND: -SKEW}

PLACES = (*SITES, *AUTHORITIES, ISSUER)


def title_of(place: str) -> str:
    """A place as people know it."""
    return VENDORS[place].title if place in VENDORS else "the issuer of tokens" if place == ISSUER else place


class UnknownTargetError(LabError):
    """No such place or fault; names those that there are."""


class OccupiedError(LabError):
    """The place suffers from a fault already, or from none that could be healed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Active:
    """A fault that was injected and not healed."""

    fault: Fault
    place: str
    at: float
    """Monotonic seconds, as in the clients' record; taken when the fault began to bite."""
    wall: datetime
    """The same moment for people and the journal."""


def places_of(fault: Fault) -> tuple[str, ...]:
    """Where this fault can happen."""
    if fault is Fault.ISSUER_DOWN:
        return (ISSUER,)
    return AUTHORITIES if fault in OF_AUTHORITIES else SITES


def parse(fault: str, place: str | None) -> tuple[Fault, str]:
    """The fault and its place. Raises UnknownTargetError; a fault that can happen at one place only may leave it out."""
    if fault not in set(Fault):
        raise UnknownTargetError(f"there is no fault {fault!r}; there are {', '.join(Fault)}")
    kind = Fault(fault)
    known = places_of(kind)
    if place is None and len(known) == 1:
        return kind, known[0]
    if place not in known:
        raise UnknownTargetError(f"{fault} cannot happen at {place!r}; it can at {', '.join(known)}")
    return kind, place


class Faults:
    """Injects and heals."""

    def __init__(
        self, cabling: Cabling, sites: Mapping[str, Site], authorities: Mapping[str, Authority], issuer: IssuerProcess
    ) -> None:
        """Sites and authorities by place."""
        self._cabling, self._sites, self._authorities, self._issuer = cabling, sites, authorities, issuer
        self.active: dict[str, Active] = {}
        self._busy: set[str] = set()

    def occupies(self, place: str) -> bool:
        """Does this place suffer from a fault, or is one being injected or healed?"""
        return place in self.active or place in self._busy

    async def inject(self, fault: Fault, place: str) -> Active:
        """Let it happen, now. Raises UnknownTargetError, OccupiedError, and LabError when the lab itself cannot do it."""
        parse(fault, place)
        if (present := self.active.get(place)) is not None or place in self._busy:
            suffers = f"suffers from {present.fault} already" if present else "is being changed at this moment"
            raise OccupiedError(f"{place} {suffers}: heal it first")
        self._busy.add(place)
        try:
            begun = Active(fault=fault, place=place, at=time.monotonic(), wall=datetime.now(UTC))
            self.active[place] = begun
            await self._inject(fault, place)
            return begun
        finally:
            self._busy.discard(place)

    async def heal(self, place: str) -> Active:
        """Undo what was done to this place; answers what it was. Returns once its processes run and etcd has caught up.

        Raises UnknownTargetError, OccupiedError when there is nothing to heal, LabError when it cannot be healed; then the
        fault counts as present and healing can be tried again.
        """
        if place not in PLACES:
            raise UnknownTargetError(f"there is no place {place!r}; there are {', '.join(PLACES)}")
        if (present := self.active.get(place)) is None or place in self._busy:
            why = "suffers from nothing" if present is None else "is being changed at this moment"
            raise OccupiedError(f"{place} {why}: there is nothing to heal now")
        self._busy.add(place)
        try:
            await self._heal(present.fault, place)
            del self.active[place]
            return present
        finally:
            self._busy.discard(place)

    async def _inject(self, fault: Fault, place: str) -> None:
        if (site := self._sites.get(place)) is not None:
            await self._hurt(fault, site)
        elif (authority := self._authorities.get(place)) is not None:
            await _hurt_authority(fault, authority)
        else:
            self._issuer.kill()

    async def _heal(self, fault: Fault, place: str) -> None:
        if (site := self._sites.get(place)) is not None:
            await self._mend(fault, site)
        elif (authority := self._authorities.get(place)) is not None:
            await _mend_authority(fault, authority)
        else:
            await self._issuer.start()

    async def _hurt(self, fault: Fault, site: Site) -> None:
        links, place = self._cabling, site.name
        match fault:
            case Fault.CRASH:
                await links.isolate(place)
                site.kill()
            case Fault.BLACKOUT:
                await links.isolate(place)
                site.black_out()
            case Fault.FREEZE:
                site.freeze()
            case Fault.PARTITION:
                await links.isolate(place)
            case Fault.DEAF:
                await links.deafen(place)
            case Fault.MUTE:
                await links.mute(place)
            case Fault.SLOW:
                await links.slow(place, delay=SLOW_DELAY, jitter=SLOW_JITTER, loss=SLOW_LOSS)
            case Fault.LOSS:
                await links.slow(place, delay=ONE_WAY, jitter=timedelta(0), loss=LOSS)
            case Fault.DISK_FULL:
                disk.fill(site.server)
            case Fault.POSTGRES:
                site.server.kill()
            case Fault.POSTGRES_FREEZE:
                site.server.freeze()
            case Fault.PAYMENTS:
                site.running[PAYMENTS].kill()
            case Fault.EDGE:
                processes.kill(*site.edge.processes())
            case Fault.CONTROLLER if site.controller:
                site.controller.kill()
            case Fault.ETCD:
                processes.kill(*site.etcd.processes(place))
            case Fault.ETCD_MAJORITY:
                processes.freeze(*_majority(site))
            case Fault.CLOCK_AHEAD | Fault.CLOCK_BEHIND:
                site.set_clock(SKEWS[fault])
            case _:
                raise LabError(f"there is nothing at {place} that {fault} could happen to")

    async def _mend(self, fault: Fault, site: Site) -> None:
        links, place = self._cabling, site.name
        match fault:
            case Fault.CRASH:
                await links.rejoin(place)
                await site.start()
            case Fault.BLACKOUT:
                await links.rejoin(place)
                site.thaw()
                await site.start()
            case Fault.FREEZE:
                site.thaw()
            case Fault.PARTITION:
                await links.rejoin(place)
            case Fault.DEAF | Fault.MUTE:
                await links.unstop(place)
            case Fault.SLOW | Fault.LOSS:
                await links.slow(place, delay=ONE_WAY, jitter=timedelta(0), loss=0)
            case Fault.DISK_FULL:
                await disk.free(site.server)
            case Fault.POSTGRES:
                await site.server.start()
            case Fault.POSTGRES_FREEZE:
                site.server.thaw()
            case Fault.PAYMENTS:
                site.start_program(PAYMENTS)
            case Fault.EDGE:
                site.edge.start()
            case Fault.CONTROLLER:
                site.start_controller()
            case Fault.ETCD:
                await site.etcd.rejoin(place)
            case Fault.ETCD_MAJORITY:
                processes.thaw(*_majority(site))
            case Fault.CLOCK_AHEAD | Fault.CLOCK_BEHIND:
                site.set_clock(timedelta(0))
            case _:
                raise LabError(f"{fault} of {place} cannot be healed")


def _majority(site: Site) -> tuple[Supervised, ...]:
    """Processes of the etcd members of this site and of the next one."""
    other = SITES[(SITES.index(site.name) + 1) % len(SITES)]
    return (*site.etcd.processes(site.name), *site.etcd.processes(other))


async def _hurt_authority(fault: Fault, authority: Authority) -> None:
    match fault:
        case Fault.DNS_STALE:
            await authority.keep_stale(stale=True)
        case Fault.DNS_DOWN:
            authority.silence()
        case Fault.AUTHORITY_DOWN:
            await authority.fail_api(Rule(kind=FaultKind.HANG))
            authority.silence()
        case _:
            await authority.fail_api(Rule(kind=API_FAULTS[fault]))


async def _mend_authority(fault: Fault, authority: Authority) -> None:
    match fault:
        case Fault.DNS_STALE:
            await authority.keep_stale(stale=False)
        case Fault.DNS_DOWN:
            authority.speak()
        case Fault.AUTHORITY_DOWN:
            authority.speak()
            await authority.fail_api()
        case _:
            await authority.fail_api()
