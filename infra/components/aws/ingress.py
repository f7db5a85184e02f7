"""Where clients come in: one public address, and the balancer behind it in which their TLS ends."""

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
POLICY = "ELBSecurityPolicy-TLS13-1-2-Res-2021-06"
BEACON = "/beacon"


class Ingress(pulumi.ComponentResource):
    """Static: the accelerator's address belongs to it and to nobody else for as long as it is there, and is announced from AWS's edges.
    They pass on what they cannot read: TLS ends here, in the region, at a balancer without a public address.

    It asks clients for their certificates and hands on what they show, unverified, in `X-Amzn-Mtls-Clientcert`: whose certificate opens
    what is for the edge to say, and a client without one still gets `/beacon`. Tokens are bound to it (RFC 8705).
    A certificate is given when the zones of all three clouds hold its records, which come after the sites: so the balancer listens when the
    site is live, and not before.
    """

    def __init__(
        self, name: str, settings: Settings, network: Network, guards: Guards, opts: pulumi.ResourceOptions | None = None
    ) -> None:
        super().__init__("trimaran:aws:Ingress", name, None, opts)
        self._name, self._settings = name, settings
        self._child = pulumi.ResourceOptions(parent=self)
        self._kept = pulumi.ResourceOptions(parent=self, protect=True)
        self._balancer = self._make_balancer(network, guards.of(DOOR))
        self._certificate = aws.acm.Certificate(
            name,
            domain_name=f"api.{settings.domain}",
            subject_alternative_names=[f"vault.{settings.domain}"],
            validation_method="DNS",
            key_algorithm="EC_prime256v1",
            opts=self._kept,
        )
        port = PROGRAMS[Service.EDGE].port or HTTPS
        targets = self._targets(network, port)
        self.doors: Sequence[Door] = (Door(targets=targets.arn, port=port),)
        self.open: Sequence[pulumi.Resource] = (self._listener(targets),) if settings.live else ()
        self.address: pulumi.Output[str] = self._accelerator().ip_sets.apply(_first)
        self.certificate_records: pulumi.Output[list[dict[str, str]]] = self._certificate.domain_validation_options.apply(
            _records
        )
        self.register_outputs({})

    def _make_balancer(self, network: Network, guard: pulumi.Input[str]) -> aws.lb.LoadBalancer:
        return aws.lb.LoadBalancer(
            self._name,
            name=name_of(self._settings.environment, "door", longest=LONGEST),
            load_balancer_type="application",
            internal=True,
            subnets=[subnet.id for subnet in network.doors],
            security_groups=[guard],
            enable_deletion_protection=True,
            drop_invalid_header_fields=True,
            desync_mitigation_mode="strictest",
            # HTTP/1.1 as at the edges (docs/decisions/0012). A client that keeps its connection outlives every TTL: after a minute it asks
            # for the name again.
            enable_http2=False,
            client_keep_alive=60,
            idle_timeout=60,
            xff_header_processing_mode="append",
            opts=self._kept,
        )

    def _targets(self, network: Network, port: int) -> aws.lb.TargetGroup:
        """1. The site is drained, and its edges answer the beacon with 503. 2. With 200 alone as a sign of life the balancer finds all of
        them dead. 3. ECS ends and starts them, one after the other, for as long as the site is drained: what still comes is lost in place
        of handed over. So whoever answers the beacon lives; what he answers is for those who steer."""
        return aws.lb.TargetGroup(
            self._name,
            name=name_of(self._settings.environment, "edges", longest=LONGEST),
            vpc_id=network.vpc.id,
            target_type="ip",
            protocol="HTTPS",
            protocol_version="HTTP1",
            port=port,
            load_balancing_algorithm_type="least_outstanding_requests",
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
        given = aws.acm.CertificateValidation(self._name, certificate_arn=self._certificate.arn, opts=self._child)
        return aws.lb.Listener(
            self._name,
            load_balancer_arn=self._balancer.arn,
            port=HTTPS,
            protocol="HTTPS",
            ssl_policy=POLICY,
            certificate_arn=given.certificate_arn,
            mutual_authentication=aws.lb.ListenerMutualAuthenticationArgs(mode="passthrough"),
            routing_http_response_server_enabled=False,
            default_actions=[aws.lb.ListenerDefaultActionArgs(type="forward", target_group_arn=targets.arn)],
            opts=self._child,
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


def _records(options: Sequence[aws.acm.outputs.CertificateDomainValidationOption]) -> list[dict[str, str]]:
    """Without the dot at the end, each once, in an order that does not change."""
    found = {
        (option.resource_record_name or "", option.resource_record_type or "", option.resource_record_value or "")
        for option in options
    }
    return [{"name": name.rstrip("."), "type": type_, "value": value.rstrip(".")} for name, type_, value in sorted(found)]
