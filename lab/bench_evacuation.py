"""How long it takes, and how many calls, until no authority sends anybody to a failed cloud, for 10, 100 and 1,000 services.

The parts that steer are the product's: helms and the adapters on the vendors' SDKs. The clouds' APIs are the lab's emulations, each
turning requests away above the vendor's published rate. That nobody is sent there any more is proved by asking the name servers.
"""

import asyncio
import random
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

from controller.clock import SystemClock
from controller.core.model import Group, Site
from controller.errors import Transient, TrimaranError
from controller.settings_clouds import GroupTable
from controller.settings_tables import NameTable
from controller.steering import Helm
from controller.wiring_clouds import authorities
from lab.addresses import LOCAL
from lab.authorities import Authority, make_records, start_authorities
from lab.clouds.faults import FaultKind, Rule
from lab.errors import LabError
from lab.laboratory import Say
from lab.resolver import UnresolvedError, udp
from lab.site_clouds import authorities as zones
from lab.site_clouds import authorities_table, clouds, clouds_table
from lab.site_settings import ADDRESSES, ZONE
from lab.vendors import AUTHORITIES, AZUREDNS, CLOUDDNS, ROUTE53
from lab.workspace import Workspace
from lab.zones import Steered

SERVICES = (10, 100, 1000)
GROUPS = 8
"""Ways of being placed that all services have between them: an authority is told once for each."""

FAILED = Site("azure")
RATES: Mapping[str, float] = {ROUTE53: 5, AZUREDNS: 10, CLOUDDNS: 5}
"""Requests a second. Route 53: published, per account. Azure Resource Manager: writes refill at 10 a second; its bucket of 200 is taken to
be empty. Cloud DNS publishes no figure that holds for everybody: taken to be as strict as the strictest."""

DEADLINE = timedelta(seconds=60)
PATIENCE = 5.0
"""Seconds after it was told in which an authority's name server must have stopped leading anybody to the failed site."""

ASKED = 60
"""Questions in one look at a name server, about services by chance."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Evacuated:
    """One authority, once it was told."""

    told: float
    """Seconds from the decision until the authority holds the new weights of every group and says so."""
    clean: float | None
    """Seconds from the decision until its name server, asked about services by chance, no longer led anybody to the failed site; None: it
    still did after a while."""
    calls: int
    """Requests that reached its API, turned away or not."""
    groups: int
    refused: Mapping[str, str]


@dataclass(slots=True, kw_only=True)
class Evacuation:
    """Every number of services, with and without the vendors' rates."""

    say: Say
    found: dict[str, dict[str, dict[str, Evacuated]]] = field(default_factory=dict)

    @property
    def name(self) -> str:
        """Its key in the document."""
        return "evacuation"

    async def carry_out(self) -> None:
        """All of it, on fresh clouds each time. Raises LabError when they do not start."""
        for services in SERVICES:
            for label, rates in (("unthrottled", dict[str, float]()), ("throttled", RATES)):
                self.found.setdefault(label, {})[str(services)] = one = await evacuate(services, rates)
                for authority, seen in one.items():
                    clean = "never" if seen.clean is None else f"{seen.clean:.2f} s"
                    self.say(
                        f"{services} services, {label}: {authority} told in {seen.told:.2f} s, clean {clean}, {seen.calls} calls"
                    )

    def figures(self) -> dict[str, Any]:
        """`broken` counts authorities that kept sending somebody to the failed site, or were not told of a group."""
        every = [one for by_number in self.found.values() for by_place in by_number.values() for one in by_place.values()]
        plain = {
            label: {
                number: {
                    place: {"told_s": round(one.told, 3), "clean_s": one.clean, "calls": one.calls, "groups": one.groups}
                    for place, one in found.items()
                }
                for number, found in by_number.items()
            }
            for label, by_number in self.found.items()
        }
        return {**plain, "broken": sum(one.clean is None or bool(one.refused) for one in every)}


