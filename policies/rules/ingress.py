"""Who can come in: nothing is open to everywhere but the door, at whatever a cloud has that opens and closes."""

from collections.abc import Iterator, Mapping
from ipaddress import ip_network
from typing import Any

from policies.rules.expect import Absent, Is, Table, unmet
from policies.rules.seen import UNKNOWN, Facts, Finding, Resource, said

DOOR = 443
PASSED_THROUGH = (8443, 8444, 8445)
"""Where processes end TLS themselves, with certificates of their own: a balancer may hand on what it cannot read."""
CLIENTS = PASSED_THROUGH[0]
"""Where edges end clients' TLS; the other two are for other sites' edges, and for controllers."""

WORLD_PREFIX = 7
"""A range this wide or wider is everywhere: two halves of the world are the world."""

EVERYWHERE = frozenset({"*", "internet", "any"})
"""How Azure writes it, in small letters. Addresses without a length are one address."""


def _is_world(source: Any) -> bool:
    """Is it everywhere? Unknown might be."""
    if not isinstance(source, str):
        return True
    if source.lower() in EVERYWHERE:
        return True
    try:
        return ip_network(source, strict=False).prefixlen <= WORLD_PREFIX
    except ValueError:
        return False  # a tag of the vendor's, or a name


def _is_door(low: Any, high: Any) -> bool:
    return str(low).removesuffix(".0") == str(DOOR) == str(high).removesuffix(".0")


OPENED = "only 443 is open to everywhere, and only where clients come in"


def no_open_ingress(one: Resource, facts: Facts) -> Iterator[Finding]:
    """Nothing is open to everywhere but 443."""
    yield from unmet(one, _CLOSED)
    match one.type:
        case "aws:vpc/securityGroupIngressRule:SecurityGroupIngressRule":
            sources = [one.at(name) for name in ("cidrIpv4", "cidrIpv6") if one.at(name) is not None]
            yield from _ports(one, "", sources, one.at("fromPort"), one.at("toPort"))
        case "aws:ec2/securityGroupRule:SecurityGroupRule":
            if one.at("type") != "egress":
                sources = _sources(one.props, ("cidrBlocks", "ipv6CidrBlocks"))
                yield from _ports(one, "", sources, one.at("fromPort"), one.at("toPort"))
        case "aws:ec2/securityGroup:SecurityGroup":
            for place, rule in one.every("ingress[]"):
                sources = [UNKNOWN] if rule is UNKNOWN else _sources(rule, ("cidrBlocks", "ipv6CidrBlocks"))
                ports = (None, None) if rule is UNKNOWN else (rule.get("fromPort"), rule.get("toPort"))
                yield from _ports(one, place, sources, *ports)
        case "azure-native:network:NetworkSecurityGroup":
            for place, rule in one.every("securityRules[]"):
                yield from _azure(one, place, rule)
        case "azure-native:network:SecurityRule":
            yield from _azure(one, "", one.props)
        case "azure-native:network:FirewallPolicyRuleCollectionGroup":
            yield from _azure_firewall(one)
        case "gcp:compute/firewall:Firewall":
            yield from _google(one)
        case "gcp:compute/forwardingRule:ForwardingRule" | "gcp:compute/globalForwardingRule:GlobalForwardingRule":
            if not str(one.at("loadBalancingScheme")).startswith("INTERNAL"):
                yield from unmet(one, {one.type: (Is(path="portRange", allowed=("443", "443-443")),)})


_OWN_TLS = (*PASSED_THROUGH, *map(float, PASSED_THROUGH))
_CLOSED: Table = {
    "aws:ec2/subnet:Subnet": (Is(path="mapPublicIpOnLaunch", allowed=(False,), absent=True),),
    "aws:ecs/service:Service": (Is(path="networkConfiguration.assignPublicIp", allowed=(False,), absent=True),),
    "aws:globalaccelerator/listener:Listener": (
        Is(path="portRanges[].fromPort", allowed=(DOOR, float(DOOR))),
        Is(path="portRanges[].toPort", allowed=(DOOR, float(DOOR))),
    ),
    "aws:s3/bucketPublicAccessBlock:BucketPublicAccessBlock": tuple(
        Is(path=name, allowed=(True,))
        for name in ("blockPublicAcls", "blockPublicPolicy", "ignorePublicAcls", "restrictPublicBuckets")
    ),
    "azure-native:storage:StorageAccount": (Is(path="allowBlobPublicAccess", allowed=(False,)),),
    "azure-native:app:ManagedEnvironment": (Is(path="vnetConfiguration.internal", allowed=(True,)),),
    "azure-native:network:AzureFirewall": tuple(
        Absent(path=f"{kind}RuleCollections", limit="rules stand in its policy, where they are looked at")
        for kind in ("nat", "network", "application")
    ),
    "azure-native:network:FirewallPolicy": (
        Absent(path="basePolicy", limit="it would inherit rules that nobody looks at here"),
        Absent(path="explicitProxy", limit="nobody comes in by a proxy"),
    ),
    "azure-native:app:ContainerApp": tuple(
        Is(path=f"configuration.ingress.additionalPortMappings[].{name}", allowed=_OWN_TLS, absent=True)
        for name in ("targetPort", "exposedPort")
    ),
    "gcp:cloudrunv2/service:Service": (
        Is(path="ingress", allowed=("INGRESS_TRAFFIC_INTERNAL_ONLY", "INGRESS_TRAFFIC_INTERNAL_LOAD_BALANCER")),
        Is(path="defaultUriDisabled", allowed=(True,)),
    ),
}


