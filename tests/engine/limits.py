"""What vendors take as a name or a text: letters, and how many. A beginning, and not what their plugins check: whatever no row is about is
taken by `tests.engine.provider` as it is given, so an update that is well there has not been validated by anybody.

Each row has texts that break it (`tests/infra/test_limits.py`), and some stack has something that it is about. A name that nobody gives is
the engine's: the resource's own, a dash and seven letters (Pulumi, "Autonaming").
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from pulumi.runtime import rpc

SUFFIX = "-1234567"
"""What the engine adds."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Limit:
    """Of one property of one type."""

    token: str
    key: str
    letters: str
    """Expression that the whole text matches."""
    longest: int
    source: str
    breaks: tuple[str, ...]
    """Texts that the vendor refuses."""
    shortest: int = 1
    is_made_up: bool = False
    """Does the engine make one up where none is given?"""

    def takes(self, text: str) -> bool:
        """Would the vendor?"""
        return self.shortest <= len(text) <= self.longest and re.fullmatch(self.letters, text) is not None


def _rule(token: str) -> Limit:
    """EC2's own words when it refuses one: "strings less than 256 characters from the following set"."""
    return Limit(
        token=token,
        key="description",
        letters=r"[a-zA-Z0-9. _\-:/()#,@\[\]+=&;{}!$*]+",
        longest=255,
        source="EC2, InvalidParameterValue; hashicorp/terraform-provider-aws#18874, aws-cloudformation/cfn-lint#173",
        breaks=("another site's edge", "edge > payments", "x" * 256),
    )


def _balancer(token: str) -> Limit:
    return Limit(
        token=token,
        key="name",
        letters=r"[a-zA-Z0-9]([a-zA-Z0-9-]*[a-zA-Z0-9])?",
        longest=32,
        source="SDK, `name`",
        breaks=("trimaran-production-another-doors", "trimaran_prod", "trimaran-"),
        is_made_up=True,
    )


def _google(kind: str, *, is_made_up: bool = True) -> Limit:
    return Limit(
        token=f"gcp:{kind}",
        key="name",
        letters=r"[a-z]([-a-z0-9]*[a-z0-9])?",
        longest=63,
        source="SDK, `name`: RFC 1035",
        breaks=("Network", "1-network", "network-", "my_network", "n" * 64),
        is_made_up=is_made_up,
    )


LIMITS: tuple[Limit, ...] = (
    _rule("aws:vpc/securityGroupEgressRule:SecurityGroupEgressRule"),
    _rule("aws:vpc/securityGroupIngressRule:SecurityGroupIngressRule"),
    _rule("aws:ec2/securityGroup:SecurityGroup"),
    _balancer("aws:lb/loadBalancer:LoadBalancer"),
    _balancer("aws:lb/targetGroup:TargetGroup"),
    Limit(
        token="aws:iam/role:Role",
        key="description",
        letters=r"[\t\n\r -~¡-ÿ]*",
        longest=1000,
        source="IAM API, CreateRole",
        breaks=("edge → payments", "“quoted”", "x" * 1001),
    ),
    Limit(
        token="aws:iam/role:Role",
        key="name",
        letters=r"[\w+=,.@-]+",
        longest=64,
        source="IAM API, CreateRole",
        breaks=("control node", "n" * 65),
        is_made_up=True,
    ),
    Limit(
        token="azure-native:keyvault:Vault",
        key="vaultName",
        letters=r"[a-zA-Z](-?[a-zA-Z0-9])*",
        shortest=3,
        longest=24,
        source='Azure, "Naming rules and restrictions for Azure resources"',
        breaks=("trimaran-prod-screenings-", "trimaran--prod", "1-vault", "kv", "v" * 25),
    ),
    Limit(
        token="azure-native:storage:StorageAccount",
        key="accountName",
        letters="[a-z0-9]+",
        shortest=3,
        longest=24,
        source='Azure, "Naming rules and restrictions for Azure resources"',
        breaks=("trimaran-prod", "Trimaran", "s" * 25),
    ),
    Limit(
        token="azure-native:containerregistry:Registry",
        key="registryName",
        letters="[a-zA-Z0-9]+",
        shortest=5,
        longest=50,
        source='Azure, "Naming rules and restrictions for Azure resources"',
        breaks=("trimaran-prod", "four", "r" * 51),
    ),
    _google("compute/address:Address"),
    _google("compute/firewall:Firewall"),
    _google("compute/forwardingRule:ForwardingRule"),
    _google("compute/globalAddress:GlobalAddress"),
    _google("compute/haVpnGateway:HaVpnGateway"),
    _google("compute/network:Network"),
    _google("compute/regionBackendService:RegionBackendService"),
    _google("compute/regionUrlMap:RegionUrlMap"),
    _google("compute/router:Router"),
    _google("compute/routerNat:RouterNat"),
    _google("compute/subnetwork:Subnetwork"),
    _google("compute/vPNTunnel:VPNTunnel"),
    _google("dns/managedZone:ManagedZone"),
    Limit(
        token="gcp:serviceaccount/account:Account",
        key="accountId",
        letters=r"[a-z]([-a-z0-9]*[a-z0-9])",
        shortest=6,
        longest=30,
        source="SDK, `account_id`",
        breaks=("trimaran-production-the-payments", "Control", "edge", "a-name-"),
    ),
)


def refused(token: str, name: str, asked: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """Each property that the vendor would not take, and why. What is not known yet is known to the vendor only when it is made."""
    for limit in LIMITS:
        if limit.token == token:
            text = asked.get(limit.key, f"{name}{SUFFIX}" if limit.is_made_up else None)
            if isinstance(text, str) and text != rpc.UNKNOWN and not limit.takes(text):
                yield limit.key, f"{text!r}: expected {limit.shortest} to {limit.longest} of {limit.letters} ({limit.source})"
