"""Three authorities, one zone: the same records, the same name servers, and health checks on the beacon."""

from ipaddress import IPv4Address

import pytest

from infra.components.edge.zone import absolute
from tests.infra import zones
from tests.infra.golden import counted, kept
from tests.infra.recording import record
from tests.infra.sites import ADDRESSES, DOMAINS, GROUP, on_sites, published

STACKS = ("dev-edge", "prod-edge")

KEPT = {
    "aws:route53/healthCheck:HealthCheck",
    "aws:route53/zone:Zone",
    "azure-native:authorization:ManagementLockByScope",
    "azure-native:dns:Zone",
    "azure-native:resources:Deployment",
    "azure-native:trafficmanager:Endpoint",
    "azure-native:trafficmanager:Profile",
    "gcp:compute/healthCheck:HealthCheck",
    "gcp:dns/managedZone:ManagedZone",
}
"""What the answer to everybody's question hangs on."""


def domain(stack: str) -> str:
    """The zone's name."""
    return DOMAINS[stack.partition("-")[0]]


@pytest.mark.parametrize("stack", STACKS)
def test_what_a_stack_has_is_what_the_repository_says(stack: str) -> None:
    """Counted by type."""
    assert counted(on_sites(stack)) == kept(stack)


@pytest.mark.parametrize("stack", STACKS)
def test_all_three_authorities_serve_the_same_zone(stack: str) -> None:
    """A resolver asks any: what is missing at one is missing for a third of all payers, and only now and then."""
    recording = on_sites(stack)
    served = zones.route53(recording)
    assert served == zones.azure(recording) == zones.clouddns(recording)
    name = f"{domain(stack)}."
    assert served[f"everywhere.{name}", "A"] == (10, frozenset(ADDRESSES.values()))
    for door in ("api", "vault"):
        assert served[f"{door}.{name}", "CNAME"] == (300, frozenset({f"everywhere.{name}"}))
    proofs = {key for key in served if key[0].startswith("_")}
    assert len(proofs) == 2 and len(served) == 2 + 3 + 1
    assert served[f"_acme-challenge_x.vault.{name}", "CNAME"] == (300, frozenset({"c1.authorize.certificatemanager.goog."}))


@pytest.mark.parametrize("stack", STACKS)
def test_every_apex_names_the_name_servers_of_all(stack: str) -> None:
    """A resolver that believes the apex would ask one authority alone, and be without an answer when that one is down."""
    recording = on_sites(stack)
    servers = {
        server.rstrip(".") + "."
        for token in ("aws:route53/zone:Zone", "azure-native:dns:Zone", "gcp:dns/managedZone:ManagedZone")
        for zone in recording.of_type(token)
        for server in zone.outputs["nameServers"]
    }
    assert len(servers) == 12 and set(recording.outputs["nameservers"]) == servers
    for served in (zones.route53(recording), zones.azure(recording), zones.clouddns(recording)):
        assert served[f"{domain(stack)}.", "NS"] == (3600, frozenset(servers))
    overwriting = [one for one in recording.of_type("aws:route53/record:Record") if one.inputs.get("allowOverwrite")]
    assert [one.inputs["type"] for one in overwriting] == ["NS"]


@pytest.mark.parametrize("stack", STACKS)
def test_health_checks_ask_every_sites_beacon_over_tls(stack: str) -> None:
    """By the name that the site has a certificate for, on its own address and not by DNS, which would lead to any site."""
    recording, asked_by = on_sites(stack), f"api.{domain(stack)}"
    checks = recording.of_type("aws:route53/healthCheck:HealthCheck")
    assert {one.inputs["ipAddress"] for one in checks} == set(ADDRESSES.values())
    for one in checks:
        asked = one.inputs
        assert (asked["type"], asked["port"], asked["resourcePath"], asked["fqdn"]) == ("HTTPS", 443, "/beacon", asked_by)
        assert asked["enableSni"] is True and (asked["requestInterval"], asked["failureThreshold"]) == (10, 3)
    (profile,) = recording.of_type("azure-native:trafficmanager:Profile")
    monitored = profile.inputs["monitorConfig"]
    assert (monitored["protocol"], monitored["port"], monitored["path"]) == ("HTTPS", 443, "/beacon")
    assert monitored["customHeaders"] == [{"name": "Host", "value": asked_by}]
    assert (monitored["intervalInSeconds"], monitored["toleratedNumberOfFailures"]) == (10, 2)
    (check,) = recording.of_type("gcp:compute/healthCheck:HealthCheck")
    assert check.inputs["httpsHealthCheck"] == {
        "host": asked_by,
        "port": 443,
        "portSpecification": "USE_FIXED_PORT",
        "requestPath": "/beacon",
    }
    assert check.inputs["checkIntervalSec"] >= 30


