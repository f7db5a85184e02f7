"""Balancers: the one public door, and the private ones in front of every program that others ask."""

from collections.abc import Mapping, Sequence

import pulumi
import pulumi_gcp as gcp

from infra.components.gcp.network import Network
from infra.components.gcp.trust import CLIENTS, Terms
from infra.services import HTTPS, Service
from infra.settings import Settings

PUBLIC_NAMES = ("api", "vault")

DOOR, WORD = "Edge-Door", "Edge-Word"
"""By which door a request came: Cloud Run gives a program one port, so that is said in a header instead. And what the edge knows its
balancers by (`trust.Word`); other programs are told none."""

HEADERS: Mapping[str, str] = {
    "Client-Cert-Present": "{client_cert_present}",
    "Client-Cert-Verified": "{client_cert_chain_verified}",
    "Client-Cert-Sha256": "{client_cert_sha256_fingerprint}",
    "Client-Cert-Names": "{client_cert_uri_sans}",
    "Client-Cert": "{client_cert_leaf}",
}
"""Who shows a certificate, in the balancer's own words: true or false twice; base64 of the digest; base64 of each URI, with commas;
RFC 9440 (Cloud Load Balancing documentation, "mTLS custom headers"). Whoever reads them must see both trues first: a certificate that
could not be verified is let through with its digest."""


class Door(pulumi.ComponentResource):
    """What a public and a private balancer have in common: a certificate that Google renews by a record in our zone, TLS 1.2 or newer, and
    headers that say who shows a certificate. Those replace whatever a client says there itself."""

    def __init__(
        self, token: str, name: str, settings: Settings, terms: Terms, scheme: str, opts: pulumi.ResourceOptions | None = None
    ) -> None:
        super().__init__(token, name, None, opts)
        self._name, self._settings, self._terms, self._scheme = name, settings, terms, scheme
        self.records: list[pulumi.Output[dict[str, str]]] = []
        """What has to stand in the zone for the certificates, for ever."""

    def _certificate(self, *domains: str) -> gcp.certificatemanager.Certificate:
        authorizations = []
        for domain in domains:
            one = gcp.certificatemanager.DnsAuthorization(
                f"{self._name}-{domain.partition('.')[0]}",
                location=self._settings.region,
                domain=domain,
                type="PER_PROJECT_RECORD",
                opts=pulumi.ResourceOptions(parent=self, protect=True),
            )
            authorizations.append(one)
            self.records.append(one.dns_resource_records.apply(_record))
        return gcp.certificatemanager.Certificate(
            self._name,
            location=self._settings.region,
            managed=gcp.certificatemanager.CertificateManagedArgs(
                domains=list(domains), dns_authorizations=[one.id for one in authorizations]
            ),
            opts=pulumi.ResourceOptions(parent=self, protect=True),
        )

    def _backend(self, instances: str) -> gcp.compute.RegionBackendService:
        """Whoever is called so at Cloud Run, once it is there. No health check: Cloud Run has its own, and none is asked of it."""
        group = gcp.compute.RegionNetworkEndpointGroup(
            self._name,
            region=self._settings.region,
            network_endpoint_type="SERVERLESS",
            cloud_run=gcp.compute.RegionNetworkEndpointGroupCloudRunArgs(service=instances),
            opts=pulumi.ResourceOptions(parent=self),
        )
        return gcp.compute.RegionBackendService(
            self._name,
            region=self._settings.region,
            load_balancing_scheme=self._scheme,
            protocol="HTTPS",
            backends=[
                gcp.compute.RegionBackendServiceBackendArgs(group=group.id, balancing_mode="UTILIZATION", capacity_scaler=1.0)
            ],
            log_config=gcp.compute.RegionBackendServiceLogConfigArgs(enable=True, sample_rate=1.0),
            opts=pulumi.ResourceOptions(parent=self),
        )

    def _target(
        self,
        door: str,
        backend: gcp.compute.RegionBackendService,
        certificate: gcp.certificatemanager.Certificate,
        policy: gcp.networksecurity.ServerTlsPolicy,
        word: pulumi.Input[str] | None,
    ) -> gcp.compute.RegionTargetHttpsProxy:
        said: Mapping[str, pulumi.Input[str]] = {DOOR: door, **HEADERS, **({} if word is None else {WORD: word})}
        ways = gcp.compute.RegionUrlMap(
            f"{self._name}-{door}",
            region=self._settings.region,
            default_service=backend.id,
            header_action=gcp.compute.RegionUrlMapHeaderActionArgs(
                request_headers_to_adds=[
                    gcp.compute.RegionUrlMapHeaderActionRequestHeadersToAddArgs(header_name=key, header_value=value, replace=True)
                    for key, value in said.items()
                ]
            ),
            opts=pulumi.ResourceOptions(parent=self),
        )
        return gcp.compute.RegionTargetHttpsProxy(
            f"{self._name}-{door}",
            region=self._settings.region,
            url_map=ways.id,
            certificate_manager_certificates=[certificate.id],
            ssl_policy=self._terms.ciphers.id,
            server_tls_policy=policy.id,
            opts=pulumi.ResourceOptions(parent=self),
        )


