"""The three clouds' APIs and their name servers: started together, each a victim of its own, apart from every site."""

import asyncio
import json
import ssl
import time
from collections.abc import Awaitable, Callable, Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import timedelta
from itertools import islice
from pathlib import Path
from typing import Any

import aiohttp

from lab import estate, keys
from lab.addresses import LOCAL
from lab.clouds.certificates import Papers, mint
from lab.clouds.control import CloudControl
from lab.clouds.faults import Rule
from lab.errors import LabError
from lab.processes import Supervised, launch_module
from lab.resolver import UnresolvedError, udp
from lab.vendors import AZUREDNS, ROUTE53, VENDORS, Vendor
from lab.workspace import Workspace
from lab.zones import MOST_CHANGES, Order, Steered, for_azure, for_clouddns, for_route53, health_check
from workload.calls.sockets import make_socket

STARTED = timedelta(seconds=30)
"""moto takes seconds to import on a busy machine."""

CREDENTIALS: Mapping[str, str] = {
    "AWS_ACCESS_KEY_ID": "lab",
    "AWS_SECRET_ACCESS_KEY": "lab",
    "AWS_CONFIG_FILE": "/dev/null",
    "AWS_SHARED_CREDENTIALS_FILE": "/dev/null",
    "AWS_EC2_METADATA_DISABLED": "true",
}
"""What the emulated API takes from anybody. Nobody's real account may be reached from a lab, so real ones are shadowed."""
BEARER = {"Authorization": "Bearer lab"}
"""The same for the other two."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Authority:
    """One cloud's API and its name server, and how the lab steers them."""

    vendor: Vendor
    api: Supervised
    nameserver: Supervised
    zone_id: str
    """As the cloud names the zone."""
    api_port: int
    control_port: int
    """Of the API's own routes for the lab, over http."""
    dns_port: int
    """UDP and TCP. Clients ask it directly: the links carry TCP only, and a stub resolver asks over UDP."""
    nameserver_port: int
    """Of the name server's routes for the lab."""
    papers: Papers | None
    """Who vouches for an API that is spoken to over https."""

    async def fail_api(self, *rules: Rule) -> None:
        """Have the API fail like this from now on; none heals it. Raises LabError when the API's process does not answer."""
        await _steered(lambda http: CloudControl(http, url(self.control_port)).inject(rules))

    async def keep_stale(self, *, stale: bool) -> None:
        """Have the name server ignore news of the zone; its health checks go on. Raises LabError when it does not answer."""

        async def put(http: aiohttp.ClientSession) -> None:
            async with http.put(f"{url(self.nameserver_port)}/stale", json=stale) as answer:
                answer.raise_for_status()

        await _steered(put)

    def silence(self) -> None:
        """Have the name server answer nothing, and refuse nothing. Raises LabError when it cannot be stopped."""
        self.nameserver.freeze()

    def speak(self) -> None:
        """Undo `silence`."""
        self.nameserver.thaw()

    async def requests(self) -> dict[str, int]:
        """How many requests the API has received, by operation."""
        async with aiohttp.ClientSession() as http:
            return await CloudControl(http, url(self.control_port)).requests()


def url(port: int) -> str:
    """Where something of the lab listens."""
    return f"http://{LOCAL}:{port}"


async def start_authorities(
    workspace: Workspace, api_ports: Mapping[str, int], routes: Mapping[str, Mapping[str, object]], zone: str, steered: Steered
) -> Mapping[str, Authority]:
    """Start all of them and put the records into the zone, as the infrastructure program does in the clouds; by place.

    `api_ports`: where each API listens. `routes`: where the internet takes an address, for health checks.
    """
    started = await asyncio.gather(
        *(_start(workspace, VENDORS[place], port, routes, zone, steered) for place, port in api_ports.items())
    )
    return {authority.vendor.place: authority for authority in started}


async def _start(
    workspace: Workspace, vendor: Vendor, api_port: int, routes: Mapping[str, Mapping[str, object]], zone: str, steered: Steered
) -> Authority:
    place, label = workspace.directory("settings", vendor.place), f"api-{vendor.place}"
    control_port, dns_port, nameserver_port = workspace.port() if vendor.secure else api_port, workspace.port(), workspace.port()
    papers = mint(place) if vendor.secure else None
    wanted: dict[str, object] = {"port": api_port, "zones": [zone]}
    if vendor.place in (ROUTE53, AZUREDNS):
        wanted["promotion"] = estate.PROMOTION
    if papers is not None:
        wanted |= {"control_port": control_port, "certificate": str(papers.certificate), "key": str(papers.key)}
    (place / "api.json").write_text(json.dumps(wanted))
    ports = {"port": dns_port, "control_port": nameserver_port}
    served = {"zone": zone, "authority": vendor.place, "api": url(control_port), "routes": routes, **ports}
    (place / "nameserver.json").write_text(json.dumps(served))
    api = launch_module(workspace, label, f"lab.clouds.{vendor.cloud}", "--settings", place / "api.json")
    nameserver = launch_module(workspace, f"nameserver-{vendor.place}", "lab.nameserver", "--settings", place / "nameserver.json")
    await asyncio.gather(await_ready(api), await_ready(nameserver))
    async with aiohttp.ClientSession() as http:
        zone_id = await CloudControl(http, url(control_port)).zone_id(zone)
    authority = Authority(
        vendor=vendor,
        api=api,
        nameserver=nameserver,
        zone_id=zone_id,
        api_port=api_port,
        control_port=control_port,
        dns_port=dns_port,
        nameserver_port=nameserver_port,
        papers=papers,
    )
    async with asyncio.timeout(STARTED.total_seconds()):
        await make_records(authority, zone, steered)
        await _await_answers(authority, [*steered.names, *list(steered.aliases)[-1:]])
    return authority


