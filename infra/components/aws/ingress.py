"""Where clients come in: one public address, and behind it a balancer that cannot read what it passes on."""

from collections.abc import Sequence

import pulumi
import pulumi_aws as aws

from infra.components.aws.guards import Guards
from infra.components.aws.network import Network
from infra.components.aws.runtime import Door
from infra.components.aws.ways import DOOR
from infra.names import name_of
from infra.services import HTTPS, PROGRAMS, Service
from infra.settings import Settings

LONGEST = 32
"""Letters of a balancer's name."""
BEACON = "/beacon"


class Ingress(pulumi.ComponentResource):
    """Static, and in three zones: the accelerator's address belongs to it for as long as it is there. The balancer behind it has none that
    is public. Both pass bytes on: clients' TLS ends at the edges, which see the certificates that tokens are bound to
    (docs/decisions/0012, 0019).

    Without an accelerator the balancer would have one address in each zone. A site has one address, because an endpoint of Traffic
    Manager's takes one: 1. the zone of that one is lost. 2. Edges and databases in the two others live on, and nobody reaches them. 3. Who
    keeps addresses longer than their TTL is turned away for as long as the zone is gone, by a site that could have served him.

    It listens when the site is live, and not before: there is no edge that could answer. Then it goes on listening, see `runtime.Runtime`.
    """

    def __init__(
        self, name: str, settings: Settings, network: Network, guards: Guards, opts: pulumi.ResourceOptions | None = None
    ) -> None:
        super().__init__("trimaran:aws:Ingress", name, None, opts)
        self._name, self._settings = name, settings
        self._child = pulumi.ResourceOptions(parent=self)
        self._kept = pulumi.ResourceOptions(parent=self, protect=True)
        self._balancer = self._make_balancer(network, guards.of(DOOR))
        port = PROGRAMS[Service.EDGE].port or HTTPS
        targets = self._targets(network, port)
        self.doors: Sequence[Door] = (Door(targets=targets.arn, port=port),)
        self.open: Sequence[pulumi.Resource] = (self._listener(targets),) if settings.live else ()
        self.address: pulumi.Output[str] = self._accelerator().ip_sets.apply(_first)
        self.register_outputs({})

    def _make_balancer(self, network: Network, guard: pulumi.Input[str]) -> aws.lb.LoadBalancer:
        return aws.lb.LoadBalancer(
            self._name,
            name=name_of(self._settings.environment, "door", longest=LONGEST),
            load_balancer_type="network",
            internal=True,
            subnets=[subnet.id for subnet in network.doors],
            # Given when it is made, or never; and without one an accelerator does not pass on whose address it was.
            security_groups=[guard],
            enable_cross_zone_load_balancing=True,
            enable_deletion_protection=True,
            opts=self._kept,
        )

    def _targets(self, network: Network, port: int) -> aws.lb.TargetGroup:
        """1. The site is drained, and its edges answer the beacon with 503. 2. With 200 alone as a sign of life the balancer finds all of
        them dead. 3. ECS ends and starts them, one after the other, for as long as the site is drained: what still comes is lost in place
        of handed over. So whoever answers the beacon lives; what he answers is for those who steer.

        Clients' addresses are kept. With the balancer's own in their place all connections to an edge would share the ports of a few
        addresses, and a failover brings all clients of another site at once. The edge's guard still lets in the door's alone
        (Elastic Load Balancing, "Security groups for your Network Load Balancer").
        """
        return aws.lb.TargetGroup(
            self._name,
            name=name_of(self._settings.environment, "edges", longest=LONGEST),
            vpc_id=network.vpc.id,
            target_type="ip",
            protocol="TCP",
            port=port,
            preserve_client_ip="true",
            deregistration_delay=30,
            health_check=aws.lb.TargetGroupHealthCheckArgs(
                enabled=True,
                protocol="HTTPS",
                port=str(port),
                path=BEACON,
                matcher="200,503",
                interval=5,
                timeout=2,
                healthy_threshold=2,
                unhealthy_threshold=2,
            ),
            opts=self._child,
        )

    def _listener(self, targets: aws.lb.TargetGroup) -> aws.lb.Listener:
        return aws.lb.Listener(
            self._name,
            load_balancer_arn=self._balancer.arn,
            port=HTTPS,
            protocol="TCP",
            default_actions=[aws.lb.ListenerDefaultActionArgs(type="forward", target_group_arn=targets.arn)],
            opts=self._kept,
        )

    def _accelerator(self) -> aws.globalaccelerator.Accelerator:
        accelerator = aws.globalaccelerator.Accelerator(
            self._name,
            name=name_of(self._settings.environment, "door"),
            ip_address_type="IPV4",
            enabled=True,
            opts=self._kept,
        )
        listener = aws.globalaccelerator.Listener(
            self._name,
            accelerator_arn=accelerator.arn,
            client_affinity="NONE",
            protocol="TCP",
            port_ranges=[aws.globalaccelerator.ListenerPortRangeArgs(from_port=HTTPS, to_port=HTTPS)],
            opts=self._child,
        )
        aws.globalaccelerator.EndpointGroup(
            self._name,
            listener_arn=listener.arn,
            endpoint_group_region=self._settings.region,
            endpoint_configurations=[
                aws.globalaccelerator.EndpointGroupEndpointConfigurationArgs(
                    endpoint_id=self._balancer.arn, client_ip_preservation_enabled=True, weight=128
                )
            ],
            opts=self._child,
        )
        return accelerator


def _first(sets: Sequence[aws.globalaccelerator.outputs.AcceleratorIpSet]) -> str:
    """An accelerator has two addresses; one of them is in the zone, as at the other sites."""
    return (sets[0].ip_addresses or [])[0]
