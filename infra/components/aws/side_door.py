"""Where the other sites come in, through the mesh: edges that hand requests over, and controllers that ask what an edge counted."""

from collections.abc import Sequence
from ipaddress import IPv4Address, IPv4Network

import pulumi
import pulumi_aws as aws

from infra.components.aws.guards import Guards
from infra.components.aws.network import Network, side_door_part
from infra.components.aws.runtime import Door
from infra.components.aws.ways import SIDE_DOOR
from infra.names import name_of
from infra.services import AGENT, EDGE_DOOR
from infra.settings import Settings

LONGEST = 32
HOST = 4
"""Its place in what is kept free for it."""


class SideDoor(pulumi.ComponentResource):
    """Private and static: instances come and go, and the other sites' settings name addresses. Bytes pass as they are: edges prove
    themselves to each other, end to end.

    It does not ask the beacon: whoever hands over knows the posture himself, and what an edge counted is asked most of all about a site
    that does not serve.
    """

    def __init__(
        self, name: str, settings: Settings, network: Network, guards: Guards, opts: pulumi.ResourceOptions | None = None
    ) -> None:
        super().__init__("trimaran:aws:SideDoor", name, None, opts)
        self._name, self._settings, self._child = name, settings, pulumi.ResourceOptions(parent=self)
        balancer = aws.lb.LoadBalancer(
            name,
            name=name_of(settings.environment, "side-door", longest=LONGEST),
            load_balancer_type="network",
            internal=True,
            subnet_mappings=[
                aws.lb.LoadBalancerSubnetMappingArgs(subnet_id=subnet.id, private_ipv4_address=str(address))
                for subnet, address in zip(network.services, side_doors(settings.site.services), strict=True)
            ],
            security_groups=[guards.of(SIDE_DOOR)],
            enable_cross_zone_load_balancing=True,
            enable_deletion_protection=True,
            opts=pulumi.ResourceOptions(parent=self, protect=True, depends_on=[*network.kept_free]),
        )
        opened = [self._open(balancer, network, part, port) for part, port in (("handed", EDGE_DOOR), ("agent", AGENT))]
        self.doors: Sequence[Door] = tuple(door for door, _ in opened)
        self.open: Sequence[pulumi.Resource] = tuple(listener for _, listener in opened)
        self.host: pulumi.Output[str] = balancer.dns_name
        """Leads to those of its addresses whose zone is well; whoever dials one of them waits for its zone."""
        self.register_outputs({})

    def _open(self, balancer: aws.lb.LoadBalancer, network: Network, part: str, port: int) -> tuple[Door, aws.lb.Listener]:
        targets = aws.lb.TargetGroup(
            f"{self._name}-{part}",
            name=name_of(self._settings.environment, part, longest=LONGEST),
            vpc_id=network.vpc.id,
            target_type="ip",
            protocol="TCP",
            port=port,
            # Instances let the balancer in, and it alone.
            preserve_client_ip="false",
            deregistration_delay=30,
            health_check=aws.lb.TargetGroupHealthCheckArgs(
                enabled=True, protocol="TCP", port=str(port), interval=5, timeout=2, healthy_threshold=2, unhealthy_threshold=2
            ),
            opts=self._child,
        )
        listener = aws.lb.Listener(
            f"{self._name}-{part}",
            load_balancer_arn=balancer.arn,
            port=port,
            protocol="TCP",
            default_actions=[aws.lb.ListenerDefaultActionArgs(type="forward", target_group_arn=targets.arn)],
            opts=pulumi.ResourceOptions(parent=self, protect=True),
        )
        return Door(targets=targets.arn, port=port), listener


def side_doors(zones: Sequence[IPv4Network]) -> tuple[IPv4Address, ...]:
    """Its addresses, one in each zone, among the services': the other sites let in and ask what is there."""
    return tuple(side_door_part(zone)[HOST] for zone in zones)