async def _await_answers(authority: Authority, names: Iterable[str]) -> None:
    """A client that asks before a record is published keeps the answer that there is none, for minutes."""
    ask = udp(LOCAL, authority.dns_port)
    for name in names:
        while True:
            with suppress(UnresolvedError):
                if (await ask(name, 1.0)).addresses:
                    break
            await asyncio.sleep(0.02)


async def make_records(authority: Authority, zone: str, steered: Steered) -> None:
    """Equal weights for every site of one group, by ordinary calls. Raises LabError when the API turns one away."""
    if authority.vendor.place == ROUTE53:
        await asyncio.to_thread(_make_route53_records, authority, steered)
    elif authority.vendor.place == AZUREDNS:
        await carry_out(authority, for_azure(zone, steered))
    else:
        await carry_out(authority, for_clouddns(authority.zone_id, steered))


async def provide(authority: Authority) -> None:
    """Have the services' instances and managed servers in this cloud, and the key that wraps the vault's data keys. Raises LabError when
    the API turns a call away."""
    match authority.vendor.place:
        case place if place == ROUTE53:
            await asyncio.to_thread(_provide_aws, authority)
        case place if place == AZUREDNS:
            await carry_out(authority, [*estate.for_azure(), *keys.for_azure()])
        case _:
            await carry_out(authority, [*estate.for_google(), *keys.for_google()])


def _provide_aws(authority: Authority) -> None:
    clients = {api: aws_client(api, authority) for api in ("ecs", "rds")}
    for api, operation, parameters in estate.for_aws():
        getattr(clients[api], operation)(**parameters)
    keys.found_aws(aws_client("kms", authority))


async def carry_out(authority: Authority, orders: Iterable[Order]) -> None:
    """One request after the other, to an API that is spoken to in JSON. Raises LabError when it turns one away."""
    papers = authority.papers
    tls = ssl.create_default_context(cafile=papers.authority) if papers else True
    connector = aiohttp.TCPConnector(ssl=tls, socket_factory=make_socket)
    base = f"{'https' if papers else 'http'}://{LOCAL}:{authority.api_port}"
    async with aiohttp.ClientSession(base, headers=BEARER, connector=connector) as http:
        for order in orders:
            async with http.request(order.method, order.path, json=order.body) as answer:
                if answer.status >= 300:
                    raise LabError(f"{order.method} {order.path}: {answer.status} {(await answer.text())[:300]}")


def aws_client(api: str, authority: Authority) -> Any:
    """The vendor's own, past every link."""
    import boto3  # not at the top: it takes a sixth of a second that a `lab status` does not owe

    session = boto3.session.Session(
        aws_access_key_id=CREDENTIALS["AWS_ACCESS_KEY_ID"],
        aws_secret_access_key=CREDENTIALS["AWS_SECRET_ACCESS_KEY"],
        region_name="us-east-1",
    )
    return session.client(api, endpoint_url=url(authority.api_port))  # type: ignore[call-overload]


def _make_route53_records(authority: Authority, steered: Steered) -> None:
    client = aws_client("route53", authority)
    checks = {
        site: client.create_health_check(CallerReference=f"{steered.group}/{site}", HealthCheckConfig=health_check(address))
        for site, address in steered.addresses.items()
    }
    ids = {site: made["HealthCheck"]["Id"] for site, made in checks.items()}
    records = for_route53(authority.zone_id, steered, ids)
    while some := list(islice(records, MOST_CHANGES)):
        changes = [{"Action": "CREATE", "ResourceRecordSet": record} for record in some]
        client.change_resource_record_sets(HostedZoneId=authority.zone_id, ChangeBatch={"Changes": changes})


async def await_ready(process: Supervised, deadline: timedelta = STARTED) -> dict[str, Any]:
    """The JSON line with `ready` that a process prints once it can be asked. Raises LabError with its log."""
    until = time.monotonic() + deadline.total_seconds()
    while time.monotonic() < until and process.alive:
        if line := _ready_line(process.log):
            return line
        await asyncio.sleep(0.02)
    raise LabError(f"{process.label} did not start: {process.tail(5)}")


def _ready_line(log: Path) -> dict[str, Any] | None:
    for text in log.read_text(errors="replace").splitlines():
        with suppress(ValueError):
            line = json.loads(text)
            if isinstance(line, dict) and line.get("ready"):
                return line
    return None


async def _steered(act: Callable[[aiohttp.ClientSession], Awaitable[None]]) -> None:
    timeout = aiohttp.ClientTimeout(total=5)
    try:
        async with aiohttp.ClientSession(timeout=timeout) as http:
            await act(http)
    except (aiohttp.ClientError, TimeoutError) as error:
        raise LabError(f"the emulated API or its name server does not answer: {error!r}") from error
