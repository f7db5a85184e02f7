"""Who can reach what: nothing from everywhere but the door, TLS on every way, and a record of who spoke with whom."""

from collections.abc import Iterator, Mapping
from ipaddress import ip_network
from typing import Any

from policies.rules.expect import Absent, Given, Is, Matches, Table, as_number, joined, unmet
from policies.rules.seen import UNKNOWN, Facts, Finding, Resource, said

DOOR = 443
WORLD_PREFIX = 7
"""A range this wide or wider is everywhere: two halves of the world are the world."""

EVERYWHERE = frozenset({"*", "internet", "any"})
"""How Azure writes it, in small letters. Addresses without a length are one address."""

AWS_TLS = r"ELBSecurityPolicy-TLS13-1-[23].*"
_NO_PLAIN = Absent(path="urlMap", limit="nothing listens without TLS")
_TLS: Table = {
    "aws:route53/healthCheck:HealthCheck": (Is(path="type", allowed=("HTTPS", "HTTPS_STR_MATCH", "CALCULATED")),),
    "azure-native:app:ContainerApp": (Is(path="configuration.ingress.allowInsecure", allowed=(False,)),),
    "azure-native:trafficmanager:Profile": (Is(path="monitorConfig.protocol", allowed=("HTTPS",)),),
    "azure-native:storage:StorageAccount": (
        Is(path="minimumTlsVersion", allowed=("TLS1_2", "TLS1_3")),
        Is(path="enableHttpsTrafficOnly", allowed=(True,)),
    ),
    "gcp:compute/regionSslPolicy:RegionSslPolicy": (
        Is(path="profile", allowed=("RESTRICTED",)),
        Is(path="minTlsVersion", allowed=("TLS_1_2", "TLS_1_3")),
    ),
    "gcp:compute/sSLPolicy:SSLPolicy": (
        Is(path="profile", allowed=("RESTRICTED",)),
        Is(path="minTlsVersion", allowed=("TLS_1_2", "TLS_1_3")),
    ),
    "gcp:compute/regionTargetHttpsProxy:RegionTargetHttpsProxy": (Given(path="sslPolicy"),),
    "gcp:compute/targetHttpsProxy:TargetHttpsProxy": (Given(path="sslPolicy"),),
    "gcp:compute/regionTargetHttpProxy:RegionTargetHttpProxy": (_NO_PLAIN,),
    "gcp:compute/targetHttpProxy:TargetHttpProxy": (_NO_PLAIN,),
    "gcp:compute/regionBackendService:RegionBackendService": (Is(path="protocol", allowed=("HTTPS", "HTTP2")),),
}
LISTENER, TARGETS = "aws:lb/listener:Listener", "aws:lb/targetGroup:TargetGroup"
PASSED_THROUGH = (8443, 8444, 8445)
"""Where processes end TLS themselves, with certificates of their own: a balancer may hand on what it cannot read."""
_MAY_PASS: Mapping[str, tuple[int, ...]] = {LISTENER: (DOOR, *PASSED_THROUGH), TARGETS: PASSED_THROUGH}
"""Clients come in by 443; where what they send is handed on to is asked of the target group, which has to be TCP as well."""


def tls_in_transit(one: Resource, facts: Facts) -> Iterator[Finding]:
    """Every listener speaks TLS 1.2 or better, and so does whatever it hands on to."""
    yield from unmet(one, _TLS)
    if one.type in _MAY_PASS and one.at("protocol") == "TCP" and as_number(one.at("port")) in _MAY_PASS[one.type]:
        return
    if one.type == TARGETS:
        yield from unmet(one, {TARGETS: (Is(path="protocol", allowed=("HTTPS", "TLS")),)})
    if one.type == LISTENER and not _only_redirects(one):
        yield from unmet(
            one,
            {
                LISTENER: (
                    Is(path="protocol", allowed=("HTTPS", "TLS")),
                    Matches(path="sslPolicy", shape=AWS_TLS, limit="it must be one of TLS 1.2 or 1.3 alone"),
                )
            },
        )


def _only_redirects(one: Resource) -> bool:
    actions = list(one.every("defaultActions[].type"))
    return bool(actions) and all(kind == "redirect" for _, kind in actions)


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


