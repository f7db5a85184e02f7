"""The site's private network: who has which addresses, and how one leaves."""

from collections.abc import Mapping

import pulumi
import pulumi_gcp as gcp

from infra.address_plan import SiteNetwork
from infra.private_names import ANSWERED_AT_AZURE, DATABASES_AT_AZURE
from infra.services import PROGRAMS, Service
from infra.settings import Settings
from infra.topology import Cloud

HALF = 23
"""Subnets of Google span a region's zones, so the zones' ranges of `services` are cut anew: one half of a zone's range for each service."""


def shares(site: SiteNetwork) -> tuple[Mapping[Service, str], str]:
    """Each service's range, and the one where internal balancers stand: beside the services, so that a rule of another site about this
    site's services is about what stands for them as well."""
    halves = [str(half) for zone in site.services for half in zone.subnets(new_prefix=HALF)]
    return dict(zip(Service, halves, strict=False)), halves[len(Service)]


class Network(pulumi.ComponentResource):
    """Nothing in it has a public address, and every subnet keeps a record of its flows. Who may speak with whom is in `ways.py`.

    Each service has a subnet of its own: a rule at the receiving end can tell instances of Cloud Run by their range only (Cloud Run
    documentation, "Direct VPC egress", limitations). The plan's `doors` stay empty: the public balancer is Google's and stands outside.
    """

    def __init__(self, name: str, settings: Settings, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("trimaran:gcp:Network", name, None, opts)
        self._name, self._settings, site = name, settings, settings.site
        self.vpc = gcp.compute.Network(
            name,
            auto_create_subnetworks=False,
            routing_mode="REGIONAL",
            delete_default_routes_on_create=False,
            opts=pulumi.ResourceOptions(parent=self, protect=True),
        )
        ranges, balancers = shares(site)
        self.ranges: Mapping[Service, str] = ranges
        self.services: Mapping[Service, gcp.compute.Subnetwork] = {one: self._subnet(one, block) for one, block in ranges.items()}
        self.balancers = self._subnet("balancers", balancers)
        self.control = self._subnet("control", str(site.control))
        self.proxies = gcp.compute.Subnetwork(
            f"{name}-proxies",
            network=self.vpc.id,
            region=settings.region,
            ip_cidr_range=str(site.proxies),
            purpose="REGIONAL_MANAGED_PROXY",
            role="ACTIVE",
            opts=pulumi.ResourceOptions(parent=self),
        )
        self.lent, self.peering = self._lend(site)
        self.exit = self._exit()
        gcp.dns.Policy(
            f"{name}-questions",
            enable_logging=True,
            enable_inbound_forwarding=False,
            networks=[gcp.dns.PolicyNetworkArgs(network_url=self.vpc.id)],
            opts=pulumi.ResourceOptions(parent=self),
        )
        self.zone = self._zone()
        self._ask_azure()
        self.register_outputs({})

    @property
    def domain(self) -> str:
        """Of the names that are known in this network only."""
        return internal_domain(self._settings)

    def call(self, host: str, address: pulumi.Input[str], parent: pulumi.Resource) -> None:
        """Give an address of the network a name."""
        gcp.dns.RecordSet(
            f"{self._name}-{host}",
            managed_zone=self.zone.name,
            name=f"{host}.{self.domain}.",
            type="A",
            ttl=60,
            rrdatas=[address],
            opts=pulumi.ResourceOptions(parent=parent),
        )

    def _subnet(self, what: str, block: str) -> gcp.compute.Subnetwork:
        return gcp.compute.Subnetwork(
            f"{self._name}-{what}",
            network=self.vpc.id,
            region=self._settings.region,
            ip_cidr_range=block,
            purpose="PRIVATE",
            private_ip_google_access=True,
            stack_type="IPV4_ONLY",
            log_config=gcp.compute.SubnetworkLogConfigArgs(
                aggregation_interval="INTERVAL_1_MIN", flow_sampling=1.0, metadata="INCLUDE_ALL_METADATA"
            ),
            opts=pulumi.ResourceOptions(parent=self),
        )

    def _lend(self, site: SiteNetwork) -> tuple[gcp.compute.GlobalAddress, gcp.servicenetworking.Connection]:
        """The range of the databases, lent to Cloud SQL's own network, which is told the way to the other sites.

        Without the export its servers answer to nobody outside of this network: a follower in another cloud would never get a byte.
        The connection cannot be deleted while there are servers, so it is left alone when this stack goes.
        """
        lent = gcp.compute.GlobalAddress(
            f"{self._name}-databases",
            purpose="VPC_PEERING",
            address_type="INTERNAL",
            address=str(site.databases.network_address),
            prefix_length=site.databases.prefixlen,
            network=self.vpc.id,
            opts=pulumi.ResourceOptions(parent=self, protect=True),
        )
        peering = gcp.servicenetworking.Connection(
            f"{self._name}-databases",
            network=self.vpc.id,
            service="servicenetworking.googleapis.com",
            reserved_peering_ranges=[lent.name],
            deletion_policy="ABANDON",
            opts=pulumi.ResourceOptions(parent=self, protect=True),
        )
        gcp.compute.NetworkPeeringRoutesConfig(
            f"{self._name}-databases",
            network=self.vpc.name,
            peering=peering.peering,
            export_custom_routes=True,
            import_custom_routes=False,
            opts=pulumi.ResourceOptions(parent=self),
        )
        return lent, peering

    def _exit(self) -> gcp.compute.Address:
        """One static address for all who ask outside, so that an issuer or a merchant can tell us from others. Nobody else gets out."""
        address = gcp.compute.Address(
            f"{self._name}-exit",
            region=self._settings.region,
            address_type="EXTERNAL",
            network_tier="PREMIUM",
            opts=pulumi.ResourceOptions(parent=self, protect=True),
        )
        router = gcp.compute.Router(
            f"{self._name}-exit",
            region=self._settings.region,
            network=self.vpc.id,
            opts=pulumi.ResourceOptions(parent=self),
        )
        leavers = [self.services[one] for one, program in PROGRAMS.items() if program.asks_outside]
        gcp.compute.RouterNat(
            f"{self._name}-exit",
            region=self._settings.region,
            router=router.name,
            nat_ip_allocate_option="MANUAL_ONLY",
            nat_ips=[address.self_link],
            source_subnetwork_ip_ranges_to_nat="LIST_OF_SUBNETWORKS",
            subnetworks=[
                gcp.compute.RouterNatSubnetworkArgs(name=one.id, source_ip_ranges_to_nats=["ALL_IP_RANGES"])
                for one in (*leavers, self.control)
            ],
            log_config=gcp.compute.RouterNatLogConfigArgs(enable=True, filter="ALL"),
            opts=pulumi.ResourceOptions(parent=self),
        )
        return address

    def _zone(self) -> gcp.dns.ManagedZone:
        return gcp.dns.ManagedZone(
            f"{self._name}-names",
            dns_name=f"{self.domain}.",
            description="Names of this network",
            visibility="private",
            private_visibility_config=self._seen_here(),
            force_destroy=False,
            opts=pulumi.ResourceOptions(parent=self, protect=True),
        )

    def _ask_azure(self) -> None:
        """Names that Azure's resolver alone answers are asked for there, through the mesh. Google's own network, where Cloud SQL's servers
        stand, is told to ask this one for those of databases (Service Networking API, `peeredDnsDomains`): they follow some."""
        there = str(self._settings.network.plan().sites[Cloud.AZURE].resolver_address)
        target = gcp.dns.ManagedZoneForwardingConfigTargetNameServerArgs(ipv4_address=there, forwarding_path="private")
        for zone in ANSWERED_AT_AZURE:
            gcp.dns.ManagedZone(
                f"{self._name}-{zone.replace('.', '-')}",
                dns_name=f"{zone}.",
                description="Asked for at Azure",
                visibility="private",
                private_visibility_config=self._seen_here(),
                forwarding_config=gcp.dns.ManagedZoneForwardingConfigArgs(target_name_servers=[target]),
                force_destroy=False,
                opts=pulumi.ResourceOptions(parent=self, protect=True),
            )
        gcp.servicenetworking.PeeredDnsDomain(
            f"{self._name}-databases",
            network=self.vpc.name,
            service="servicenetworking.googleapis.com",
            dns_suffix=f"{DATABASES_AT_AZURE}.",
            opts=pulumi.ResourceOptions(parent=self, depends_on=[self.peering]),
        )

    def _seen_here(self) -> gcp.dns.ManagedZonePrivateVisibilityConfigArgs:
        """In this network and no other."""
        here = gcp.dns.ManagedZonePrivateVisibilityConfigNetworkArgs(network_url=self.vpc.id)
        return gcp.dns.ManagedZonePrivateVisibilityConfigArgs(networks=[here])


def internal_domain(settings: Settings) -> str:
    """`gcp.internal.pay.example.com`, say."""
    return f"{settings.role}.internal.{settings.domain}"
