"""The emulated Azure turns away what the vendor documents it turns away, and publishes what its name servers would answer."""

from pathlib import Path
from typing import Any

import pytest

from lab.clouds.azure import Azure, Settings
from lab.clouds.azure_arm import ArmError, merged, question
from lab.clouds.azure_publication import Publication
from lab.clouds.azure_servers import FAILING
from lab.clouds.zone import Record

PLACE = "/subscriptions/00000000-0000-0000-0000-000000000001/resourceGroups/trimaran/providers"
PROFILE = f"{PLACE}/Microsoft.Network/trafficManagerProfiles/payments-trimaran-test"
ZONE = f"{PLACE}/Microsoft.Network/dnsZones/trimaran.test"
SERVERS = f"{PLACE}/Microsoft.DBforPostgreSQL/flexibleServers"
APP = f"{PLACE}/Microsoft.App/containerApps/screening"
EXTERNAL = "Microsoft.Network/trafficManagerProfiles/externalEndpoints"


class Hand:
    """Time that stands still until a test moves it."""

    def __init__(self) -> None:
        self.at = 0.0

    def __call__(self) -> float:
        return self.at


class Cloud:
    """The emulated Azure without its server."""

    def __init__(self) -> None:
        self.clock = Hand()
        settings = Settings(certificate=Path("none"), key=Path("none"), promotion=10, propagation=0)
        self.azure = Azure(settings, self.clock)

    def ask(self, method: str, path: str, body: dict[str, Any] | None = None, *, effective: bool = True, **headers: str) -> Any:
        """The body of the answer; raises ArmError."""
        given = {name.replace("_", "-"): value for name, value in headers.items()}
        asked = question(method, path, body=body or {}, headers=given, origin="https://127.0.0.1:1")
        return self.azure.carry_out(asked, effective=effective)

    async def zone(self) -> list[Record]:
        """A records as they are answered."""
        news = await self.azure.publication.await_news("trimaran.test", 0, 0)
        assert news is not None
        return [record for record in news.records if record.type not in ("SOA", "NS")]


@pytest.fixture
def cloud() -> Cloud:
    """An empty one, with the zone and the resource group that exist from the start."""
    return Cloud()


def endpoint(name: str, target: str, **properties: Any) -> dict[str, Any]:
    """An external endpoint."""
    return {"name": name, "type": EXTERNAL, "properties": {"target": target, "weight": 10, **properties}}


def profile(*endpoints: dict[str, Any], **properties: Any) -> dict[str, Any]:
    """A good profile, but for what is given."""
    return {
        "location": "global",
        "properties": {
            "trafficRoutingMethod": "Weighted",
            "dnsConfig": {"relativeName": "payments-trimaran-test", "ttl": 2},
            "monitorConfig": {"protocol": "HTTP", "port": 80, "path": "/beacon", "intervalInSeconds": 10, "timeoutInSeconds": 5},
            "endpoints": list(endpoints),
            **properties,
        },
    }


TWO = profile(endpoint("aws", "192.0.2.1"), endpoint("azure", "192.0.2.2"))
MONITOR = TWO["properties"]["monitorConfig"]


@pytest.mark.parametrize(
    "wrong",
    [
        profile(endpoint("aws", "192.0.2.1", weight=0)),
        profile(endpoint("aws", "192.0.2.1", weight=1001)),
        profile(endpoint("aws", "192.0.2.1", weight=1.5)),
        profile(endpoint("aws", "192.0.2.1", endpointStatus="Off")),
        profile(endpoint("aws", "")),
        profile(endpoint("aws", "192.0.2.1"), endpoint("AWS", "192.0.2.2")),
        profile(endpoint("aws", "192.0.2.1"), endpoint("azure", "192.0.2.1")),
        profile({**endpoint("aws", "192.0.2.1"), "type": "Microsoft.Network/trafficManagerProfiles/azureEndpoints"}),
        profile(trafficRoutingMethod="RoundRobin"),
        profile(dnsConfig={"ttl": 2}),
        profile(*(endpoint(f"e{number}", f"198.51.100.{number}") for number in range(201))),
        profile(dnsConfig={"relativeName": "x", "ttl": -1}),
        profile(monitorConfig={**MONITOR, "protocol": "UDP"}),
        profile(monitorConfig={**MONITOR, "path": "beacon"}),
        profile(monitorConfig={**MONITOR, "intervalInSeconds": 20}),
        profile(monitorConfig={**MONITOR, "timeoutInSeconds": 10}),
        profile(monitorConfig={**MONITOR, "toleratedNumberOfFailures": 10}),
        {**TWO, "location": "westeurope"},
    ],
)
def test_a_profile_that_traffic_manager_refuses_is_refused_whole(cloud: Cloud, wrong: dict[str, Any]) -> None:
    """Made or changed: nothing of it is kept."""
    with pytest.raises(ArmError) as refusal:
        cloud.ask("PUT", PROFILE, wrong)
    assert refusal.value.status in (400, 409)
    with pytest.raises(ArmError, match="not found"):
        cloud.ask("GET", PROFILE)
    kept = cloud.ask("PUT", PROFILE, TWO).body
    with pytest.raises(ArmError):
        cloud.ask("PUT", PROFILE, wrong)
    assert cloud.ask("GET", PROFILE).body == kept


