"""The emulated AWS API and the zone's name server: started together, victims of their own, apart from every site."""

import asyncio
import json
import time
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

import aiohttp

from lab.addresses import LOCAL
from lab.clouds.control import AwsControl
from lab.clouds.faults import FaultKind, Rule
from lab.errors import LabError
from lab.processes import Supervised, launch_module
from lab.site_settings import ADDRESSES, NAMES, SERVICE, ZONE
from lab.workspace import Workspace

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


@dataclass(frozen=True, slots=True, kw_only=True)
class Authority:
    """Both processes and how the lab steers them."""

    api: Supervised
    nameserver: Supervised
    zone_id: str
    api_port: int
    dns_port: int
    """UDP and TCP. Clients ask it directly: the links carry TCP only, and a stub resolver asks over UDP."""
    control_port: int

    async def fail_api(self, *kinds: FaultKind) -> None:
        """Have the API fail like this from now on; none heals it. Raises LabError when the API's process does not answer."""
        await _steered(lambda http: AwsControl(http, _url(self.api_port)).inject([Rule(kind=kind) for kind in kinds]))

    async def keep_stale(self, *, stale: bool) -> None:
        """Have the name server ignore news of the zone. Raises LabError when it does not answer."""

        async def put(http: aiohttp.ClientSession) -> None:
            async with http.put(f"{_url(self.control_port)}/stale", json=stale) as answer:
                answer.raise_for_status()

        await _steered(put)

    async def requests(self) -> dict[str, int]:
        """How many requests the API has received, by operation."""
        async with aiohttp.ClientSession() as http:
            return await AwsControl(http, _url(self.api_port)).requests()


async def start_authority(workspace: Workspace, api_port: int) -> Authority:
    """Start both and put the service's records into the zone, as the infrastructure program does in the clouds."""
    place = workspace.directory("settings")
    (place / "aws.json").write_text(json.dumps({"port": api_port, "zones": [ZONE]}))
    dns_port, control_port = workspace.port(), workspace.port()
    wanted = {"zone": ZONE, "api": _url(api_port), "port": dns_port, "control_port": control_port}
    (place / "nameserver.json").write_text(json.dumps(wanted))
    api = launch_module(workspace, "aws-api", "lab.clouds.aws", "--settings", place / "aws.json")
    nameserver = launch_module(workspace, "nameserver", "lab.nameserver", "--settings", place / "nameserver.json")
    await asyncio.gather(await_ready(api), await_ready(nameserver))
    async with aiohttp.ClientSession() as http:
        zone_id = await AwsControl(http, _url(api_port)).zone_id(ZONE)
    await _make_records(zone_id, api_port)
    return Authority(
        api=api,
        nameserver=nameserver,
        zone_id=zone_id,
        api_port=api_port,
        dns_port=dns_port,
        control_port=control_port,
    )


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


async def _make_records(zone_id: str, api_port: int) -> None:
    """Equal weights for every site, by plain SDK calls in a thread."""

    def make() -> None:
        import boto3  # not at the top: it takes a sixth of a second that a `lab status` does not owe

        session = boto3.session.Session(
            aws_access_key_id=CREDENTIALS["AWS_ACCESS_KEY_ID"],
            aws_secret_access_key=CREDENTIALS["AWS_SECRET_ACCESS_KEY"],
            region_name="us-east-1",
        )
        records: list[Any] = [
            {
                "Name": name,
                "Type": "A",
                "SetIdentifier": f"{SERVICE}/{site}",
                "Weight": 80,
                "TTL": ttl,
                "ResourceRecords": [{"Value": address}],
            }
            for name, ttl in NAMES.items()
            for site, address in ADDRESSES.items()
        ]
        session.client("route53", endpoint_url=_url(api_port)).change_resource_record_sets(
            HostedZoneId=zone_id,
            ChangeBatch={"Changes": [{"Action": "CREATE", "ResourceRecordSet": record} for record in records]},
        )

    async with asyncio.timeout(STARTED.total_seconds()):
        await asyncio.to_thread(make)


async def _steered(act: Any) -> None:
    timeout = aiohttp.ClientTimeout(total=5)
    try:
        async with aiohttp.ClientSession(timeout=timeout) as http:
            await act(http)
    except (aiohttp.ClientError, TimeoutError) as error:
        raise LabError(f"the emulated API or its name server does not answer: {error!r}") from error


def _url(port: int) -> str:
    return f"http://{LOCAL}:{port}"
