"""One private network over three zones, and its ways out."""

from ipaddress import IPv4Network

import pulumi
import pulumi_aws as aws

from infra.address_plan import ZONES
from infra.settings import Settings

ANYWHERE = "0.0.0.0/0"


class Network(pulumi.ComponentResource):
    """Nothing in it has a public address but the gateways that let connections out. What has no reason to reach the internet has no route
    to it: databases reach the other sites through the mesh, which adds its routes to `tables`, and nothing else.

    Zones do not share a way out: with one for all, the loss of its zone would close every merchant to the two that are left.
    """

    def __init__(self, name: str, settings: Settings, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("trimaran:aws:Network", name, None, opts)
        self._name, self._child = name, pulumi.ResourceOptions(parent=self)
        self._zones = tuple(f"{settings.region}{letter}" for letter in "abc"[:ZONES])
        site = settings.site
        self.vpc = aws.ec2.Vpc(
            name,
            cidr_block=str(site.block),
            enable_dns_hostnames=True,
            enable_dns_support=True,
            opts=pulumi.ResourceOptions(parent=self, protect=True),
        )
        self._nothing_by_default()
        self._internet = aws.ec2.InternetGateway(name, vpc_id=self.vpc.id, opts=self._child)
        self.doors = self._zoned("door", site.doors)
        self.services = self._zoned("service", site.services)
        self.databases = self._zoned("database", site.database_zones)
        self.control = self._subnet("control", site.control, self._zones[0])
        zones = zip(self.services, site.services, self._zones, strict=True)
        self.kept_free: tuple[aws.ec2.SubnetCidrReservation, ...] = tuple(
            self._kept_free(subnet, block, zone[-1]) for subnet, block, zone in zones
        )
        """What takes an address by itself waits for these."""
        self._routes()
        self.register_outputs({})

    def _nothing_by_default(self) -> None:
        """What is made by hand in a hurry, without saying where it belongs, falls into these, and reaches nobody."""
        vpc = self.vpc
        aws.ec2.DefaultSecurityGroup(f"{self._name}-default", vpc_id=vpc.id, ingress=[], egress=[], opts=self._child)
        aws.ec2.DefaultRouteTable(
            f"{self._name}-default",
            default_route_table_id=vpc.default_route_table_id,
            routes=[],
            opts=self._child,
        )

    def _subnet(self, part: str, block: IPv4Network, zone: str) -> aws.ec2.Subnet:
        return aws.ec2.Subnet(
            f"{self._name}-{part}",
            vpc_id=self.vpc.id,
            cidr_block=str(block),
            availability_zone=zone,
            map_public_ip_on_launch=False,
            tags={"Name": f"{self._name}-{part}"},
            opts=self._child,
        )

    def _zoned(self, part: str, blocks: tuple[IPv4Network, ...]) -> tuple[aws.ec2.Subnet, ...]:
        return tuple(self._subnet(f"{part}-{zone[-1]}", block, zone) for zone, block in zip(self._zones, blocks, strict=True))

    def _kept_free(self, subnet: aws.ec2.Subnet, zone: IPv4Network, letter: str) -> aws.ec2.SubnetCidrReservation:
        """An instance takes any address that is free, and might have the side door's when the door is made anew."""
        return aws.ec2.SubnetCidrReservation(
            f"{self._name}-side-door-{letter}",
            subnet_id=subnet.id,
            cidr_block=str(side_door_part(zone)),
            reservation_type="explicit",
            opts=self._child,
        )

    def _routes(self) -> None:
        doors = self._table("doors", *self.doors)
        self._way_out("doors", doors, gateway_id=self._internet.id)
        gateways = tuple(self._gateway(subnet, zone[-1]) for subnet, zone in zip(self.doors, self._zones, strict=True))
        services = []
        for subnet, gateway, zone in zip(self.services, gateways, self._zones, strict=True):
            services.append(self._table(f"services-{zone[-1]}", subnet))
            self._way_out(f"services-{zone[-1]}", services[-1], nat_gateway_id=gateway.id)
        self.starting: tuple[aws.ec2.RouteTable, ...] = tuple(services)
        """Of those who load images."""
        databases = self._table("databases", *self.databases)
        control = self._table("control", self.control)
        self._way_out("control", control, nat_gateway_id=gateways[0].id)
        self.tables: tuple[aws.ec2.RouteTable, ...] = (doors, *services, databases, control)
        """Of everybody who speaks with other sites. The doors are among them: edges of other sites come in there."""

    def _table(self, part: str, *subnets: aws.ec2.Subnet) -> aws.ec2.RouteTable:
        # Routes are resources of their own, and the mesh adds some that this stack does not know: routes that stood in the table itself
        # would be all there may be, and the next `pulumi up` would cut the databases off from the other sites.
        table = aws.ec2.RouteTable(
            f"{self._name}-{part}",
            vpc_id=self.vpc.id,
            tags={"Name": f"{self._name}-{part}"},
            opts=pulumi.ResourceOptions(parent=self, ignore_changes=["routes", "propagatingVgws"]),
        )
        for number, subnet in enumerate(subnets):
            aws.ec2.RouteTableAssociation(
                f"{self._name}-{part}-{number}", route_table_id=table.id, subnet_id=subnet.id, opts=self._child
            )
        return table

    def _way_out(
        self,
        part: str,
        table: aws.ec2.RouteTable,
        *,
        gateway_id: pulumi.Input[str] | None = None,
        nat_gateway_id: pulumi.Input[str] | None = None,
    ) -> None:
        aws.ec2.Route(
            f"{self._name}-{part}-out",
            route_table_id=table.id,
            destination_cidr_block=ANYWHERE,
            gateway_id=gateway_id,
            nat_gateway_id=nat_gateway_id,
            opts=self._child,
        )

    def _gateway(self, subnet: aws.ec2.Subnet, letter: str) -> aws.ec2.NatGateway:
        """Its address is kept: merchants let webhooks in by it."""
        kept = pulumi.ResourceOptions(parent=self, protect=True)
        address = aws.ec2.Eip(f"{self._name}-out-{letter}", domain="vpc", opts=kept)
        return aws.ec2.NatGateway(
            f"{self._name}-out-{letter}",
            allocation_id=address.id,
            subnet_id=subnet.id,
            connectivity_type="public",
            opts=pulumi.ResourceOptions(parent=self, protect=True, depends_on=[self._internet]),
        )


def side_door_part(zone: IPv4Network) -> IPv4Network:
    """Sixteen addresses of a zone's services, behind the sixteen that begin with AWS's own."""
    return IPv4Network((int(zone.network_address) + 16, 28))
