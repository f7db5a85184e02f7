"""Every fault of every emulated cloud does what it says to the connection, the answer and the zone, and is over once it is healed.

Asked over plain HTTP and past every adapter: a fault that does nothing would let an adapter's suite pass that proves nothing.
"""

import asyncio
import json
import ssl
import time
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import ExitStack, closing
from dataclasses import dataclass
from http.client import HTTPConnection, HTTPException, HTTPSConnection
from itertools import count
from typing import Any
from urllib.parse import urlsplit

import aiohttp
import pytest

from lab.clouds.control import CloudControl
from lab.clouds.faults import FaultKind, Rule
from tests.contract.azure_worlds import SUBSCRIPTION, emulated_azure
from tests.contract.emulated_aws import emulated_aws
from tests.contract.google_worlds import PROJECT, emulated_google

ARM = f"/subscriptions/{SUBSCRIPTION}/resourceGroups/trimaran/providers/Microsoft.Network/dnsZones/trimaran.test"
SCOPE = "AWS4-HMAC-SHA256 Credential=lab/20260101/us-east-1/route53/aws4_request, SignedHeaders=host, Signature=0"
SHORT = 0.3
"""Seconds."""
SOON = 5.0
"""The same: much longer than any of these APIs takes, much shorter than any request would hang by itself."""
TOLD = 0.5
"""From a change to its answers; the emulated clouds take up to 0.3 here."""
NUMBERS = count(1)
CLOUDS = ("aws", "azure", "gcp")
REFUSED_WITH = {
    FaultKind.THROTTLE: {"aws": (400, "Throttling"), "azure": (429, "TooManyRequests"), "gcp": (429, "rateLimitExceeded")},
    FaultKind.UNAVAILABLE: dict.fromkeys(CLOUDS, (503, "nava")),
    FaultKind.DENY: {"aws": (403, "AccessDenied"), "azure": (403, "AuthorizationFailed"), "gcp": (403, "forbidden")},
    FaultKind.BUSY: {
        "aws": (400, "PriorRequestNotComplete"),
        "azure": (409, "AnotherOperationInProgress"),
        "gcp": (409, "operationInProgress"),
    },
    FaultKind.GARBLE: dict.fromkeys(CLOUDS, (500, "<html>")),
    FaultKind.LIE: dict.fromkeys(CLOUDS, (200, "<html")),
}
"""Status of the answer, and a part of its text."""


class ResetError(Exception):
    """The connection ended without an answer."""


