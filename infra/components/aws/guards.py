"""Security groups, from the list of ways. No group lets anything through that the list does not name, in or out."""

from collections.abc import Mapping
from ipaddress import IPv4Network
from typing import assert_never

import pulumi
import pulumi_aws as aws

from infra.components.aws.network import Network
from infra.components.aws.ways import GUARDED, IMAGES, Guarded, Side, Way, ways
from infra.names import name_of
from infra.settings import Settings

Rule = aws.vpc.SecurityGroupEgressRule | aws.vpc.SecurityGroupIngressRule


class Guards(pulumi.ComponentResource):
    """A guard for each service, each database, both doors, the control node and AWS's own services. A way within the site stands in both
    guards: one that is opened by hand on one side stays closed on the other."""

    def __init__(
        self,
        name: str,
        settings: Settings,
        network: Network,
        images: pulumi.Input[str],
        opts: pulumi.ResourceOptions | None = None,
    ) -> None:
        """`images`: the list of S3's addresses."""
        super().__init__("trimaran:aws:Guards", name, None, opts)
        self._name, self._images = name, images
        self.groups: Mapping[Guarded, aws.ec2.SecurityGroup] = {one: self._group(settings, network, one) for one in GUARDED}
        for way in ways(settings.network.plan()):
            self._out(way)
            self._in(way)
        self.register_outputs({})

    def of(self, one: Guarded) -> pulumi.Output[str]:
        """Of its security group."""
        return self.groups[one].id

    def _group(self, settings: Settings, network: Network, one: Guarded) -> aws.ec2.SecurityGroup:
        return aws.ec2.SecurityGroup(
            f"{self._name}-{one.name}",
            name=name_of(settings.environment, one.name),
            description=f"Ways of {one.name}",
            vpc_id=network.vpc.id,
            tags={"Name": f"{self._name}-{one.name}"},
            opts=pulumi.ResourceOptions(parent=self),
        )

    def _out(self, way: Way) -> None:
        if isinstance(way.source, Guarded):
            self._open(aws.vpc.SecurityGroupEgressRule, way, "out", self.groups[way.source], way.target)

    def _in(self, way: Way) -> None:
        if isinstance(way.target, Guarded) and way.target != IMAGES:
            self._open(aws.vpc.SecurityGroupIngressRule, way, "in", self.groups[way.target], way.source)

    def _open(self, kind: type[Rule], way: Way, direction: str, group: aws.ec2.SecurityGroup, other: Side) -> None:
        """One way, in one guard."""
        cidr, guarded, prefixes = self._other(other)
        kind(
            self._rule(way, direction),
            security_group_id=group.id,
            ip_protocol=way.protocol,
            from_port=way.port,
            to_port=way.port,
            cidr_ipv4=cidr,
            referenced_security_group_id=guarded,
            prefix_list_id=prefixes,
            description=way.why,
            opts=pulumi.ResourceOptions(parent=self),
        )

    def _other(self, side: Side) -> tuple[str | None, pulumi.Input[str] | None, pulumi.Input[str] | None]:
        """A block of addresses, a guard, or a list of addresses: one of the three."""
        match side:
            case IPv4Network():
                return str(side), None, None
            case Guarded():
                return (None, None, self._images) if side == IMAGES else (None, self.groups[side].id, None)
            case _:
                assert_never(side)

    def _rule(self, way: Way, direction: str) -> str:
        source, target = (one.name if isinstance(one, Guarded) else str(one) for one in (way.source, way.target))
        return f"{self._name}-{source}-{target}-{way.protocol}-{way.port}-{direction}".replace("/", "-")
