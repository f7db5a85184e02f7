"""What networks promise: TLS on every way, a record of who spoke with whom, and nothing let through by default."""

from collections.abc import Iterator, Mapping

from policies.rules.expect import Absent, Given, Is, Matches, Table, as_number, joined, unmet
from policies.rules.ingress import DOOR, PASSED_THROUGH
from policies.rules.seen import UNKNOWN, Facts, Finding, Resource, said

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


LOOKS_AT = frozenset(_TLS) | {
    LISTENER,
    TARGETS,
    VPC,
    DEFAULT_GROUP,
    NETWORK,
    SUBNETWORK,
    AWS_FLOWS,
    AZURE_FLOWS,
    BALANCER,
    ACL,
    BACKEND,
    APP,
}
