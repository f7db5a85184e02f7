"""Cloud DNS as an authority for the zone."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import pulumi
from pulumi_gcp import compute, dns

from infra.components.edge.zone import BEACON, LASTING_TTL, NAMESERVERS_TTL, PORT, TTL, Kind, Plan, RecordSet, absolute, stand
from infra.names import name_of
from infra.settings import Settings
from infra.topology import Cloud, Jurisdiction

WEIGHT = 80.0
"""Of each site to begin with. All of a name's add up to 240, as the controllers make them."""

EVERY, PATIENCE, MISSES = 30, 5, 2
"""Seconds between two questions of a health check, seconds for an answer, and how many in a row have to fail. Google allows no shorter
interval for addresses that are not its own; one lost answer drains nobody."""

CHECKED_FROM: Mapping[Jurisdiction, tuple[str, ...]] = {
    Jurisdiction.EU: ("europe-west1", "europe-west4", "europe-north1", "europe-west9"),
    Jurisdiction.US: ("us-east1", "us-central1", "us-west2", "us-west1"),
}
"""Regions that health checks may ask from, under the law of the sites."""
VANTAGES = 3
"""Google wants exactly three."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CloudDnsArgs:
    """What is served."""

    settings: Settings
    plan: Plan
    addresses: Mapping[Cloud, pulumi.Input[str]]
    """Public IPv4 address of each site's edge."""
    asked_for: pulumi.Input[Sequence[RecordSet]]


class CloudDns(pulumi.ComponentResource):
    """Promises that the weighted name is answered by weight with the sites whose edge says that it serves, and that the records stay."""

    zone: pulumi.Output[str]
    nameservers: pulumi.Output[Sequence[str]]

    def __init__(self, name: str, args: CloudDnsArgs, *, opts: pulumi.ResourceOptions) -> None:
        super().__init__("trimaran:edge:CloudDns", name, None, opts)
        self._name, self._args, self._plan = name, args, args.plan
        zone = dns.ManagedZone(
            f"{name}-zone",
            name=name_of(args.settings.environment, "zone"),
            dns_name=absolute(args.plan.domain),
            description="One of three authorities; the others are Route 53 and Azure DNS",
            visibility="public",
            dnssec_config=dns.ManagedZoneDnssecConfigArgs(state="off"),
            cloud_logging_config=dns.ManagedZoneCloudLoggingConfigArgs(enable_logging=True),
            force_destroy=False,
            deletion_policy="PREVENT",
            opts=self._kept(),
        )
        self.zone, self.nameservers = zone.name, zone.name_servers
        self._weigh()
        stand(args.plan, args.asked_for, self._record)
        self.register_outputs({})

    def delegate(self, nameservers: pulumi.Input[Sequence[str]]) -> None:
        """Name all authorities at the apex, in place of Google's own four."""
        dns.RecordSet(
            f"{self._name}-nameservers",
            managed_zone=self.zone,
            name=absolute(self._plan.domain),
            type="NS",
            ttl=NAMESERVERS_TTL,
            rrdatas=nameservers,
            opts=self._kept(),
        )

    def _weigh(self) -> None:
        check = compute.HealthCheck(
            f"{self._name}-check",
            name=name_of(self._args.settings.environment, "beacon"),
            check_interval_sec=EVERY,
            timeout_sec=PATIENCE,
            unhealthy_threshold=MISSES,
            healthy_threshold=MISSES,
            source_regions=list(vantages(self._args.settings)),
            https_health_check=compute.HealthCheckHttpsHealthCheckArgs(
                host=self._plan.asked_by, port=PORT, port_specification="USE_FIXED_PORT", request_path=BEACON
            ),
            opts=self._kept(),
        )
        targets = dns.RecordSetRoutingPolicyWrrHealthCheckedTargetsArgs
        dns.RecordSet(
            f"{self._name}-weighted",
            managed_zone=self.zone,
            name=absolute(self._plan.weighted),
            type=Kind.A,
            ttl=TTL,
            routing_policy=dns.RecordSetRoutingPolicyArgs(
                health_check=check.id,
                wrrs=[
                    dns.RecordSetRoutingPolicyWrrArgs(weight=WEIGHT, health_checked_targets=targets(external_endpoints=[address]))
                    for address in self._args.addresses.values()
                ],
            ),
            opts=self._kept("routingPolicy"),
        )

    def _record(self, one: RecordSet) -> None:
        values = [absolute(value) if one.kind is Kind.CNAME else value for value in one.values]
        dns.RecordSet(
            f"{self._name}-{self._plan.relative(one.name)}-{one.kind.lower()}",
            managed_zone=self.zone,
            name=absolute(one.name),
            type=one.kind,
            ttl=LASTING_TTL,
            rrdatas=[f'"{value}"' if one.kind is Kind.TXT else value for value in values],
            opts=pulumi.ResourceOptions(parent=self),
        )

    def _kept(self, *ignored: str) -> pulumi.ResourceOptions:
        return pulumi.ResourceOptions(parent=self, protect=True, ignore_changes=list(ignored))


def vantages(settings: Settings) -> tuple[str, ...]:
    """Three regions that are not the site's own: a region that is cut off would take its own neighbours for dead."""
    topology = settings.topology.topology()
    elsewhere = (one for one in CHECKED_FROM[topology.jurisdiction] if one != topology.regions[Cloud.GCP])
    return tuple(elsewhere)[:VANTAGES]