VPC, DEFAULT_GROUP = "aws:ec2/vpc:Vpc", "aws:ec2/defaultSecurityGroup:DefaultSecurityGroup"
NETWORK, SUBNETWORK = "azure-native:network:VirtualNetwork", "gcp:compute/subnetwork:Subnetwork"
AWS_FLOWS, AZURE_FLOWS = "aws:ec2/flowLog:FlowLog", "azure-native:network:FlowLog"
WITHOUT_FLOWS = ("REGIONAL_MANAGED_PROXY", "GLOBAL_MANAGED_PROXY", "PRIVATE_SERVICE_CONNECT")
"""Subnetworks of Google's own proxies, which has no logs of them."""


def default_sg_locked(resources: tuple[Resource, ...], facts: Facts) -> Iterator[Finding]:
    """What is started in a VPC without a security group gets the default one: it lets nothing through."""
    for vpc in (one for one in resources if one.type == VPC):
        groups = [one for one in resources if one.type == DEFAULT_GROUP and joined(one, "vpcId", vpc, "id")]
        if not groups:
            yield vpc.finding(
                "its default security group is the vendor's, which lets everything in it speak with everything in it"
            )
        for group in groups:
            for name in ("ingress", "egress"):
                if group.at(name) not in (None, [], {}):
                    yield group.finding(f"{name} {said(group.at(name))}; it must be empty")


def flow_logs_on(resources: tuple[Resource, ...], facts: Facts) -> Iterator[Finding]:
    """Every network writes down who spoke with whom."""
    for one in resources:
        match one.type:
            case "aws:ec2/vpc:Vpc":
                logs = [log for log in resources if log.type == AWS_FLOWS and joined(log, "vpcId", one, "id")]
                if not any(log.at("trafficType") in ("ALL", None) for log in logs):
                    yield one.finding("no flow log of all its traffic")
            case "azure-native:network:VirtualNetwork":
                logs = [log for log in resources if log.type == AZURE_FLOWS and joined(log, "targetResourceId", one, "id")]
                if not any(log.at("enabled") is True for log in logs):
                    yield one.finding("no flow log that is enabled")
            case "gcp:compute/subnetwork:Subnetwork":
                if one.at("purpose") not in WITHOUT_FLOWS and not isinstance(one.at("logConfig"), Mapping):
                    yield one.finding(f"logConfig {said(one.at('logConfig'))}")


BALANCER, ACL = "aws:lb/loadBalancer:LoadBalancer", "aws:wafv2/webAclAssociation:WebAclAssociation"
BACKEND = "gcp:compute/regionBackendService:RegionBackendService"
APP = "azure-native:app:ContainerApp"


def waf_or_exempt(resources: tuple[Resource, ...], facts: Facts) -> Iterator[Finding]:
    """Whatever clients reach has a web application firewall, or somebody has written down why not."""
    for one in resources:
        match one.type:
            case "aws:lb/loadBalancer:LoadBalancer" if one.at("loadBalancerType") in (None, "application", UNKNOWN):
                if not any(other.type == ACL and joined(other, "resourceArn", one, "arn") for other in resources):
                    yield one.finding("no web ACL is associated with it")
            case "gcp:compute/regionBackendService:RegionBackendService":
                if one.at("loadBalancingScheme") in ("EXTERNAL_MANAGED", UNKNOWN) and not one.at("securityPolicy"):
                    yield one.finding("it has no securityPolicy")
            case "azure-native:app:ContainerApp" if one.at("configuration.ingress.external") in (True, UNKNOWN):
                yield one.finding("ingress of Container Apps has no web application firewall")


LOOKS_AT = (
    frozenset(_TLS)
    | frozenset(_CLOSED)
    | {LISTENER, TARGETS, VPC, DEFAULT_GROUP, NETWORK, SUBNETWORK, AWS_FLOWS, AZURE_FLOWS, BALANCER, ACL, BACKEND, APP}
    | {
        "aws:vpc/securityGroupIngressRule:SecurityGroupIngressRule",
        "aws:ec2/securityGroupRule:SecurityGroupRule",
        "aws:ec2/securityGroup:SecurityGroup",
        "azure-native:network:NetworkSecurityGroup",
        "azure-native:network:SecurityRule",
        "gcp:compute/firewall:Firewall",
        "gcp:compute/forwardingRule:ForwardingRule",
        "gcp:compute/globalForwardingRule:GlobalForwardingRule",
    }
)
