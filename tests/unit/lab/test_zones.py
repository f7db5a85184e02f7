"""Each vendor's words for the same zone carry the same names, shares, health checks and marks."""

from lab.clouds.health import PACES
from lab.zones import MOST_CHANGES, Steered, for_azure, for_clouddns, for_route53, health_check

ZONE = "trimaran.test"
STEERED = Steered(
    group="payments",
    names={f"payments.{ZONE}": 2, f"payments-slow.{ZONE}": 30},
    addresses={"aws": "192.0.2.1", "azure": "192.0.2.2"},
    aliases={f"vault.{ZONE}": f"payments.{ZONE}"},
)


def test_route_53_is_told_marks_checks_and_aliases() -> None:
    """One record per name and site under the adapter's mark, each with its site's check; a service's name is an alias in the zone."""
    *weighted, alias = for_route53("Z1", STEERED, {"aws": "check-1", "azure": "check-2"})
    assert [(one["Name"], one["SetIdentifier"], one["TTL"], one["HealthCheckId"]) for one in weighted] == [
        (f"payments.{ZONE}", "payments/aws", 2, "check-1"),
        (f"payments.{ZONE}", "payments/azure", 2, "check-2"),
        (f"payments-slow.{ZONE}", "payments/aws", 30, "check-1"),
        (f"payments-slow.{ZONE}", "payments/azure", 30, "check-2"),
    ]
    assert alias["AliasTarget"]["DNSName"] == f"payments.{ZONE}"
    wanted = {"RequestInterval": 10, "FailureThreshold": 3, "ResourcePath": "/beacon", "IPAddress": "192.0.2.1"}
    assert wanted.items() <= health_check("192.0.2.1").items()


def test_azure_is_told_a_tagged_profile_and_an_alias_of_it_for_every_name() -> None:
    """The profile is named after the name, probed as fast as can be bought; profiles come before what points at them."""
    orders = list(for_azure(ZONE, STEERED))
    assert [order.path.partition("?")[0].rpartition("providers/")[2] for order in orders] == [
        "Microsoft.Network/trafficManagerProfiles/payments-trimaran-test",
        f"Microsoft.Network/dnsZones/{ZONE}/A/payments",
        "Microsoft.Network/trafficManagerProfiles/payments-slow-trimaran-test",
        f"Microsoft.Network/dnsZones/{ZONE}/A/payments-slow",
        f"Microsoft.Network/dnsZones/{ZONE}/CNAME/vault",
    ]
    profile, alias, *_ = (order.body for order in orders)
    assert profile["tags"] == {"trimaran": "payments"}
    assert profile["properties"]["dnsConfig"] == {"relativeName": "payments-trimaran-test", "ttl": 2}
    assert {one["name"]: one["properties"]["target"] for one in profile["properties"]["endpoints"]} == STEERED.addresses
    monitor = profile["properties"]["monitorConfig"]
    assert (monitor["intervalInSeconds"], monitor["toleratedNumberOfFailures"]) == (10, PACES["azuredns"].failures - 1)
    assert orders[0].path.partition("?")[0].endswith(alias["properties"]["targetResource"]["id"])


def test_cloud_dns_is_told_weighted_policies_with_checked_endpoints() -> None:
    """One change for all of it; every item is an external endpoint under the health check."""
    (order,) = for_clouddns("trimaran-test", STEERED)
    fast, _, alias = order.body["additions"]
    items = fast["routingPolicy"]["wrr"]["items"]
    assert [item["healthCheckedTargets"]["externalEndpoints"] for item in items] == [["192.0.2.1"], ["192.0.2.2"]]
    assert fast["routingPolicy"]["healthCheck"].endswith("/beacon")
    assert (alias["type"], alias["rrdatas"]) == ("CNAME", [f"payments.{ZONE}."])


def test_a_large_zone_is_told_in_as_many_changes_as_the_vendor_takes() -> None:
    """A thousand services: none is left out or told twice."""
    aliases = {f"s{number}.{ZONE}": f"payments.{ZONE}" for number in range(1000)}
    orders = list(for_clouddns("z", Steered(group="g", names=STEERED.names, addresses=STEERED.addresses, aliases=aliases)))
    told = [one["name"] for order in orders for one in order.body["additions"]]
    assert len(told) == len(set(told)) == 1002
    assert all(len(order.body["additions"]) <= MOST_CHANGES for order in orders)
