"""Azure as an authority for the zone: Azure DNS, and a Traffic Manager profile that answers the weighted name by weight.

Zone and profile stand in the site's own resource group: the controllers know one group at Azure. What is in it and global, as these are,
does not go down with the group's region.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pulumi
from pulumi_azure_native import authorization, dns, resources, trafficmanager

from infra.components.edge.zone import (
    APEX,
    BEACON,
    GROUP,
    INTERVAL,
    LASTING_TTL,
    MISSES,
    NAMESERVERS_TTL,
    PORT,
    TTL,
    Kind,
    Plan,
    RecordSet,
    stand,
)
from infra.names import APP, name_of
from infra.settings import Settings
from infra.tags import tags
from infra.topology import Cloud

WEIGHT = 280
"""Of each site to begin with. All of a profile's add up to 840, as the controllers make them."""
PATIENCE = 5
"""Seconds for one answer to a health check. With questions every ten, Azure allows 5 to 9."""
NOWHERE = "global"
API = "2018-05-01"
"""Of Azure DNS, in the template below."""


@dataclass(frozen=True, slots=True, kw_only=True)
class AzureDnsArgs:
    """What is served."""

    settings: Settings
    group: pulumi.Input[str]
    plan: Plan
    addresses: Mapping[Cloud, pulumi.Input[str]]
    """Public IPv4 address of each site's edge. An alias at Azure takes addresses alone, and no names."""
    asked_for: pulumi.Input[Sequence[RecordSet]]


class AzureDns(pulumi.ComponentResource):
    """Promises that the weighted name is answered by weight with the sites whose edge says that it serves, and that the records stay."""

    id: pulumi.Output[str]
    zone: pulumi.Output[str]
    nameservers: pulumi.Output[Sequence[str]]

    def __init__(self, name: str, args: AzureDnsArgs, *, opts: pulumi.ResourceOptions) -> None:
        super().__init__("trimaran:edge:AzureDns", name, None, opts)
        self._name, self._args, self._plan = name, args, args.plan
        zone = dns.Zone(
            f"{name}-zone",
            resource_group_name=args.group,
            zone_name=args.plan.domain,
            location=NOWHERE,
            zone_type=dns.ZoneType.PUBLIC,
            tags=tags(args.settings, "none"),
            opts=self._kept(),
        )
        authorization.ManagementLockByScope(
            f"{name}-lock",
            scope=zone.id,
            level=authorization.LockLevel.CAN_NOT_DELETE,
            lock_name=name_of(args.settings.environment, "zone"),
            notes="Without this zone a third of all questions goes unanswered",
            opts=self._kept(),
        )
        self.id, self.zone, self.nameservers = zone.id, zone.name, zone.name_servers
        self._weigh()
        stand(args.plan, args.asked_for, self._record)
        self.register_outputs({})

    def delegate(self, nameservers: pulumi.Input[Sequence[str]]) -> None:
        """Name all authorities at the apex, beside Azure's own four, which it does not let go.

        By a template: the record set comes with the zone, and a resource of its own would be refused as already existing
        (pulumi/pulumi#16732), where a template is put over what is there.
        """

        def template(named: Sequence[str]) -> dict[str, Any]:
            properties = {"TTL": NAMESERVERS_TTL, "NSRecords": [{"nsdname": server} for server in named]}
            record = {
                "type": "Microsoft.Network/dnsZones/NS",
                "apiVersion": API,
                "name": f"{self._plan.domain}/{APEX}",
                "properties": properties,
            }
            schema = "https://schema.management.azure.com/schemas/2019-04-01/deploymentTemplate.json#"
            return {"$schema": schema, "contentVersion": "1.0.0.0", "resources": [record]}

        resources.Deployment(
            f"{self._name}-nameservers",
            resource_group_name=self._args.group,
            deployment_name=name_of(self._args.settings.environment, "nameservers"),
            properties=resources.DeploymentPropertiesArgs(
                mode=resources.DeploymentMode.INCREMENTAL, template=pulumi.Output.from_input(nameservers).apply(template)
            ),
            opts=pulumi.ResourceOptions(parent=self, protect=True),
        )

    def _weigh(self) -> None:
        """The profile, its endpoints, and the name that is an alias of it. The controllers put profiles as a whole, endpoints and all."""
        args, plan = self._args, self._plan
        profile = trafficmanager.Profile(
            f"{self._name}-weighted",
            resource_group_name=args.group,
            profile_name=plan.profile,
            location=NOWHERE,
            traffic_routing_method=trafficmanager.TrafficRoutingMethod.WEIGHTED,
            profile_status=trafficmanager.ProfileStatus.ENABLED,
            dns_config=trafficmanager.DnsConfigArgs(relative_name=plan.profile, ttl=TTL),
            monitor_config=trafficmanager.MonitorConfigArgs(
                protocol=trafficmanager.MonitorProtocol.HTTPS,
                port=PORT,
                path=BEACON,
                custom_headers=[trafficmanager.MonitorConfigCustomHeadersItemArgs(name="Host", value=plan.asked_by)],
                interval_in_seconds=INTERVAL,
                timeout_in_seconds=PATIENCE,
                tolerated_number_of_failures=MISSES - 1,
            ),
            tags={**tags(args.settings, "none"), APP: GROUP},
            opts=self._kept("endpoints"),
        )
        for cloud, address in args.addresses.items():
            trafficmanager.Endpoint(
                f"{self._name}-weighted-{cloud}",
                resource_group_name=args.group,
                profile_name=profile.name,
                endpoint_name=cloud,
                endpoint_type="ExternalEndpoints",
                target=address,
                weight=WEIGHT,
                endpoint_status=trafficmanager.EndpointStatus.ENABLED,
                opts=self._kept("weight", "endpointStatus"),
            )
        dns.RecordSet(
            f"{self._name}-weighted-name",
            resource_group_name=args.group,
            zone_name=self.zone,
            relative_record_set_name=plan.relative(plan.weighted),
            record_type=Kind.A,
            ttl=TTL,
            target_resource=dns.SubResourceArgs(id=profile.id),
            opts=self._kept(),
        )

    def _record(self, one: RecordSet) -> None:
        relative = self._plan.relative(one.name)
        dns.RecordSet(
            f"{self._name}-{relative}-{one.kind.lower()}",
            resource_group_name=self._args.group,
            zone_name=self.zone,
            relative_record_set_name=relative,
            record_type=one.kind,
            ttl=LASTING_TTL,
            a_records=[dns.ARecordArgs(ipv4_address=value) for value in one.values] if one.kind is Kind.A else None,
            cname_record=dns.CnameRecordArgs(cname=one.values[0]) if one.kind is Kind.CNAME else None,
            txt_records=[dns.TxtRecordArgs(value=[value]) for value in one.values] if one.kind is Kind.TXT else None,
            opts=pulumi.ResourceOptions(parent=self),
        )

    def _kept(self, *ignored: str) -> pulumi.ResourceOptions:
        return pulumi.ResourceOptions(parent=self, protect=True, ignore_changes=list(ignored))
