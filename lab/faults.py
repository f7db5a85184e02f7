"""What can be done to a lab, and how it is undone. One fault per place at a time."""

import time
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import StrEnum

from lab.authorities import Authority
from lab.cabling import ISSUER, SITES, Cabling
from lab.clouds.faults import FaultKind, Rule
from lab.errors import LabError
from lab.issuer_process import IssuerProcess
from lab.links import ONE_WAY
from lab.site import Site
from lab.vendors import AUTHORITIES, VENDORS

SLOW_DELAY, SLOW_JITTER, SLOW_LOSS = timedelta(milliseconds=75), timedelta(milliseconds=100), 0.02
"""A slow site: 150 ms round trip and up to 200 ms more, 2 % loss."""


class Fault(StrEnum):
    """Everything a lab can be made to suffer."""

    CRASH = "crash"
    """Links cut, then every process of the site stopped and killed: from outside, nothing answers and nothing refuses."""
    FREEZE = "freeze"
    """Every process stopped where it stands; healed, they go on as if no time had passed."""
    PARTITION = "partition"
    """Links cut, everything inside goes on."""
    SLOW = "slow"
    CONTROLLER = "controller"
    """The site's controller killed."""
    ETCD = "etcd"
    """The site's etcd member killed."""
    API_REFUSE = "api-refuse"
    """An authority's API resets every connection; its name servers go on answering."""
    API_HANG = "api-hang"
    API_THROTTLE = "api-throttle"
    API_LOSE_ANSWER = "api-lose-answer"
    """Carried out, and the answer lost."""
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
}


OF_AUTHORITIES = frozenset({*API_FAULTS, Fault.DNS_STALE, Fault.DNS_DOWN, Fault.AUTHORITY_DOWN})
"""Faults of an authority, not of a site."""

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
        links, site, authority = self._cabling, self._sites.get(place), self._authorities.get(place)
        match fault:
            case Fault.CRASH if site:
                await links.isolate(place)
                site.kill()
            case Fault.FREEZE if site:
                site.freeze()
            case Fault.PARTITION:
                await links.isolate(place)
            case Fault.SLOW:
                await links.slow(place, delay=SLOW_DELAY, jitter=SLOW_JITTER, loss=SLOW_LOSS)
            case Fault.CONTROLLER if site and site.controller:
                site.controller.kill()
            case Fault.ETCD if site:
                for process in site.etcd.processes(place):
                    process.kill()
            case Fault.ISSUER_DOWN:
                self._issuer.kill()
            case Fault.DNS_STALE if authority:
                await authority.keep_stale(stale=True)
            case Fault.DNS_DOWN if authority:
                authority.silence()
            case Fault.AUTHORITY_DOWN if authority:
                await authority.fail_api(Rule(kind=FaultKind.HANG))
                authority.silence()
            case _ if authority:
                await authority.fail_api(Rule(kind=API_FAULTS[fault]))
            case _:
                raise LabError(f"there is nothing at {place} that {fault} could happen to")

    async def _heal(self, fault: Fault, place: str) -> None:
        links, site, authority = self._cabling, self._sites.get(place), self._authorities.get(place)
        match fault:
            case Fault.CRASH if site:
                await links.rejoin(place)
                await site.start()
            case Fault.FREEZE if site:
                site.thaw()
            case Fault.PARTITION:
                await links.rejoin(place)
            case Fault.SLOW:
                await links.slow(place, delay=ONE_WAY, jitter=timedelta(0), loss=0)
            case Fault.CONTROLLER if site:
                site.start_controller()
            case Fault.ETCD if site:
                await site.etcd.rejoin(place)
            case Fault.ISSUER_DOWN:
                await self._issuer.start()
            case Fault.DNS_STALE if authority:
                await authority.keep_stale(stale=False)
            case Fault.DNS_DOWN if authority:
                authority.speak()
            case Fault.AUTHORITY_DOWN if authority:
                authority.speak()
                await authority.fail_api()
            case _ if authority:
                await authority.fail_api()
