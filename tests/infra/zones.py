"""The zone as each authority is told of it, read back from a recording into one spelling, so that three can be held against each other."""

from collections.abc import Mapping
from typing import Any

from tests.infra.recording import Recording

Told = Mapping[tuple[str, str], tuple[int, frozenset[str]]]
"""By absolute name and type: TTL, values. Of weighted names the values are the sites' addresses."""


def route53(recording: Recording) -> Told:
    """Weighted records of one name come one by one."""
    found: dict[tuple[str, str], tuple[int, frozenset[str]]] = {}
    for one in recording.of_type("aws:route53/record:Record"):
        key = (_dotted(one.inputs["name"]), one.inputs["type"])
        _, known = found.get(key, (0, frozenset[str]()))
        found[key] = int(one.inputs["ttl"]), known | {_plain(key[1], value) for value in one.inputs["records"]}
    return found


def azure(recording: Recording) -> Told:
    """The weighted name is an alias of a profile, which has the TTL; the apex stands in a template."""
    found: dict[tuple[str, str], tuple[int, frozenset[str]]] = {}
    for one in recording.of_type("azure-native:dns:RecordSet"):
        given = one.inputs
        key = (_dotted(f"{given['relativeRecordSetName']}.{given['zoneName']}"), given["recordType"])
        found[key] = int(given["ttl"]), _azure_values(recording, given)
    (deployment,) = recording.of_type("azure-native:resources:Deployment")
    for made in deployment.inputs["properties"]["template"]["resources"]:
        zone, _, relative = made["name"].partition("/")
        assert relative == "@" and made["type"] == "Microsoft.Network/dnsZones/NS"
        servers = frozenset(_plain("NS", one["nsdname"]) for one in made["properties"]["NSRecords"])
        found[_dotted(zone), "NS"] = int(made["properties"]["TTL"]), servers
    return found


def _azure_values(recording: Recording, given: Mapping[str, Any]) -> frozenset[str]:
    match given["recordType"]:
        case "A":
            (profile,) = recording.of_type("azure-native:trafficmanager:Profile")
            assert given["targetResource"]["id"].endswith(f"/trafficManagerProfiles/{profile.inputs['profileName']}")
            assert given["ttl"] == profile.inputs["dnsConfig"]["ttl"]
            return frozenset(one.inputs["target"] for one in recording.of_type("azure-native:trafficmanager:Endpoint"))
        case "CNAME":
            return frozenset({_plain("CNAME", given["cnameRecord"]["cname"])})
        case kind:
            assert kind == "TXT"
            return frozenset("".join(one["value"]) for one in given["txtRecords"])


def clouddns(recording: Recording) -> Told:
    """A weighted name is one record set with an item for each site."""
    found: dict[tuple[str, str], tuple[int, frozenset[str]]] = {}
    for one in recording.of_type("gcp:dns/recordSet:RecordSet"):
        given = one.inputs
        items = given.get("routingPolicy", {}).get("wrrs", ())
        answers = [value for item in items for value in item["healthCheckedTargets"]["externalEndpoints"]]
        values = frozenset(_plain(given["type"], value) for value in given.get("rrdatas", answers))
        found[given["name"], given["type"]] = int(given["ttl"]), values
    return found


def _dotted(name: str) -> str:
    return f"{name.rstrip('.')}."


def _plain(kind: str, value: str) -> str:
    match kind:
        case "CNAME" | "NS":
            return _dotted(value)
        case "TXT":
            return value.strip('"')
        case _:
            return value
