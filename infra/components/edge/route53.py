"""Route 53 as an authority for the zone.

The controllers send weighted records back as they read them, weight apart. Pulumi does the same the other way round with `ignore_changes`,
but by its own last state: an update that changes something else of these records would bring back old weights, a drained site's among
them. `pulumi up --refresh` reads them first; without it the controllers put them right at their next look.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import pulumi
import pulumi_aws as aws

from infra.components.edge.zone import (
    BEACON,
    INTERVAL,
    LASTING_TTL,
    MISSES,
    NAMESERVERS_TTL,
    PORT,
    TTL,
    Plan,
    RecordSet,
    stand,
)
from infra.topology import Cloud

WEIGHT = 80
"""Of each site to begin with. All of a name's add up to 240, as the controllers make them."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Route53Args:
    """What is served."""

    plan: Plan
    addresses: Mapping[Cloud, pulumi.Input[str]]
    """Public IPv4 address of each site's edge."""
    asked_for: pulumi.Input[Sequence[RecordSet]]


class Route53(pulumi.ComponentResource):
    """Promises that the weighted name is answered by weight with the sites whose edge says that it serves, and that the records stay."""

    zone_id: pulumi.Output[str]
    nameservers: pulumi.Output[Sequence[str]]

    def __init__(self, name: str, args: Route53Args, *, opts: pulumi.ResourceOptions) -> None:
        super().__init__("trimaran:edge:Route53", name, None, opts)
        self._name, self._plan = name, args.plan
        zone = aws.route53.Zone(
            f"{name}-zone",
            name=args.plan.domain,
            comment="One of three authorities; the others are Azure DNS and Cloud DNS",
            force_destroy=False,
            enable_accelerated_recovery=True,
            opts=self._kept(),
        )
        self.zone_id, self.nameservers = zone.zone_id, zone.name_servers
        for cloud, address in args.addresses.items():
            self._weigh(cloud, address)
        stand(args.plan, args.asked_for, self._record)
        self.register_outputs({})

    def delegate(self, nameservers: pulumi.Input[Sequence[str]]) -> None:
        """Name all authorities at the apex, in place of Route 53's own four."""
        aws.route53.Record(
            f"{self._name}-nameservers",
            zone_id=self.zone_id,
            name=self._plan.domain,
            type=aws.route53.RecordType.NS,
            ttl=NAMESERVERS_TTL,
            records=nameservers,
            allow_overwrite=True,
            opts=self._kept(),
        )

    def _weigh(self, cloud: Cloud, address: pulumi.Input[str]) -> None:
        check = aws.route53.HealthCheck(
            f"{self._name}-check-{cloud}",
            type="HTTPS",
            ip_address=address,
            fqdn=self._plan.asked_by,
            enable_sni=True,
            port=PORT,
            resource_path=BEACON,
            request_interval=INTERVAL,
            failure_threshold=MISSES,
            tags={"Name": self._plan.mark(cloud)},
            opts=self._kept(),
        )
        aws.route53.Record(
            f"{self._name}-weighted-{cloud}",
            zone_id=self.zone_id,
            name=self._plan.weighted,
            type=aws.route53.RecordType.A,
            ttl=TTL,
            records=[address],
            set_identifier=self._plan.mark(cloud),
            weighted_routing_policies=[aws.route53.RecordWeightedRoutingPolicyArgs(weight=WEIGHT)],
            health_check_id=check.id,
            opts=self._kept("weightedRoutingPolicies"),
        )

    def _record(self, one: RecordSet) -> None:
        aws.route53.Record(
            f"{self._name}-{self._plan.relative(one.name)}-{one.kind.lower()}",
            zone_id=self.zone_id,
            name=one.name,
            type=one.kind,
            ttl=LASTING_TTL,
            records=list(one.values),
            opts=pulumi.ResourceOptions(parent=self),
        )

    def _kept(self, *ignored: str) -> pulumi.ResourceOptions:
        return pulumi.ResourceOptions(parent=self, protect=True, ignore_changes=list(ignored))
