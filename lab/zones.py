"""The zone's records as the infrastructure program makes them in the clouds, in each vendor's own words. Pure but for `boto3`'s calls.

Every weighted name carries a health check of each site's edge at the vendor's fastest interval, so that answers change even when
nobody can call an API. Marks of ownership are those that the adapters look for: Route 53's SetIdentifier, the tag of a Traffic Manager
profile; Cloud DNS has none.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from itertools import islice
from typing import Any

from lab.clouds.health import PACES
from lab.vendors import AZUREDNS, ROUTE53

BEACON = "/beacon"
SUBSCRIPTION = "00000000-0000-0000-0000-000000000001"
RESOURCE_GROUP = "trimaran"
PROJECT = "lab"
WEIGHT = 80
"""Of every site: equal shares."""
ALIAS_TTL = 300
MOST_CHANGES = 500
"""In one call."""
PLACE = f"/subscriptions/{SUBSCRIPTION}/resourceGroups/{RESOURCE_GROUP}/providers"
VERSIONS = {"trafficManagerProfiles": "2022-04-01", "dnsZones": "2018-05-01"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Steered:
    """One steering group as the zone holds it."""

    group: str
    names: Mapping[str, int]
    """Weighted names and their TTLs in seconds."""
    addresses: Mapping[str, str]
    """By site."""
    aliases: Mapping[str, str] = field(default_factory=dict)
    """Names of services, each with the weighted name it stands for."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Order:
    """One call to an API that is spoken to in JSON."""

    method: str
    path: str
    body: Mapping[str, Any]


def for_route53(zone_id: str, steered: Steered, checks: Mapping[str, str]) -> Iterator[Mapping[str, Any]]:
    """Record sets to create. `checks`: id of the health check of each site."""
    for name, ttl in steered.names.items():
        for site, address in steered.addresses.items():
            yield {
                "Name": name,
                "Type": "A",
                "SetIdentifier": f"{steered.group}/{site}",
                "Weight": WEIGHT,
                "TTL": ttl,
                "ResourceRecords": [{"Value": address}],
                "HealthCheckId": checks[site],
            }
    for alias, name in steered.aliases.items():
        target = {"HostedZoneId": zone_id, "DNSName": name, "EvaluateTargetHealth": False}
        yield {"Name": alias, "Type": "A", "AliasTarget": target}


def health_check(address: str) -> Mapping[str, Any]:
    """Route 53's configuration of one."""
    pace = PACES[ROUTE53]
    return {
        "Type": "HTTP",
        "IPAddress": address,
        "Port": 80,
        "ResourcePath": BEACON,
        "RequestInterval": int(pace.interval),
        "FailureThreshold": pace.failures,
    }


def for_azure(zone: str, steered: Steered) -> Iterator[Order]:
    """Traffic Manager profiles, the zone's aliases of them, and the services' names."""
    for name, ttl in steered.names.items():
        profile, relative = name.replace(".", "-"), name.removesuffix(f".{zone}")
        place = f"{PLACE}/Microsoft.Network/trafficManagerProfiles/{profile}"
        yield _put("trafficManagerProfiles", place, _profile(profile, ttl, steered))
        alias = {"properties": {"TTL": ttl, "targetResource": {"id": place}}}
        yield _put("dnsZones", f"{PLACE}/Microsoft.Network/dnsZones/{zone}/A/{relative}", alias)
    for service, name in steered.aliases.items():
        place = f"{PLACE}/Microsoft.Network/dnsZones/{zone}/CNAME/{service.removesuffix(f'.{zone}')}"
        yield _put("dnsZones", place, {"properties": {"TTL": ALIAS_TTL, "CNAMERecord": {"cname": name}}})


def for_clouddns(zone_id: str, steered: Steered) -> Iterator[Order]:
    """Changes of the managed zone."""
    records = [*_clouddns_records(steered)]
    listed = iter(records)
    while some := list(islice(listed, MOST_CHANGES)):
        path = f"/dns/v1/projects/{PROJECT}/managedZones/{zone_id}/changes"
        yield Order(method="POST", path=path, body={"additions": some})


def _clouddns_records(steered: Steered) -> Iterator[Mapping[str, Any]]:
    for name, ttl in steered.names.items():
        items = [
            {"weight": WEIGHT, "healthCheckedTargets": {"externalEndpoints": [address]}} for address in steered.addresses.values()
        ]
        check = f"https://www.googleapis.com/compute/v1/projects/{PROJECT}/global/healthChecks/{BEACON.strip('/')}"
        policy = {"healthCheck": check, "wrr": {"items": items}}
        yield {"name": f"{name}.", "type": "A", "ttl": ttl, "routingPolicy": policy}
    for alias, name in steered.aliases.items():
        yield {"name": f"{alias}.", "type": "CNAME", "ttl": ALIAS_TTL, "rrdatas": [f"{name}."]}


def _profile(profile: str, ttl: int, steered: Steered) -> Mapping[str, Any]:
    pace = PACES[AZUREDNS]
    endpoints = [
        {
            "name": site,
            "type": "Microsoft.Network/trafficManagerProfiles/externalEndpoints",
            "properties": {"target": address, "weight": WEIGHT, "endpointStatus": "Enabled"},
        }
        for site, address in steered.addresses.items()
    ]
    monitor = {
        "protocol": "HTTP",
        "port": 80,
        "path": BEACON,
        "intervalInSeconds": int(pace.interval),
        "timeoutInSeconds": int(pace.patience),
        "toleratedNumberOfFailures": pace.failures - 1,
    }
    return {
        "location": "global",
        "tags": {"trimaran": steered.group},
        "properties": {
            "trafficRoutingMethod": "Weighted",
            "dnsConfig": {"relativeName": profile, "ttl": ttl},
            "monitorConfig": monitor,
            "endpoints": endpoints,
        },
    }


def _put(kind: str, path: str, body: Mapping[str, Any]) -> Order:
    return Order(method="PUT", path=f"{path}?api-version={VERSIONS[kind]}", body=body)
