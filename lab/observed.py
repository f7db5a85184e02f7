"""What the services of a lab let people see of one fault, read when it is over: the ways of two payments, and what every service counted.

No promise rests on any of it: traces may be lost, and counts begin anew with every process.
"""

import asyncio
from collections.abc import Mapping, Sequence

import aiohttp

from lab.addresses import LOCAL
from lab.cabling import SITES, Door
from lab.errors import LabError
from lab.faults import Active
from lab.fleet import PAYMENTS, SCREENING, VAULT
from lab.laboratory import Laboratory
from lab.record import Line
from lab.service_rates import ServiceRates, added_up
from lab.ways import Ways, ways
from workload.calls.sockets import make_socket

DOORS: Mapping[str, Door] = {PAYMENTS: Door.SERVICE, VAULT: Door.VAULT, SCREENING: Door.SCREENING}
"""Services that somebody asks, and where."""

PATIENCE = aiohttp.ClientTimeout(total=3)


def read_ways(lab: Laboratory, lines: Sequence[Line], fault: Active, until: float) -> Ways:
    """Of a run whose load has ended. `until`: when healing began, on the record's clock."""
    offset = fault.wall.timestamp() - fault.at
    try:
        return ways(lines, lab.collector.spans(), fault_at=fault.at, until=until, wall_offset=offset)
    except LabError as error:
        return Ways(told=0, followed=0, slowest=None, shown=(), lacking=(str(error),))


async def read_rates(lab: Laboratory) -> Mapping[str, ServiceRates]:
    """By service. A process that cannot be asked is named and not waited for."""
    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(socket_factory=make_socket), timeout=PATIENCE) as http:

        async def read(site: str, service: str) -> str | None:
            url = f"https://{LOCAL}:{lab.cabling.direct(site, DOORS[service])}/metrics"
            try:
                async with http.get(url, ssl=lab.papers.towards(site, service)) as answer:
                    return await answer.text() if answer.status == 200 else None
            except (aiohttp.ClientError, OSError, TimeoutError):
                return None

        found: dict[str, ServiceRates] = {}
        for service in DOORS.keys() & set(lab.services):
            told = dict(zip(SITES, await asyncio.gather(*(read(site, service) for site in SITES)), strict=True))
            silent = [site for site, text in told.items() if text is None]
            found[service] = added_up(service, [text for text in told.values() if text is not None], silent)
        return found