async def evacuate(services: int, rates: Mapping[str, float]) -> dict[str, Evacuated]:
    """Found clouds that answer for so many services, then drain one site everywhere at once; by authority. Raises LabError."""
    with Workspace(f"evacuation-{services}") as workspace:
        ports = {place: workspace.port() for place in AUTHORITIES}
        groups = placed(services)
        started = await start_authorities(workspace, ports, {}, ZONE, groups[0])
        try:
            await asyncio.gather(*(_found(authority, groups[1:]) for authority in started.values()))
            return await _drain(started, groups, rates)
        finally:
            await asyncio.gather(*(process.stop() for one in started.values() for process in (one.api, one.nameserver)))


def placed(services: int) -> tuple[Steered, ...]:
    """Groups with their weighted name and the names of the services that alias it."""
    number = min(GROUPS, services)
    names = [f"g{group}.g.{ZONE}" for group in range(number)]
    return tuple(
        Steered(
            group=f"g{group}",
            names={names[group]: 2},
            addresses=ADDRESSES,
            aliases={f"s{service}.{ZONE}": names[group] for service in range(group, services, number)},
        )
        for group in range(number)
    )


async def _found(authority: Authority, groups: Sequence[Steered]) -> None:
    for one in groups:
        await make_records(authority, ZONE, one)


async def _drain(started: Mapping[str, Authority], groups: Sequence[Steered], rates: Mapping[str, float]) -> dict[str, Evacuated]:
    tables = {
        Group(one.group): GroupTable(
            lead="payments",
            names=tuple(NameTable(name=name, ttl=ttl) for name, ttl in one.names.items()),
            addresses=dict(ADDRESSES),
        )
        for one in groups
    }
    papers = started[AZUREDNS].papers
    assert papers is not None, "Azure is spoken to over https"
    reached = clouds_table(clouds({place: one.api_port for place, one in started.items()}, str(papers.authority)))
    named = authorities_table(zones(ZONE, {place: one.zone_id for place, one in started.items()}))
    helms = [Helm(dns, SystemClock()) for dns in authorities(reached, named, tables)]
    # Read once, as every caretaker begins, and nothing more: a survivor that has never steered is who evacuates.
    await asyncio.gather(*(_begin(helm) for helm in helms))
    for place, rate in rates.items():
        await started[place].fail_api(Rule(kind=FaultKind.THROTTLE_ABOVE, rate=rate))
    places = dict(zip(started, helms, strict=True))
    return {place: await _drained(started[place], helm, groups) for place, helm in places.items()}


async def _begin(helm: Helm) -> None:
    """Read until it answers: a vendor's client takes long to make on a machine that has other things to do."""
    async with asyncio.timeout(DEADLINE.total_seconds()):
        while True:
            try:
                await helm.read()
                return
            except Transient:
                await asyncio.sleep(0.2)  # an API that refuses at once is not asked without a pause


async def _drained(authority: Authority, helm: Helm, groups: Sequence[Steered]) -> Evacuated:
    """One after the other, because they would share this machine's processor, which clouds do not."""
    weights = {Site(site): 0.0 if site == FAILED else 1.0 for site in ADDRESSES}
    before, began = sum((await authority.requests()).values()), time.monotonic()
    rudders = [helm.rudder(Group(one.group), urgent=True) for one in groups]
    try:
        reports = await asyncio.gather(*(rudder.steer(weights, DEADLINE) for rudder in rudders))
    except TrimaranError as error:
        raise LabError(f"{authority.vendor.title} could not be told: {error}") from error
    told, calls = time.monotonic() - began, sum((await authority.requests()).values()) - before
    refused = {str(group): why for report in reports for group, why in report.refused.items()}
    if not all(report.in_sync for report in reports):
        refused["in sync"] = "not said in time"
    while astray := await _astray(authority, groups):
        if time.monotonic() - began > told + PATIENCE:
            break
    clean = None if astray else round(time.monotonic() - began, 3)
    return Evacuated(told=told, clean=clean, calls=calls, groups=len(groups), refused=refused)


async def _astray(authority: Authority, groups: Sequence[Steered]) -> int:
    """Answers of its name server that lead to the failed site, or nowhere."""
    ask, chance = udp(LOCAL, authority.dns_port), random.Random(1)
    names = [alias for one in groups for alias in one.aliases]
    lost = 0
    for _ in range(ASKED):
        try:
            answer = await ask(chance.choice(names), 2.0)
        except UnresolvedError:
            lost += 1
        else:
            lost += ADDRESSES[FAILED] in answer.addresses or not answer.addresses
    return lost
