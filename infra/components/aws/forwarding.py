"""Names that this network's resolver does not answer by itself."""

import pulumi
import pulumi_aws as aws

from infra.components.aws.network import Network
from infra.names import name_of
from infra.private_names import ANSWERED_AT_AZURE
from infra.settings import Settings
from infra.topology import Cloud


class Forwarding(pulumi.ComponentResource):
    """Whatever in this network asks for a name of Azure's servers or vaults is answered by Azure's resolver, through the mesh: services,
    the control node, and RDS (`postgres.PARAMETERS`). An address in each zone: the loss of one does not make the writer a stranger.

    Nothing of this asks anything before the mesh is there, and nothing else is handed on: the other sites' names are public.
    """

    def __init__(
        self,
        name: str,
        settings: Settings,
        network: Network,
        guard: pulumi.Input[str],
        opts: pulumi.ResourceOptions | None = None,
    ) -> None:
        super().__init__("trimaran:aws:Forwarding", name, None, opts)
        child = pulumi.ResourceOptions(parent=self)
        asker = aws.route53.ResolverEndpoint(
            name,
            name=name_of(settings.environment, "asks-azure"),
            direction="OUTBOUND",
            resolver_endpoint_type="IPV4",
            protocols=["Do53"],
            security_group_ids=[guard],
            ip_addresses=[aws.route53.ResolverEndpointIpAddressArgs(subnet_id=subnet.id) for subnet in network.services],
            opts=pulumi.ResourceOptions(parent=self, depends_on=[*network.kept_free]),
        )
        there = str(settings.network.plan().sites[Cloud.AZURE].resolver_address)
        for zone in ANSWERED_AT_AZURE:
            called = zone.replace(".", "-")
            rule = aws.route53.ResolverRule(
                f"{name}-{called}",
                name=name_of(settings.environment, called),
                domain_name=zone,
                rule_type="FORWARD",
                resolver_endpoint_id=asker.id,
                target_ips=[aws.route53.ResolverRuleTargetIpArgs(ip=there)],
                opts=child,
            )
            aws.route53.ResolverRuleAssociation(
                f"{name}-{called}",
                name=name_of(settings.environment, called),
                resolver_rule_id=rule.id,
                vpc_id=network.vpc.id,
                opts=child,
            )
        self.register_outputs({})