def test_profiles_share_one_name_space_and_are_numbered(cloud: Cloud) -> None:
    """A prefix that is another profile's is a conflict; the two hundredth profile is the last, and can still be changed."""
    cloud.ask("PUT", PROFILE, TWO)
    with pytest.raises(ArmError, match="taken") as refusal:
        cloud.ask("PUT", PROFILE + "-2", TWO)
    assert refusal.value.status == 409
    for number in range(1, 200):
        cloud.ask("PUT", f"{PROFILE}-{number}", profile(dnsConfig={"relativeName": f"p{number}", "ttl": 2}))
    with pytest.raises(ArmError, match="at most 200"):
        cloud.ask("PUT", f"{PROFILE}-200", profile(dnsConfig={"relativeName": "p200", "ttl": 2}))
    assert cloud.ask("PUT", PROFILE, TWO).status == 200


def test_ids_are_compared_without_regard_to_case(cloud: Cloud) -> None:
    """The SDK itself writes `trafficmanagerprofiles`."""
    cloud.ask("PUT", PROFILE.lower(), TWO)
    assert cloud.ask("GET", PROFILE.upper()).body["properties"]["dnsConfig"]["ttl"] == 2
    assert len(cloud.ask("GET", PROFILE.rpartition("/")[0]).body["value"]) == 1


def test_an_unknown_place_and_an_unknown_resource_are_told_apart(cloud: Cloud) -> None:
    """404 both, with codes of their own."""
    for path, code in (
        (PROFILE, "ResourceNotFound"),
        (PROFILE.replace("/trimaran/", "/nowhere/"), "ResourceGroupNotFound"),
        (f"{ZONE}x/A/payments", "ParentResourceNotFound"),
        (f"{PLACE}/Microsoft.Nothing/things/one", "InvalidResourceNamespace"),
        ("/elsewhere", "InvalidResourceType"),
    ):
        with pytest.raises(ArmError) as refusal:
            cloud.ask("GET", path)
        assert (refusal.value.status, refusal.value.code) == (404, code)


def test_one_endpoint_can_be_changed_by_itself(cloud: Cloud) -> None:
    """A patch of one endpoint leaves its fellows and the rest of it alone; a bad one is refused."""
    cloud.ask("PUT", PROFILE, TWO)
    cloud.ask("PATCH", f"{PROFILE}/externalEndpoints/AWS", {"properties": {"endpointStatus": "Disabled"}})
    found = {one["name"].lower(): one["properties"] for one in cloud.ask("GET", PROFILE).body["properties"]["endpoints"]}
    assert (found["aws"]["endpointStatus"], found["aws"]["weight"], found["azure"]["endpointStatus"]) == (
        "Disabled",
        10,
        "Enabled",
    )
    with pytest.raises(ArmError):
        cloud.ask("PATCH", f"{PROFILE}/externalEndpoints/azure", {"properties": {"weight": 0}})
    with pytest.raises(ArmError, match="not found"):
        cloud.ask("PATCH", f"{PROFILE}/externalEndpoints/gcp", {"properties": {"weight": 1}})
    assert cloud.ask("PUT", f"{PROFILE}/externalEndpoints/gcp", endpoint("gcp", "192.0.2.3")).status == 201
    assert cloud.ask("DELETE", f"{PROFILE}/externalEndpoints/gcp").status == 200
    assert len(cloud.ask("GET", PROFILE).body["properties"]["endpoints"]) == 2


@pytest.mark.parametrize(
    ("kind", "properties"),
    [
        ("A", {"TTL": 5}),
        ("A", {"TTL": 0, "ARecords": [{"ipv4Address": "192.0.2.1"}]}),
        ("A", {"TTL": 5, "ARecords": [{"ipv4Address": "nonsense"}]}),
        ("A", {"TTL": 5, "targetResource": {"id": PROFILE + "x"}}),
        ("A", {"TTL": 5, "targetResource": {"id": ZONE}}),
        ("A", {"TTL": 5, "targetResource": {"id": PROFILE}, "ARecords": [{"ipv4Address": "192.0.2.1"}]}),
        ("CNAME", {"TTL": 5}),
        ("MX", {"TTL": 5}),
    ],
)
def test_a_record_set_that_azure_dns_refuses_is_refused(cloud: Cloud, kind: str, properties: dict[str, Any]) -> None:
    """Bad values, bad targets, both at once, and types that are not emulated."""
    cloud.ask("PUT", PROFILE, TWO)
    with pytest.raises(ArmError) as refusal:
        cloud.ask("PUT", f"{ZONE}/{kind}/bad", {"properties": properties})
    assert refusal.value.status == 400