@pytest.mark.parametrize("stack", STACKS)
def test_each_site_is_answered_only_while_its_own_check_says_so(stack: str) -> None:
    """One check for all would answer a dead site as long as another one lives."""
    recording = on_sites(stack)
    checks = {f"{one.name}-id": one.inputs["ipAddress"] for one in recording.of_type("aws:route53/healthCheck:HealthCheck")}
    weighted = [one.inputs for one in recording.of_type("aws:route53/record:Record") if "setIdentifier" in one.inputs]
    assert [checks[one["healthCheckId"]] for one in weighted] == [one["records"][0] for one in weighted] and len(weighted) == 3
    (policy,) = (
        one.inputs["routingPolicy"] for one in recording.of_type("gcp:dns/recordSet:RecordSet") if "routingPolicy" in one.inputs
    )
    (check,) = recording.of_type("gcp:compute/healthCheck:HealthCheck")
    assert policy["healthCheck"] == f"{check.name}-id"
    for endpoint in recording.of_type("azure-native:trafficmanager:Endpoint"):
        assert endpoint.inputs["endpointType"] == "ExternalEndpoints" and "alwaysServe" not in endpoint.inputs
        assert endpoint.inputs["target"] == str(IPv4Address(endpoint.inputs["target"])), "an alias takes addresses alone"


@pytest.mark.parametrize(
    ("given", "regions"),
    [
        ({}, ["europe-west1", "europe-west4", "europe-north1"]),
        (
            {"gcp": "europe-north1", "azure": "germanywestcentral", "aws": "eu-west-1"},
            ["europe-west1", "europe-west4", "europe-west9"],
        ),
        (
            {"aws": "us-east-1", "azure": "southcentralus", "gcp": "us-west1", "jurisdiction": "US"},
            ["us-east1", "us-central1", "us-west2"],
        ),
    ],
)
def test_google_asks_from_three_regions_that_are_not_the_sites_own(given: dict[str, str], regions: list[str]) -> None:
    """Of the same law."""
    usual = {"aws": "eu-central-1", "azure": "swedencentral", "gcp": "europe-southwest1", "jurisdiction": "EU", "least_km": 1000}
    recording = record("prod-edge", stacks=published("prod", DOMAINS["prod"]), topology={**usual, **given})
    (check,) = recording.of_type("gcp:compute/healthCheck:HealthCheck")
    assert check.inputs["sourceRegions"] == regions


@pytest.mark.parametrize("stack", STACKS)
def test_weights_belong_to_the_controllers_and_nothing_else_does(stack: str) -> None:
    """An update in the middle of an outage would lead payers back to the dead site."""
    ignored = {one.name: set(one.ignore_changes) for one in on_sites(stack).resources if one.ignore_changes}
    sites = tuple(ADDRESSES)
    assert ignored == {
        **{f"edge-route53-weighted-{site}": {"weightedRoutingPolicies"} for site in sites},
        **{f"edge-azure-weighted-{site}": {"weight", "endpointStatus"} for site in sites},
        "edge-azure-weighted": {"endpoints"},
        "edge-clouddns-weighted": {"routingPolicy"},
    }


@pytest.mark.parametrize("stack", STACKS)
def test_whatever_the_answer_hangs_on_is_protected(stack: str) -> None:
    """Zones, the weighted name, its checks, the name servers. Aliases and proofs come and go with the sites."""
    recording = on_sites(stack)
    assert all(one.protect for one in recording.resources if one.type in KEPT)
    named = {one.name for one in recording.resources if one.protect and one.type not in KEPT}
    assert named == {
        *(f"edge-route53-weighted-{site}" for site in ADDRESSES),
        "edge-route53-nameservers",
        "edge-azure-weighted-name",
        "edge-clouddns-weighted",
        "edge-clouddns-nameservers",
    }


