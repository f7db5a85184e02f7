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


def simple(name: str, *values: str, **more: object) -> dict[str, object]:
    """A record set that is no choice among several."""
    return {"Name": name, "Type": "A", "TTL": 5, "ResourceRecords": [{"Value": value} for value in values], **more}


ADDRESS = "192.0.2.9"
REFUSED = {
    "another zone whose name ends alike": lambda at: simple(f"{at}xtrimaran.test", ADDRESS),
    "beside another type": lambda at: simple(f"held.{at}.trimaran.test", "x.trimaran.test", Type="CNAME"),
    "at the apex": lambda at: simple("trimaran.test", "x.trimaran.test", Type="CNAME"),
    "of two values": lambda at: simple(f"x.{at}.trimaran.test", "a.trimaran.test", "b.trimaran.test", Type="CNAME"),
    "twice the same value": lambda at: simple(f"x.{at}.trimaran.test", ADDRESS, ADDRESS),
    "two values of one weight": lambda at: simple(f"x.{at}.trimaran.test", ADDRESS, "192.0.2.8", SetIdentifier="x", Weight=1),
    "beside weights": lambda at: simple(f"{at}-1.trimaran.test", ADDRESS),
    "there already": lambda at: simple(f"held.{at}.trimaran.test", ADDRESS, TTL=6),
}


@pytest.mark.parametrize("wrong", REFUSED)
async def test_the_emulated_api_refuses_records_that_cannot_be(route53: Route53World, wrong: str) -> None:
    """What an adapter or an infrastructure program must not be able to do here, because it cannot do it there."""
    held = simple(f"held.{route53.test}.trimaran.test", "192.0.2.1")
    await route53.change("CREATE", held)
    with pytest.raises(ClientError, match="InvalidChangeBatch"):
        await route53.change("CREATE", REFUSED[wrong](route53.test))
    await route53.change("DELETE", held)


async def test_the_emulated_api_deletes_only_what_is_given_as_it_is(route53: Route53World) -> None:
    """A stale value, TTL or weight deletes nothing: it is how a client finds out that somebody else was there."""
    name = f"gone.{route53.test}.trimaran.test"
    held = simple(name, "192.0.2.1", "192.0.2.2")
    await route53.change("CREATE", simple(name, "192.0.2.7"))
    await route53.change("UPSERT", held)
    for stale in (simple(name, "192.0.2.7"), {**held, "TTL": 6}, simple(name, "192.0.2.1")):
        with pytest.raises(ClientError, match="do not match the current values"):
            await route53.change("DELETE", stale)
    given = (await route53.records(route53.groups[route53.first].names[0]))[f"{route53.first}/aws"]
    with pytest.raises(ClientError, match="do not match the current values"):
        await route53.change("DELETE", {**given, "Weight": given["Weight"] + 1})
    await route53.change("DELETE", held)


async def test_the_emulated_api_puts_one_record_in_the_place_of_another(route53: Route53World) -> None:
    """A deletion and a creation of the same name in one batch, as the vendor's own example has it; twice the same change is none."""
    name = f"swap.{route53.test}.trimaran.test"
    one, other = simple(name, "192.0.2.1"), simple(name, "192.0.2.2")
    await route53.change("CREATE", one)
    swap = [{"Action": "DELETE", "ResourceRecordSet": one}, {"Action": "CREATE", "ResourceRecordSet": other}]
    await asyncio.to_thread(
        lambda: route53.api.change_resource_record_sets(HostedZoneId=route53.zone_id, ChangeBatch={"Changes": swap})  # type: ignore[typeddict-item]
    )
    with pytest.raises(ClientError, match="twice"):
        await route53.change("DELETE", other, other)
    await route53.change("DELETE", other)


async def test_the_emulated_api_has_the_vendors_limits(route53: Route53World) -> None:
    """A thousand records in a batch, of which one that is upserted counts twice, and 32,000 characters of values."""
    many = [simple(f"n{number}.{route53.test}.trimaran.test", ADDRESS) for number in range(501)]
    with pytest.raises(ClientError, match="limit of 1000"):
        await route53.change("UPSERT", *many)
    long = [{**record, "Type": "TXT", "ResourceRecords": [{"Value": f'"{"x" * 248}"'}]} for record in many]
    with pytest.raises(ClientError, match="at most 32000"):
        await route53.change("CREATE", *long[:129])
    await route53.change("CREATE", *long[:128])


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