def test_a_profile_of_names_is_no_target_of_an_address_record(cloud: Cloud) -> None:
    """Azure answers an A query with an address, and a name is none."""
    cloud.ask("PUT", PROFILE, profile(endpoint("aws", "edge.example.com")))
    with pytest.raises(ArmError, match="IPv4"):
        cloud.ask("PUT", f"{ZONE}/A/payments", {"properties": {"targetResource": {"id": PROFILE}}})


def test_conditions_are_kept(cloud: Cloud) -> None:
    """`If-None-Match: *` over a record, and `If-Match` with an etag that is gone, are 412."""
    path, body = f"{ZONE}/A/one", {"properties": {"TTL": 5, "ARecords": [{"ipv4Address": "192.0.2.1"}]}}
    etag = cloud.ask("PUT", path, body, if_none_match="*").body["etag"]
    with pytest.raises(ArmError) as refusal:
        cloud.ask("PUT", path, body, if_none_match="*")
    assert refusal.value.status == 412
    newer = cloud.ask("PUT", path, body, if_match=etag).body["etag"]
    with pytest.raises(ArmError):
        cloud.ask("PUT", path, body, if_match=etag)
    assert cloud.ask("DELETE", path, if_match=newer).status == 200


async def test_an_alias_is_answered_by_the_profile(cloud: Cloud) -> None:
    """Enabled endpoints only, with their weights, the profile's TTL and what its health check asks; aliases of the alias too."""
    cloud.ask("PUT", PROFILE, TWO)
    cloud.ask("PUT", f"{ZONE}/A/payments", {"properties": {"targetResource": {"id": PROFILE}}})
    cloud.ask("PUT", f"{ZONE}/CNAME/vault", {"properties": {"TTL": 300, "CNAMERecord": {"cname": "payments.trimaran.test"}}})
    cloud.ask("PUT", f"{ZONE}/A/screening", {"properties": {"targetResource": {"id": f"{ZONE}/A/payments"}}})
    cloud.ask("PATCH", f"{PROFILE}/externalEndpoints/azure", {"properties": {"alwaysServe": "Enabled", "weight": 7}})
    answers = await cloud.zone()
    told = {(r.name, r.type, r.ttl, r.values, r.weight, r.health) for r in answers}
    assert told == {
        ("payments.trimaran.test.", "A", 2, ("192.0.2.1",), 10, "/beacon"),
        ("payments.trimaran.test.", "A", 2, ("192.0.2.2",), 7, None),
        ("screening.trimaran.test.", "A", 2, ("192.0.2.1",), 10, "/beacon"),
        ("screening.trimaran.test.", "A", 2, ("192.0.2.2",), 7, None),
        ("vault.trimaran.test.", "CNAME", 300, ("payments.trimaran.test",), None, None),
    }
    cloud.ask("PATCH", f"{PROFILE}/externalEndpoints/aws", {"properties": {"endpointStatus": "Disabled"}})
    assert {record.values for record in await cloud.zone() if record.type == "A"} == {("192.0.2.2",)}
    cloud.ask("PATCH", PROFILE, {"properties": {"profileStatus": "Disabled"}})
    assert [record.type for record in await cloud.zone()] == ["CNAME"]


async def test_a_record_that_is_changed_or_gone_is_answered_so(cloud: Cloud) -> None:
    """What is kept of a record set is kept no longer than the record set."""
    path = f"{ZONE}/A/one"
    for address in ("192.0.2.1", "192.0.2.2"):
        cloud.ask("PUT", path, {"properties": {"TTL": 5, "ARecords": [{"ipv4Address": address}]}})
        assert [record.values for record in await cloud.zone()] == [(address,)]
    cloud.ask("DELETE", path)
    assert await cloud.zone() == []


def test_a_change_without_effect_is_answered_and_not_kept(cloud: Cloud) -> None:
    """The client reads its own weights in the answer, and nobody ever reads them again."""
    cloud.ask("PUT", PROFILE, TWO)
    answer = cloud.ask("PUT", PROFILE, profile(endpoint("aws", "192.0.2.1", weight=999)), effective=False)
    assert answer.body["properties"]["endpoints"][0]["properties"]["weight"] == 999
    assert len(cloud.ask("GET", PROFILE).body["properties"]["endpoints"]) == 2


