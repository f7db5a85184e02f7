"""Who services, edges and clients are in the lab: certificates that name them by URI, of authorities that live as long as one lab.

Two authorities: the fleet's issues to services and edges and to nobody else, the clients' to whoever may come in with a certificate.
A client with a certificate of the fleet's could speak to services past every edge.
"""

import ipaddress
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from lab.addresses import LOCAL
from workload.access.identity import edge_name, service_name

LIFE = timedelta(days=30)
SKEW = timedelta(hours=1)
"""Certificates are valid from so long ago: the lab turns clocks."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Papers:
    """One certificate with its key, and the authority that issued it; PEM."""

    certificate: bytes = field(repr=False)
    authority: bytes

    @property
    def der(self) -> bytes:
        """The certificate alone, as its thumbprint is made from."""
        return x509.load_pem_x509_certificate(self.certificate).public_bytes(Encoding.DER)


class Authority:
    """Issues certificates until it is forgotten; its key is kept nowhere."""

    def __init__(self, name: str) -> None:
        self._key = ec.generate_private_key(ec.SECP256R1())
        self._name = x509.Name([x509.NameAttribute(NameOID.ORGANIZATION_NAME, name)])
        usage = x509.KeyUsage(
            digital_signature=False, content_commitment=False, key_encipherment=False, data_encipherment=False,
            key_agreement=False, key_cert_sign=True, crl_sign=True, encipher_only=False, decipher_only=False,
        )  # fmt: skip
        built = (
            _valid(x509.CertificateBuilder().subject_name(self._name).issuer_name(self._name), self._key.public_key())
            .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
            .add_extension(usage, critical=True)
        )
        self._certificate = built.sign(self._key, hashes.SHA256())

    @property
    def pem(self) -> bytes:
        """What is given to whoever trusts it."""
        return self._certificate.public_bytes(Encoding.PEM)

    def issue(self, uri: str, *hosts: str) -> Papers:
        """A certificate for both ends of a connection, with this name; `hosts`: DNS names for those who look for one."""
        key = ec.generate_private_key(ec.SECP256R1())
        names: list[x509.GeneralName] = [x509.UniformResourceIdentifier(uri), *map(x509.DNSName, hosts)]
        names.append(x509.IPAddress(ipaddress.ip_address(LOCAL)))
        subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, uri.rpartition("/")[2])])
        both = x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH, ExtendedKeyUsageOID.CLIENT_AUTH])
        issuer = x509.AuthorityKeyIdentifier.from_issuer_public_key(self._key.public_key())
        built = (
            _valid(x509.CertificateBuilder().subject_name(subject).issuer_name(self._name), key.public_key())
            .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
            .add_extension(x509.SubjectAlternativeName(names), critical=False)
            .add_extension(both, critical=False)
            .add_extension(issuer, critical=False)
        )
        certificate = built.sign(self._key, hashes.SHA256()).public_bytes(Encoding.PEM)
        secret = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
        return Papers(certificate=certificate + secret, authority=self.pem)


def _valid(builder: x509.CertificateBuilder, key: ec.EllipticCurvePublicKey) -> x509.CertificateBuilder:
    now = datetime.now(UTC)
    return (
        builder.public_key(key)
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - SKEW)
        .not_valid_after(now + LIFE)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key), critical=False)
    )


def service_host(service: str) -> str:
    """The DNS name in a service's certificate: HAProxy compares no other kind."""
    return f"{service}.service.trimaran.test"


def client_name(client: str) -> str:
    """The name in a client's certificate."""
    return f"trimaran://client/{client}"


def issue_fleet(services: Iterable[str], sites: Iterable[str]) -> Mapping[str, Papers]:
    """Papers by name, such as `trimaran://service/vault`: of every service, and of every site's edge towards services."""
    fleet = Authority("Trimaran lab fleet")
    found = {service_name(service): fleet.issue(service_name(service), service_host(service)) for service in services}
    return found | {edge_name(site): fleet.issue(edge_name(site)) for site in sites}


def issue_clients(clients: Iterable[str], *hosts: str) -> tuple[Papers, Mapping[str, Papers]]:
    """What an edge shows to clients for the names `hosts`, and every client's own papers by the client's name. The authority that
    clients are believed for is that of their papers."""
    door, authority = Authority("Trimaran lab door"), Authority("Trimaran lab clients")
    return door.issue("trimaran://door", *hosts), {client: authority.issue(client_name(client)) for client in clients}
