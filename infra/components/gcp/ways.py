"""Who may open a connection to whom. Made from `services.PROGRAMS`: what is not named there is closed."""

from collections.abc import Mapping, Sequence

import pulumi
import pulumi_gcp as gcp

from infra.address_plan import PRIVATE
from infra.components.gcp.identities import Identities
from infra.components.gcp.network import Network
from infra.services import (
    AGENT,
    EDGE_DOOR,
    ETCD_CLIENT,
    ETCD_PEER,
    HTTPS,
    PROGRAMS,
    STREAMED,
    Program,
    Service,
)
from infra.settings import Settings
from infra.topology import Cloud

ANYWHERE = "0.0.0.0/0"
DNS = 53
NAMED, PRIVATE_CLOSED, OUTSIDE, CLOSED = 1000, 2000, 3000, 65000
"""Priorities, the smallest first: ways that are named; nothing else that is private; 443 to the outside for those who ask there; and
nothing."""

_LOGGED = gcp.compute.FirewallLogConfigArgs(metadata="INCLUDE_ALL_METADATA")

Addresses = Mapping[Service, pulumi.Input[str]]


class Ways(pulumi.ComponentResource):
    """Rules for who sends, by service account: what instances of Cloud Run open is filtered where it leaves. Rules for who receives stand
    only where something of ours listens in this network itself, at the control node.

    Nobody's rules reach two kinds of listeners: the databases, in Cloud SQL's own network, and balancers, whose proxies are Google's.
    What comes to them over the mesh is what the other sites let out; 5432 and the balancers' ports are all that listens there, and they
    ask for a password over TLS, and for a certificate.
    """

    def __init__(
        self,
        name: str,
        settings: Settings,
        *,
        network: Network,
        identities: Identities,
        balancers: Addresses,
        databases: Addresses,
        opts: pulumi.ResourceOptions | None = None,
    ) -> None:
        """`balancers`, `databases`: private addresses, by the service that stands behind."""
        super().__init__("trimaran:gcp:Ways", name, None, opts)
        self._name, self._network, self._identities = name, network, identities
        self._balancers, self._databases = balancers, databases
        plan = settings.network.plan()
        others = plan.others(settings.cloud).values()
        self._keys_elsewhere = [str(plan.sites[Cloud.AZURE].endpoints)]
        self._databases_elsewhere = [str(one.databases) for one in others]
        self._services_elsewhere = [str(one.environment) for one in others]
        self._control_elsewhere = [f"{one.control_node}/32" for one in others]
        self._control_here = f"{settings.site.control_node}/32"
        self._nothing_else()
        for program in PROGRAMS.values():
            self._of(program)
        self._of_edges()
        self._of_control()
        self.register_outputs({})

    def _nothing_else(self) -> None:
        """Google lets everything out unless it is told otherwise."""
        self._close("no-egress", CLOSED, to=[ANYWHERE])
        self._close("no-ingress", CLOSED, of=[ANYWHERE])
        self._close("no-private", PRIVATE_CLOSED, to=[str(one) for one in PRIVATE])

    def _close(self, what: str, priority: int, *, to: Sequence[str] | None = None, of: Sequence[str] | None = None) -> None:
        gcp.compute.Firewall(
            f"{self._name}-{what}",
            network=self._network.vpc.id,
            direction="INGRESS" if to is None else "EGRESS",
            priority=priority,
            denies=[gcp.compute.FirewallDenyArgs(protocol="all")],
            destination_ranges=to,
            source_ranges=of,
            log_config=_LOGGED,
            opts=pulumi.ResourceOptions(parent=self),
        )

    def _of(self, program: Program) -> None:
        sender, account = program.service, self._identities.services[program.service]
        for callee in program.calls:
            port = PROGRAMS[callee].port
            if port is None:
                raise pulumi.RunError(f"{sender} calls {callee}, which listens nowhere (infra/services.py)")
            self._send(f"{sender}-to-{callee}", account, [_alone(self._balancers[callee])], port)
        for database in program.databases:
            to: list[pulumi.Input[str]] = [_alone(self._databases[database]), *self._databases_elsewhere]
            self._send(f"{sender}-to-{database}-databases", account, to, STREAMED)
        if program.asks_keys:
            # Azure's key service alone has no public door: it is a private address of that site.
            self._send(f"{sender}-to-keys", account, self._keys_elsewhere, HTTPS)
        if program.asks_etcd:
            self._send(f"{sender}-to-etcd", account, [self._control_here, *self._control_elsewhere], ETCD_CLIENT)
        if program.asks_outside:
            self._send(f"{sender}-to-outside", account, [ANYWHERE], HTTPS, priority=OUTSIDE)

    def _of_edges(self) -> None:
        """Requests are handed over between edges of all sites."""
        self._send("edge-to-edges", self._identities.services[Service.EDGE], self._services_elsewhere, EDGE_DOOR)

    def _of_control(self) -> None:
        """The control node: a member of etcd, and a controller that fences, cuts and watches at every site."""
        account = self._identities.control
        databases: list[pulumi.Input[str]] = [*(_alone(one) for one in self._databases.values()), *self._databases_elsewhere]
        self._send("control-to-databases", account, databases, STREAMED)
        self._send("control-to-etcd", account, self._control_elsewhere, ETCD_CLIENT, ETCD_PEER)
        self._send("control-to-agents", account, [_alone(self._balancers[Service.EDGE]), *self._services_elsewhere], AGENT)
        self._send("control-to-outside", account, [ANYWHERE], HTTPS, priority=OUTSIDE)
        self._send("control-to-authorities", account, [ANYWHERE], DNS, priority=OUTSIDE, protocols=("tcp", "udp"))
        clients = [self._network.ranges[one] for one, program in PROGRAMS.items() if program.asks_etcd]
        self._receive("etcd-clients", account, [*clients, *self._services_elsewhere], ETCD_CLIENT)
        self._receive("etcd-members", account, self._control_elsewhere, ETCD_CLIENT, ETCD_PEER)

    def _send(
        self,
        what: str,
        account: gcp.serviceaccount.Account,
        to: Sequence[pulumi.Input[str]],
        *ports: int,
        priority: int = NAMED,
        protocols: Sequence[str] = ("tcp",),
    ) -> None:
        gcp.compute.Firewall(
            f"{self._name}-{what}",
            network=self._network.vpc.id,
            direction="EGRESS",
            priority=priority,
            allows=[
                gcp.compute.FirewallAllowArgs(protocol=protocol, ports=[str(port) for port in ports]) for protocol in protocols
            ],
            target_service_accounts=[account.email],
            destination_ranges=list(to),
            log_config=_LOGGED,
            opts=pulumi.ResourceOptions(parent=self),
        )

    def _receive(self, what: str, account: gcp.serviceaccount.Account, of: Sequence[pulumi.Input[str]], *ports: int) -> None:
        gcp.compute.Firewall(
            f"{self._name}-{what}",
            network=self._network.vpc.id,
            direction="INGRESS",
            priority=NAMED,
            allows=[gcp.compute.FirewallAllowArgs(protocol="tcp", ports=[str(port) for port in ports])],
            target_service_accounts=[account.email],
            source_ranges=list(of),
            log_config=_LOGGED,
            opts=pulumi.ResourceOptions(parent=self),
        )


def _alone(address: pulumi.Input[str]) -> pulumi.Output[str]:
    """This address and no other."""
    return pulumi.Output.from_input(address).apply(lambda one: f"{one}/32")
