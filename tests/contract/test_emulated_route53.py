"""What the emulated Route 53 must get right, or the adapter's suites would prove nothing."""

import asyncio
from collections.abc import AsyncIterator, Iterator

import pytest
from botocore.exceptions import ClientError, ParamValidationError

from controller.providers.records import WeightedName
from tests.contract.dns_worlds import ROUTE53, Route53World
from tests.contract.implementation import Started, started


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Started]:
    """The emulated API, shared by the module."""
    with started(tmp_path_factory.mktemp("aws")) as made:
        yield made


@pytest.fixture
async def route53(shared: Started, request: pytest.FixtureRequest) -> AsyncIterator[Route53World]:
    """Records nobody else uses."""
    async with shared.world(ROUTE53, request.node.originalname) as world:
        assert isinstance(world, Route53World)
        yield world


@pytest.mark.parametrize(
    "wrong",
    [{"Weight": 256}, {"Weight": -1}, {"ResourceRecords": [{"Value": "nonsense"}]}, {"TTL": -1}, {"SetIdentifier": "x" * 129}],
)
async def test_the_emulated_api_refuses_what_route53_refuses(route53: Route53World, wrong: dict[str, object]) -> None:
    """A batch with one bad record changes nothing, the good record before it included."""
    name = WeightedName(name=f"new.{route53.test}.trimaran.test", ttl=1)
    good = {"Name": name.absolute, "Type": "A", "SetIdentifier": "good", "Weight": 1, "TTL": 1}
    good["ResourceRecords"] = [{"Value": "192.0.2.9"}]
    with pytest.raises((ClientError, ParamValidationError)):
        await route53.change("UPSERT", good, {**good, "SetIdentifier": "bad", **wrong})
    assert await route53.records(name) == {}


async def test_the_emulated_api_knows_its_own_changes_only(route53: Route53World) -> None:
    """A change that never was is an error, not INSYNC."""
    with pytest.raises(ClientError, match="NoSuchChange"):
        await asyncio.to_thread(lambda: route53.api.get_change(Id="C2682N5HXP0BZ4"))


async def test_the_emulated_api_deletes_one_record_and_not_its_namesakes(route53: Route53World) -> None:
    """The same SetIdentifier under another name is another record."""
    first, second = route53.groups[route53.first].names
    await route53.change("DELETE", (await route53.records(first))[f"{route53.first}/aws"])
    assert len(await route53.records(first)) == 2
    assert len(await route53.records(second)) == 3


async def test_the_emulated_api_publishes_what_a_health_check_asks(route53: Route53World) -> None:
    """The name servers learn which URL decides over a record."""
    name = route53.groups[route53.first].names[0]
    await route53.put(name, f"{route53.first}/aws", 3, "192.0.2.1", HealthCheckId=await route53.health_check())
    await asyncio.sleep(route53.propagation.total_seconds())
    news = await route53.control.zone(route53.zone_id)
    assert news is not None
    asked = {record.set_identifier: record.health for record in news.records if record.name == name.absolute}
    assert asked[f"{route53.first}/aws"] == "http://192.0.2.1/beacon"
    assert asked[f"{route53.first}/gcp"] is None