def _record(told: Sequence[gcp.certificatemanager.outputs.DnsAuthorizationDnsResourceRecord]) -> dict[str, str]:
    """The only one there is. Without it no certificate can be issued, and none renewed: better no stack than a site whose door closes."""
    (one,) = told
    if one.name is None or one.type is None or one.data is None:
        raise pulumi.RunError("a record for a certificate has no name, type or data: Google's answer is not what its SDK says")
    return {"name": one.name.rstrip("."), "type": one.type, "value": one.data.rstrip(".")}


class Ingress(Door):
    """The site's public door: one static address in the region, where the clients' TLS ends, under our law and not at some rim of Google's
    network. Only 443 is open."""

    def __init__(
        self,
        name: str,
        settings: Settings,
        *,
        network: Network,
        terms: Terms,
        word: pulumi.Input[str],
        instances: str,
        opts: pulumi.ResourceOptions | None = None,
    ) -> None:
        super().__init__("trimaran:gcp:Ingress", name, settings, terms, "EXTERNAL_MANAGED", opts)
        self.place = gcp.compute.Address(
            name,
            region=settings.region,
            address_type="EXTERNAL",
            network_tier="STANDARD",
            deletion_policy="PREVENT",
            opts=pulumi.ResourceOptions(parent=self, protect=True),
        )
        certificate = self._certificate(*(f"{one}.{settings.domain}" for one in PUBLIC_NAMES))
        target = self._target(CLIENTS, self._backend(instances), certificate, terms.asks, word)
        gcp.compute.ForwardingRule(
            name,
            region=settings.region,
            load_balancing_scheme="EXTERNAL_MANAGED",
            network_tier="STANDARD",
            network=network.vpc.id,
            ip_address=self.place.id,
            ip_protocol="TCP",
            port_range=f"{HTTPS}",
            target=target.id,
            opts=pulumi.ResourceOptions(parent=self, depends_on=[network.proxies]),
        )
        self.register_outputs({})


class Balancer(Door):
    """A private way to one program, for those that can show a certificate of ours: the connection ends here, since Cloud Run takes none
    with a client's certificate, and the program believes what the headers say."""

    def __init__(
        self,
        name: str,
        settings: Settings,
        *,
        service: Service,
        network: Network,
        terms: Terms,
        instances: str,
        doors: Mapping[str, int],
        word: pulumi.Input[str] | None = None,
        opts: pulumi.ResourceOptions | None = None,
    ) -> None:
        super().__init__("trimaran:gcp:Balancer", name, settings, terms, "INTERNAL_MANAGED", opts)
        self.place = gcp.compute.Address(
            name,
            region=settings.region,
            address_type="INTERNAL",
            subnetwork=network.balancers.id,
            purpose="SHARED_LOADBALANCER_VIP",
            opts=pulumi.ResourceOptions(parent=self, protect=True),
        )
        network.call(service, self.place.address, self)
        certificate, backend = self._certificate(f"{service}.{network.domain}"), self._backend(instances)
        for door, port in doors.items():
            target = self._target(door, backend, certificate, terms.demands, word)
            gcp.compute.ForwardingRule(
                f"{name}-{door}",
                region=settings.region,
                load_balancing_scheme="INTERNAL_MANAGED",
                network_tier="PREMIUM",
                network=network.vpc.id,
                subnetwork=network.balancers.id,
                ip_address=self.place.id,
                ip_protocol="TCP",
                port_range=f"{port}",
                allow_global_access=False,
                target=target.id,
                opts=pulumi.ResourceOptions(parent=self, depends_on=[network.proxies]),
            )
        self.register_outputs({})