@dataclass(frozen=True)
class Cloud:
    """One emulated cloud, and how one A record is made at it."""

    name: str
    url: str
    control_url: str
    http: aiohttp.ClientSession

    @property
    def control(self) -> CloudControl:
        return CloudControl(self.http, self.control_url)

    async def make(self, host: str, address: str = "192.0.2.9") -> tuple[int, str]:
        """Status and text of the answer; one attempt. Raises ResetError without an answer, and fails the test when that takes long."""
        order = await self._order(f"{host}.trimaran.test.", address)
        return await asyncio.to_thread(self._send, *order)

    def _send(self, method: str, path: str, headers: Mapping[str, str], body: str) -> tuple[int, str]:
        place = urlsplit(self.url).netloc
        tls = ssl._create_unverified_context()
        plain = self.url.startswith("http:")
        connection = HTTPConnection(place, timeout=SOON) if plain else HTTPSConnection(place, timeout=SOON, context=tls)
        with closing(connection):
            try:
                connection.request(method, path, body, dict(headers))
                answer = connection.getresponse()
                return answer.status, answer.read().decode()
            except TimeoutError as error:
                raise AssertionError(f"nothing within {SOON} s") from error
            except (OSError, HTTPException) as error:
                raise ResetError(repr(error)) from error

    async def holds(self, host: str) -> bool:
        """Was the record made? Read as the name servers are told, past the API and its faults, for longer than they take to be told."""
        zone, until = await self.control.zone_id("trimaran.test"), time.monotonic() + TOLD
        while True:
            news = await self.control.zone(zone)
            if news is not None and f"{host}.trimaran.test." in {record.name for record in news.records}:
                return True
            if time.monotonic() > until:
                return False
            await asyncio.sleep(0.02)

    async def _order(self, name: str, address: str) -> tuple[str, str, Mapping[str, str], str]:
        if self.name == "azure":
            properties = {"TTL": 5, "ARecords": [{"ipv4Address": address}]}
            path = f"{ARM}/A/{name.partition('.')[0]}?api-version=2018-05-01"
            return "PUT", path, {"Authorization": "Bearer lab"}, json.dumps({"properties": properties})
        zone = await self.control.zone_id("trimaran.test")
        if self.name == "gcp":
            record = {"name": name, "type": "A", "ttl": 5, "rrdatas": [address]}
            path = f"/dns/v1/projects/{PROJECT}/managedZones/{zone}/changes"
            return "POST", path, {"Authorization": "Bearer lab"}, json.dumps({"additions": [record]})
        fields = f"<Name>{name}</Name><Type>A</Type><TTL>5</TTL>"
        values = f"<ResourceRecords><ResourceRecord><Value>{address}</Value></ResourceRecord></ResourceRecords>"
        change = f"<Change><Action>CREATE</Action><ResourceRecordSet>{fields}{values}</ResourceRecordSet></Change>"
        spelled = f"<ChangeBatch><Changes>{change}</Changes></ChangeBatch>"
        root = "ChangeResourceRecordSetsRequest"
        body = f'<{root} xmlns="https://route53.amazonaws.com/doc/2013-04-01/">{spelled}</{root}>'
        return "POST", f"/2013-04-01/hostedzone/{zone}/rrset", {"Authorization": SCOPE, "Content-Type": "text/xml"}, body


@pytest.fixture(scope="module")
def urls(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Mapping[str, tuple[str, str]]]:
    """Where each cloud and its routes for the lab are."""
    with ExitStack() as stack:
        aws = stack.enter_context(emulated_aws(tmp_path_factory.mktemp("aws")))
        azure = stack.enter_context(emulated_azure(tmp_path_factory.mktemp("azure")))
        gcp = stack.enter_context(emulated_google(tmp_path_factory.mktemp("gcp")))
        yield {"aws": (aws, aws), "azure": (azure.url, azure.control_url), "gcp": (gcp, gcp)}


@pytest.fixture(params=CLOUDS)
async def cloud(urls: Mapping[str, tuple[str, str]], request: pytest.FixtureRequest) -> AsyncIterator[Cloud]:
    """Each in turn; healthy before and after."""
    async with aiohttp.ClientSession() as http:
        made = Cloud(request.param, *urls[request.param], http)
        await made.control.inject([])
        yield made
        await made.control.inject([])


def fresh() -> str:
    """A name nobody has used."""
    return f"fault-{next(NUMBERS)}"


async def healed(cloud: Cloud) -> None:
    """Fails unless the same API carries out and answers what it is asked now."""
    await cloud.control.inject([])
    host = fresh()
    assert (await cloud.make(host))[0] in (200, 201)
    assert await cloud.holds(host)


async def test_delay_holds_the_answer_and_carries_out(cloud: Cloud) -> None:
    """For so long and no longer."""
    await cloud.control.inject([Rule(kind=FaultKind.DELAY, seconds=SHORT)])
    host, began = fresh(), time.monotonic()
    assert (await cloud.make(host))[0] in (200, 201)
    assert SHORT <= time.monotonic() - began < SHORT + SOON / 2
    assert await cloud.holds(host)
    await healed(cloud)


