"""One zone, three authorities: whichever of them a resolver asks, it hears the same."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from infra.topology import Cloud
from policies.rules.expect import as_number
from policies.rules.seen import UNKNOWN, Facts, Finding, Resource, said

ZONES: Mapping[Cloud, str] = {
    Cloud.AWS: "aws:route53/zone:Zone",
    Cloud.AZURE: "azure-native:dns:Zone",
    Cloud.GCP: "gcp:dns/managedZone:ManagedZone",
}
RECORD, RECORD_SET, GOOGLE_SET = "aws:route53/record:Record", "azure-native:dns:RecordSet", "gcp:dns/recordSet:RecordSet"
TEMPLATE = "azure-native:resources:Deployment"
PROFILE, ENDPOINT = "azure-native:trafficmanager:Profile", "azure-native:trafficmanager:Endpoint"


@dataclass(slots=True, kw_only=True)
class Authority:
    """What one of them says."""

    names: set[tuple[str, str]] = field(default_factory=set)
    """Name below the zone (`@` for itself), and type."""
    addresses: set[str] = field(default_factory=set)
    """Of weighted names."""
    lives: set[float] = field(default_factory=set)
    """Seconds for which these may be remembered."""
    has_unknown: bool = False
    """Are there addresses that nobody knows yet?"""


def dns_three_authorities(resources: tuple[Resource, ...], facts: Facts, *, most_seconds: float) -> Iterator[Finding]:
    """Zone, names, addresses and TTLs are the same at all three; weights belong to the controller."""
    if facts.role != "edge":
        return
    told = {cloud: Authority() for cloud in Cloud}
    zones = {cloud: [one for one in resources if one.type == token] for cloud, token in ZONES.items()}
    for cloud, found in zones.items():
        if len(found) != 1:
            yield Finding(problem=f"{facts.stack}: {len(found)} zones at {cloud}; all three clouds serve the one zone")
    domain = _domain(zones[Cloud.AWS])
    for one in resources:
        match one.type:
            case "aws:route53/record:Record":
                yield from _route53(one, told[Cloud.AWS], domain, most_seconds)
            case "azure-native:dns:RecordSet":
                told[Cloud.AZURE].names.add(
                    _name(one.at("relativeRecordSetName") or one.at("name"), one.at("recordType"), domain)
                )
            case "azure-native:resources:Deployment":
                _templated(one, told[Cloud.AZURE], domain)
            case "azure-native:trafficmanager:Endpoint":
                yield from _weighted(one, ("weight", "endpointStatus"))
                _hear(told[Cloud.AZURE], [one.at("target")])
            case "azure-native:trafficmanager:Profile":
                yield from _short(one, "dnsConfig.ttl", most_seconds, told[Cloud.AZURE])
            case "gcp:dns/recordSet:RecordSet":
                yield from _clouddns(one, told[Cloud.GCP], domain, most_seconds)
    yield from _compared(facts.stack, told)


def _compared(stack: str, told: Mapping[Cloud, Authority]) -> Iterator[Finding]:
    every = set().union(*(one.names for one in told.values()))
    for cloud, one in told.items():
        if lacking := sorted(every - one.names):
            names = ", ".join(f"{name} {kind}" for name, kind in lacking)
            yield Finding(problem=f"{stack}: {cloud} does not serve {names}; another authority does")
        if ("@", "NS") not in one.names:
            yield Finding(problem=f"{stack}: {cloud} does not name all three clouds' servers (NS of the zone itself)")
    # What one does not know yet may be any address; `unknown-has-a-source` looks at where it comes from. What is known is everywhere.
    addresses = set().union(*(one.addresses for one in told.values()))
    if any(addresses - one.addresses for one in told.values() if not one.has_unknown):
        heard = "; ".join(f"{cloud}: {', '.join(sorted(one.addresses)) or 'none'}" for cloud, one in told.items())
        yield Finding(problem=f"{stack}: the authorities name different addresses: {heard}")
    if len({frozenset(one.lives) for one in told.values() if one.lives}) > 1:
        heard = "; ".join(f"{cloud}: {', '.join(f'{life:g}' for life in sorted(one.lives))}" for cloud, one in told.items())
        yield Finding(problem=f"{stack}: the authorities' answers are remembered for different times, in seconds: {heard}")


def _templated(one: Resource, told: Authority, domain: str) -> None:
    # A zone at Azure is born with a record set for its own name servers, which only a template may write over. While the others'
    # servers are not known, nor is the template: it is looked at again when it is there.
    found = one.at("properties.template.resources")
    if found is UNKNOWN or (isinstance(found, list) and UNKNOWN in found):
        told.names.add(("@", "NS"))
        return
    for record in found or ():
        zone, _, kind = str(record.get("type", "")).rpartition("/")
        if zone == "Microsoft.Network/dnsZones":
            told.names.add(_name(str(record.get("name", "")).rpartition("/")[2], kind, domain))


def _route53(one: Resource, told: Authority, domain: str, most_seconds: float) -> Iterator[Finding]:
    told.names.add(_name(one.at("name"), one.at("type"), domain))
    if one.at("weightedRoutingPolicies"):
        yield from _weighted(one, ("weightedRoutingPolicies",))
        yield from _short(one, "ttl", most_seconds, told)
        _hear(told, one.at("records"))


def _clouddns(one: Resource, told: Authority, domain: str, most_seconds: float) -> Iterator[Finding]:
    told.names.add(_name(one.at("name"), one.at("type"), domain))
    if one.at("routingPolicy"):
        yield from _weighted(one, ("routingPolicy",))
        yield from _short(one, "ttl", most_seconds, told)
        for _, found in one.every("routingPolicy.wrrs[].rrdatas"):
            _hear(told, found)
        for _, found in one.every("routingPolicy.wrrs[].healthCheckedTargets.externalEndpoints"):
            _hear(told, found or [])


def _weighted(one: Resource, owned: tuple[str, ...]) -> Iterator[Finding]:
    for name in owned:
        if not any(ignored == name or ignored.startswith((f"{name}.", f"{name}[")) for ignored in one.ignore_changes):
            yield one.finding(f"ignore_changes lacks {name}: the next `pulumi up` would undo what the controller steered")


def _short(one: Resource, path: str, most_seconds: float, told: Authority) -> Iterator[Finding]:
    number = as_number(one.at(path))
    if number is not None:
        told.lives.add(number)
    if number is None or number > most_seconds:
        yield one.finding(f"{path} {said(one.at(path))}; it must be {most_seconds:g} seconds or less")


def _hear(told: Authority, found: Any) -> None:
    if found is UNKNOWN or (isinstance(found, list) and UNKNOWN in found):
        told.has_unknown = True
    elif isinstance(found, list):
        told.addresses |= {str(one) for one in found if one is not None}


def _domain(zones: list[Resource]) -> str:
    names = [one.at("name") for one in zones]
    return names[0].rstrip(".").lower() if names and isinstance(names[0], str) else ""


def _name(name: Any, kind: Any, domain: str) -> tuple[str, str]:
    """As it is below the zone. What is not known yet is one name of its own, and so is missed at the others."""
    if not isinstance(name, str) or not isinstance(kind, str):
        return said(name), said(kind)
    plain = name.rstrip(".").lower()
    if plain in ("", "@", domain):
        plain = "@"
    return plain.removesuffix(f".{domain}"), kind.rpartition("/")[2].upper()


LOOKS_AT = frozenset(ZONES.values()) | {RECORD, RECORD_SET, GOOGLE_SET, TEMPLATE, PROFILE, ENDPOINT}
