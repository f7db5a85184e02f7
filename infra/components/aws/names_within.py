"""By which names services of a site call each other: Cloud Map."""

from collections.abc import Mapping

import pulumi
import pulumi_aws as aws

from infra.components.aws.network import Network
from infra.names import APP
from infra.services import Service, callers_of
from infra.settings import Settings

SECONDS = 5
"""For which a resolver may keep an address. An instance that stops answers for a minute still."""


class NamesWithin(pulumi.ComponentResource):
    """A private name for everything that another service calls, with the addresses of its living instances, and nothing in between:
    services prove themselves to each other, end to end. (ECS's Service Connect puts a proxy into each instance: one more process on the
    way of every payment, which sees what goes in and out of it, for balancing that callers do themselves.)"""

    def __init__(self, name: str, settings: Settings, network: Network, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("trimaran:aws:NamesWithin", name, None, opts)
        child = pulumi.ResourceOptions(parent=self)
        self._zone = aws.servicediscovery.PrivateDnsNamespace(
            name,
            name=zone_within(settings),
            vpc=network.vpc.id,
            opts=pulumi.ResourceOptions(parent=self, protect=True),
        )
        self._services: Mapping[Service, aws.servicediscovery.Service] = {
            one: aws.servicediscovery.Service(
                f"{name}-{one}",
                name=one,
                dns_config=aws.servicediscovery.ServiceDnsConfigArgs(
                    namespace_id=self._zone.id,
                    routing_policy="MULTIVALUE",
                    dns_records=[aws.servicediscovery.ServiceDnsConfigDnsRecordArgs(type="A", ttl=SECONDS)],
                ),
                # ECS tells which instances live, by the containers' own checks.
                health_check_custom_config=aws.servicediscovery.ServiceHealthCheckCustomConfigArgs(failure_threshold=1),
                opts=child,
            )
            for one in Service
            if callers_of(one)
        }
        self.register_outputs({})

    def registry(self, one: Service) -> aws.ecs.ServiceServiceRegistriesArgs | None:
        """Where its instances are told of; None: nobody calls it by name."""
        found = self._services.get(one)
        return None if found is None else aws.ecs.ServiceServiceRegistriesArgs(registry_arn=found.arn)


def zone_within(settings: Settings) -> str:
    """`payments.` of it is what calls payments at this site, and what the certificates of its services name."""
    return f"{settings.environment}.{APP}.internal"