@pytest.mark.parametrize("stack", STACKS)
def test_zones_cannot_be_removed_by_mistake_at_the_vendors_either(stack: str) -> None:
    """Protection in Pulumi's state is one option away from being ignored."""
    recording = on_sites(stack)
    (hosted,) = recording.of_type("aws:route53/zone:Zone")
    (zone,) = recording.of_type("azure-native:dns:Zone")
    (lock,) = recording.of_type("azure-native:authorization:ManagementLockByScope")
    (managed,) = recording.of_type("gcp:dns/managedZone:ManagedZone")
    assert hosted.inputs["forceDestroy"] is False and hosted.inputs["enableAcceleratedRecovery"] is True
    assert lock.inputs["level"] == "CanNotDelete" and lock.inputs["scope"].endswith(f"/dnsZones/{zone.inputs['zoneName']}")
    assert managed.inputs["forceDestroy"] is False and managed.inputs["deletionPolicy"] == "PREVENT"
    assert {hosted.inputs["name"], zone.inputs["zoneName"], managed.inputs["dnsName"].rstrip(".")} == {domain(stack)}


def test_a_new_proof_stands_at_all_three_and_moves_nothing_else() -> None:
    """A site that adds a name asks for one more."""
    name = DOMAINS["prod"]
    more = [
        {"name": f"_new.{name}", "type": "CNAME", "value": "proof.example.net"},
        {"name": f"_newer.{name}", "type": "TXT", "value": "proof"},
    ]
    before, after = on_sites("prod-edge"), record("prod-edge", stacks=published("prod", name, gcp={"certificate_records": more}))
    known, added = {one.urn for one in before.resources}, {one.name for one in after.resources if "_new" in one.name}
    wanted = ("_new-cname", "_newer-txt")
    assert added == {f"edge-{where}-{one}" for where in ("route53", "azure", "clouddns") for one in wanted}
    assert zones.route53(after)[f"_newer.{name}.", "TXT"] == (300, frozenset({"proof"}))
    gone = known - {one.urn for one in after.resources}
    assert len(gone) == 6 and all("_acme-challenge" in urn for urn in gone)
    assert zones.route53(after) == zones.azure(after) == zones.clouddns(after)


def test_a_proof_that_cannot_stand_ends_the_program() -> None:
    """By its name."""
    wrong = [{"name": "_a.other.example", "type": "CNAME", "value": "x.example.net"}]
    with pytest.raises(AssertionError, match=r"_a\.other\.example is not in pay\.example\.com"):
        record("prod-edge", stacks=published("prod", DOMAINS["prod"], aws={"certificate_records": wrong}))


@pytest.mark.parametrize("stack", STACKS)
def test_what_is_published_is_what_was_made(stack: str) -> None:
    """The controllers' settings are written from it."""
    recording = on_sites(stack)
    told = recording.outputs
    (hosted,) = recording.of_type("aws:route53/zone:Zone")
    (zone,) = recording.of_type("azure-native:dns:Zone")
    (managed,) = recording.of_type("gcp:dns/managedZone:ManagedZone")
    assert told["route53_zone"] == hosted.outputs["zoneId"] and told["clouddns_zone"] == managed.inputs["name"]
    assert told["azure_zone"] == zone.inputs["zoneName"] and told["azure_zone_id"].endswith(f"/dnsZones/{domain(stack)}")
    own = {"route53": hosted, "azure": zone, "clouddns": managed}
    assert told["served_by"] == {name: sorted(map(absolute, one.outputs["nameServers"])) for name, one in own.items()}
    assert sorted(one for servers in told["served_by"].values() for one in servers) == told["nameservers"]
    assert told["asked_by"] == f"api.{domain(stack)}"
    assert told["azure_group"] == GROUP and told["names"] == {f"everywhere.{domain(stack)}": 10}