@pytest.mark.parametrize(("kind", "carried_out"), [(FaultKind.REFUSE, False), (FaultKind.LOSE_ANSWER, True)])
async def test_a_reset_is_a_reset(cloud: Cloud, kind: FaultKind, carried_out: bool) -> None:
    """Nothing is answered and nobody waits; only the lost answer's change stands."""
    await cloud.control.inject([Rule(kind=kind)])
    host, began = fresh(), time.monotonic()
    with pytest.raises(ResetError):
        await cloud.make(host)
    assert time.monotonic() - began < SOON / 2
    assert await cloud.holds(host) is carried_out
    await healed(cloud)


async def test_an_answer_that_would_be_a_refusal_is_lost_as_well(cloud: Cloud) -> None:
    """Whoever asks learns nothing at all, or a lost answer would tell what it must hide."""
    assert (await cloud.make(fresh(), "nonsense"))[0] == 400
    await cloud.control.inject([Rule(kind=FaultKind.LOSE_ANSWER)])
    with pytest.raises(ResetError):
        await cloud.make(fresh(), "nonsense")


@pytest.mark.parametrize("delay", [(), (Rule(kind=FaultKind.DELAY, seconds=60),)])
async def test_hang_says_nothing_until_it_is_healed_and_is_dropped_then(cloud: Cloud, delay: tuple[Rule, ...]) -> None:
    """Also behind a delay: nothing that hung may be carried out behind its caller's back, or outlive the fault."""
    await cloud.control.inject([*delay, Rule(kind=FaultKind.HANG)])
    host = fresh()
    asking = asyncio.create_task(cloud.make(host))
    await asyncio.wait([asking], timeout=SHORT)
    assert not asking.done()
    began = time.monotonic()
    await cloud.control.inject([])
    with pytest.raises(ResetError):
        await asking
    assert time.monotonic() - began < SOON / 2
    assert not await cloud.holds(host)
    await healed(cloud)


async def test_no_effect_is_answered_in_the_vendors_words_and_changes_nothing(cloud: Cloud) -> None:
    """The lie that only a later reading finds out."""
    await cloud.control.inject([Rule(kind=FaultKind.NO_EFFECT)])
    host = fresh()
    status, text = await cloud.make(host)
    assert status in (200, 201)
    assert "<html" not in text
    assert not await cloud.holds(host)
    await healed(cloud)


@pytest.mark.parametrize("kind", REFUSED_WITH, ids=str)
async def test_a_refusal_is_worded_as_the_vendor_words_it_and_changes_nothing(cloud: Cloud, kind: FaultKind) -> None:
    """Status and code are what an SDK tells its errors apart by."""
    await cloud.control.inject([Rule(kind=kind)])
    host, (status, part) = fresh(), REFUSED_WITH[kind][cloud.name]
    found, text = await cloud.make(host)
    assert found == status
    assert part in text
    assert not await cloud.holds(host)
    await healed(cloud)


async def test_a_rate_turns_away_what_is_above_it(cloud: Cloud) -> None:
    """Route 53's five a second, of an account: whatever is asked for counts."""
    await cloud.control.inject([Rule(kind=FaultKind.THROTTLE_ABOVE, rate=5)])
    refused = REFUSED_WITH[FaultKind.THROTTLE][cloud.name][0]
    answers: list[Any] = await asyncio.gather(*(cloud.make(fresh()) for _ in range(8)))
    assert sorted(status for status, _ in answers).count(refused) == 3
    await asyncio.sleep(1.05)
    assert (await cloud.make(fresh()))[0] != refused
    await healed(cloud)


async def test_every_kind_of_fault_is_tried_here() -> None:
    """A kind that is added has to be shown to do what it says."""
    shown = {
        FaultKind.DELAY,
        FaultKind.REFUSE,
        FaultKind.LOSE_ANSWER,
        FaultKind.HANG,
        FaultKind.NO_EFFECT,
        FaultKind.THROTTLE_ABOVE,
    }
    assert shown | REFUSED_WITH.keys() == set(FaultKind)