def _sources(rule: Any, names: tuple[str, ...]) -> list[Any]:
    found: list[Any] = []
    for name in names:
        value = rule.get(name)
        found += value if isinstance(value, list) else [] if value is None else [value]
    return found


def _ports(one: Resource, place: str, sources: list[Any], low: Any, high: Any) -> Iterator[Finding]:
    for source in sources:
        if _is_world(source) and (source is UNKNOWN or not _is_door(low, high)):
            yield one.finding(f"{place + ': ' if place else ''}the source {said(source)} for ports {low} to {high}; {OPENED}")


def _azure(one: Resource, place: str, rule: Any) -> Iterator[Finding]:
    if rule is UNKNOWN:
        yield one.finding(f"{place} {said(rule)}; {OPENED}")
        return
    if rule.get("direction") == "Outbound" or rule.get("access") == "Deny":
        return
    sources = _sources(rule, ("sourceAddressPrefix", "sourceAddressPrefixes"))
    ports = _sources(rule, ("destinationPortRange", "destinationPortRanges"))
    for source in sources:
        if _is_world(source) and (source is UNKNOWN or not ports or any(str(port) != str(DOOR) for port in ports)):
            yield one.finding(f"{place + ': ' if place else ''}the source {said(source)} for ports {ports}; {OPENED}")


_TRANSLATED = (
    Is(path="ipProtocols", allowed=(["TCP"],)),
    Is(path="destinationPorts", allowed=([str(DOOR)],)),
    Is(path="translatedPort", allowed=(str(CLIENTS),)),
)
"""What a firewall's public address may be asked for, and whom it hands that on to: where clients' TLS ends, and nowhere else."""


def _azure_firewall(one: Resource) -> Iterator[Finding]:
    """1. A firewall translates its public address's 5432 to the databases' subnet. 2. The subnet's guard lets the firewall's own subnet in,
    or somebody widens it to look into an incident. 3. The database is on the Internet. So what is translated is looked at by itself."""
    for place, collection in one.every("ruleCollections[]"):
        if collection is UNKNOWN:
            yield one.finding(f"{place} {said(collection)}; {OPENED}")
            continue
        rules = collection.get("rules")
        action = collection.get("action")
        if isinstance(action, Mapping) and action.get("type") == "Deny":
            continue
        for number, rule in enumerate([UNKNOWN] if rules is UNKNOWN else rules or ()):
            yield from _passed(one, f"{place}.rules[{number}]", rule)


def _passed(one: Resource, place: str, rule: Any) -> Iterator[Finding]:
    """By one rule. One whose kind is not known may be of the kind that opens most."""
    if rule is UNKNOWN:
        yield one.finding(f"{place} {said(rule)}; {OPENED}")
        return
    match rule.get("ruleType"):
        case "ApplicationRule":
            return  # a way out, to names
        case "NetworkRule":
            sources = _sources(rule, ("sourceAddresses",)) or [UNKNOWN]
            ports = _sources(rule, ("destinationPorts",))
            for source in sources:
                if _is_world(source) and (source is UNKNOWN or ports != [str(DOOR)]):
                    yield one.finding(f"{place}: the source {said(source)} for ports {ports}; {OPENED}")
        case _:
            for wanted in _TRANSLATED:
                value = rule.get(wanted.path)
                if not wanted.met_by(value):
                    yield one.finding(f"{place}.{wanted.path} {said(value)}; {wanted.limit}: {OPENED}")


def _google(one: Resource) -> Iterator[Finding]:
    if one.at("direction") == "EGRESS":
        return
    named = [one.at(name) for name in ("sourceTags", "sourceServiceAccounts")]
    unnamed = [] if any(isinstance(found, list) and found for found in named) else ["0.0.0.0/0"]
    sources = _sources(one.props, ("sourceRanges",)) or ([UNKNOWN] if UNKNOWN in named else unnamed)
    allows = [allow for _, allow in one.every("allows[]")]
    ports = [port for allow in allows if allow is not UNKNOWN for port in _sources(allow, ("ports",)) or ["all"]]
    doors = [port for port in ports if str(port) == str(DOOR)]
    for source in sources if allows else ():
        if _is_world(source) and (source is UNKNOWN or UNKNOWN in allows or len(doors) != len(ports)):
            yield one.finding(f"the source {said(source)} for ports {ports}; {OPENED}")


LOOKS_AT = frozenset(_CLOSED) | {
    "aws:vpc/securityGroupIngressRule:SecurityGroupIngressRule",
    "aws:ec2/securityGroupRule:SecurityGroupRule",
    "aws:ec2/securityGroup:SecurityGroup",
    "azure-native:network:FirewallPolicyRuleCollectionGroup",
    "azure-native:network:NetworkSecurityGroup",
    "azure-native:network:SecurityRule",
    "gcp:compute/firewall:Firewall",
    "gcp:compute/forwardingRule:ForwardingRule",
    "gcp:compute/globalForwardingRule:GlobalForwardingRule",
}