def found_replica(cloud: Cloud, **tags: str) -> str:
    """A primary and its replica; the path of the latter."""
    cloud.ask("PUT", f"{SERVERS}/primary", {"location": "westeurope"})
    source = {"createMode": "Replica", "sourceServerResourceId": f"{SERVERS}/primary"}
    cloud.ask("PUT", f"{SERVERS}/replica", {"location": "westeurope", "tags": tags, "properties": source})
    return f"{SERVERS}/replica"


PROMOTE = {"properties": {"replica": {"promoteMode": "Standalone", "promoteOption": "Forced"}}}


def follow(cloud: Cloud, answer: Any) -> Any:
    """What the operation says now."""
    link = answer.headers["Azure-AsyncOperation"].removeprefix("https://127.0.0.1:1").partition("?")[0]
    return cloud.ask("GET", link).body


def test_a_promotion_takes_its_time_and_is_done_once(cloud: Cloud) -> None:
    """InProgress and busy until its end, then a server without a source; a second one is refused."""
    replica = found_replica(cloud)
    answer = cloud.ask("PATCH", replica, PROMOTE)
    assert answer.status == 202
    assert follow(cloud, answer)["status"] == "InProgress"
    assert cloud.ask("GET", replica).body["properties"]["replicationRole"] == "AsyncReplica"
    with pytest.raises(ArmError, match="Updating"):
        cloud.ask("PATCH", replica, PROMOTE)
    cloud.clock.at = 11
    assert follow(cloud, answer)["status"] == "Succeeded"
    found = cloud.ask("GET", replica).body["properties"]
    assert (found["replicationRole"], found["state"]) == ("None", "Ready")
    assert "sourceServerResourceId" not in found
    with pytest.raises(ArmError, match="not a read replica"):
        cloud.ask("PATCH", replica, PROMOTE)


@pytest.mark.parametrize(("effective", "status"), [(True, "Failed"), (False, "Succeeded")])
def test_a_promotion_can_fail_and_can_lie(cloud: Cloud, effective: bool, status: str) -> None:
    """Told as failed, or told as done without anything having happened: a replica as before either way."""
    replica = found_replica(cloud, **({FAILING: "no capacity"} if effective else {}))
    answer = cloud.ask("PATCH", replica, PROMOTE, effective=effective)
    cloud.clock.at = 11
    told = follow(cloud, answer)
    assert told["status"] == status
    assert not effective or told["error"]["message"] == "no capacity"
    found = cloud.ask("GET", replica).body["properties"]
    assert (found["replicationRole"], found["state"]) == ("AsyncReplica", "Ready")


def test_a_floor_is_merged_and_checked(cloud: Cloud) -> None:
    """A patch of the scale leaves the containers alone; a floor above the most replicas is refused."""
    template = {"containers": [{"name": "screening"}], "scale": {"minReplicas": 1, "maxReplicas": 5}}
    cloud.ask("PUT", APP, {"location": "westeurope", "properties": {"template": template}})
    assert cloud.ask("PATCH", APP, {"properties": {"template": {"scale": {"minReplicas": 5}}}}).status == 202
    found = cloud.ask("GET", APP).body["properties"]["template"]
    assert found == {"containers": [{"name": "screening"}], "scale": {"minReplicas": 5, "maxReplicas": 5}}
    with pytest.raises(ArmError, match="minReplicas 6"):
        cloud.ask("PATCH", APP, {"properties": {"template": {"scale": {"minReplicas": 6}}}})


@pytest.mark.parametrize(
    ("old", "patch", "new"),
    [
        ({"a": {"b": 1, "c": 2}}, {"a": {"b": 3}}, {"a": {"b": 3, "c": 2}}),
        ({"a": 1}, {"a": None}, {}),
        ({"a": [1, 2]}, {"a": [3]}, {"a": [3]}),
        (None, {"a": 1}, {"a": 1}),
    ],
)
def test_a_merge_patch_is_merged(old: Any, patch: Any, new: Any) -> None:
    """RFC 7386: lists are replaced, null takes away."""
    assert merged(old, patch) == new


async def test_a_change_is_answered_after_its_time() -> None:
    """Before that the name servers answer what was there; each revision is told once, the newest only."""
    clock = Hand()
    publication = Publication(5, clock)
    first, second, third = ((Record(name="a.test.", type="A", ttl=n, values=("192.0.2.1",)),) for n in (1, 2, 3))
    publication.publish("test", first)
    assert await publication.await_news("test", 0, 0) is None
    clock.at = 5
    publication.publish("test", second)
    publication.publish("test", second)
    publication.publish("test", third)
    news = await publication.await_news("test", 0, 0)
    assert news is not None and news.records == first
    clock.at = 10
    news = await publication.await_news("test", news.revision, 0)
    assert news is not None and (news.records, news.revision) == (third, 3)
    assert await publication.await_news("test", news.revision, 0) is None
