"""A private authority and the certificates it issues. The lab and `trimaran bootstrap` issue alike.

Keys are P-256, signatures SHA-256. An authority issues to ends only (path length 0). No revocation: a certificate ends by itself, and who
must not be believed before that is shut out with its authority.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from ipaddress import IPv4Address

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat, load_pem_private_key
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

SKEW = timedelta(hours=1)
"""Certificates are valid from so long ago: clocks differ."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Papers:
    """One certificate with its key, and the authority that issued it; PEM."""

    certificate: bytes = field(repr=False)
    authority: bytes

    @property
    def der(self) -> bytes:
        """The certificate alone, as its thumbprint is made from."""
        return x509.load_pem_x509_certificate(self.certificate).public_bytes(Encoding.DER)

    @property
    def public(self) -> bytes:
        """The certificate alone, PEM: what anybody may see."""
        return x509.load_pem_x509_certificate(self.certificate).public_bytes(Encoding.PEM)


@dataclass(frozen=True, slots=True, kw_only=True)
class Subject:
    """Whom a certificate is for. Its names are compared as a whole, each kind by who looks for that kind."""

    called: str
    """For people who look at it."""
    uris: tuple[str, ...] = ()
    """As programs of the fleet know each other."""
    hosts: tuple[str, ...] = ()
    """DNS names: HAProxy compares no other kind."""
    addresses: tuple[IPv4Address, ...] = ()
    """As etcd's members compare them with who is calling."""

    def __str__(self) -> str:
        return ", ".join((*self.uris, *self.hosts, *map(str, self.addresses)))


class Certificate:
    """An authority's, without its key: who is believed, and what it has issued."""

    def __init__(self, certificate: x509.Certificate) -> None:
        self._certificate = certificate

    @classmethod
    def read(cls, pem: bytes) -> "Certificate":
        """The first one in this PEM. Raises ValueError, which says nothing of what was read."""
        try:
            return Certificate(x509.load_pem_x509_certificate(pem))
        except ValueError as error:
            raise ValueError("expected a certificate, PEM") from error

    @property
    def pem(self) -> bytes:
        """What is given to whoever trusts it."""
        return self._certificate.public_bytes(Encoding.PEM)

    @property
    def fingerprint(self) -> str:
        """SHA-256 of the certificate, in hexadecimal digits: names are no proof."""
        return self._certificate.fingerprint(hashes.SHA256()).hex()

    @property
    def name(self) -> str:
        """As its certificates say it; empty when they do not."""
        found = self._certificate.subject.get_attributes_for_oid(NameOID.ORGANIZATION_NAME)
        return str(found[0].value) if found else ""

    @property
    def ends(self) -> datetime:
        """From then on nothing that it issued is believed."""
        return self._certificate.not_valid_after_utc

    def has_issued(self, certificate: bytes) -> bool:
        """Is this certificate, PEM, of this authority?"""
        try:
            x509.load_pem_x509_certificate(certificate).verify_directly_issued_by(self._certificate)
        except Exception:  # noqa: BLE001  whatever is wrong with it, it is none of ours
            return False
        return True


class Authority(Certificate):
    """Issues certificates for both ends of a connection."""

    def __init__(self, key: ec.EllipticCurvePrivateKey, certificate: x509.Certificate) -> None:
        super().__init__(certificate)
        self._key = key

    @classmethod
    def made(cls, name: str, *, now: datetime, life: timedelta) -> "Authority":
        """A new one."""
        key = ec.generate_private_key(ec.SECP256R1())
        named = x509.Name([x509.NameAttribute(NameOID.ORGANIZATION_NAME, name)])
        usage = x509.KeyUsage(
            digital_signature=False, content_commitment=False, key_encipherment=False, data_encipherment=False,
            key_agreement=False, key_cert_sign=True, crl_sign=True, encipher_only=False, decipher_only=False,
        )  # fmt: skip
        built = (
            _valid(x509.CertificateBuilder().subject_name(named).issuer_name(named), key.public_key(), now, life)
            .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
            .add_extension(usage, critical=True)
        )
        return cls(key, built.sign(key, hashes.SHA256()))

    @classmethod
    def read(cls, pem: bytes) -> "Authority":
        """What `sealed` wrote. Raises ValueError, which says nothing of what was read."""
        try:
            key, certificate = load_pem_private_key(pem, None), x509.load_pem_x509_certificate(pem)
        except (ValueError, TypeError) as error:
            raise ValueError("expected a certificate and its private key, PEM") from error
        if not isinstance(key, ec.EllipticCurvePrivateKey) or not _belongs(key, certificate):
            raise ValueError("expected the private key of the certificate beside it")
        return cls(key, certificate)

    @property
    def sealed(self) -> bytes:
        """Certificate and private key, PEM: whoever has it can be anybody."""
        return self.pem + _key_pem(self._key)

    def issue(self, subject: Subject, *, now: datetime, life: timedelta) -> Papers:
        """A new key and its certificate, for both ends of a connection."""
        key = ec.generate_private_key(ec.SECP256R1())
        names: list[x509.GeneralName] = [
            *map(x509.UniformResourceIdentifier, subject.uris),
            *map(x509.DNSName, subject.hosts),
            *map(x509.IPAddress, subject.addresses),
        ]
        called = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, subject.called)])
        both = x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH, ExtendedKeyUsageOID.CLIENT_AUTH])
        issuer = x509.AuthorityKeyIdentifier.from_issuer_public_key(self._key.public_key())
        blank = x509.CertificateBuilder().subject_name(called).issuer_name(self._certificate.subject)
        built = (
            _valid(blank, key.public_key(), now, life)
            .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
            .add_extension(x509.SubjectAlternativeName(names), critical=False)
            .add_extension(both, critical=False)
            .add_extension(issuer, critical=False)
        )
        certificate = built.sign(self._key, hashes.SHA256()).public_bytes(Encoding.PEM)
        return Papers(certificate=certificate + _key_pem(key), authority=self.pem)


@dataclass(frozen=True, slots=True, kw_only=True)
class Span:
    """From when until when a certificate is believed."""

    begins: datetime
    ends: datetime

    @classmethod
    def of(cls, certificate: bytes) -> "Span":
        """The first one in this PEM. Raises ValueError."""
        found = x509.load_pem_x509_certificate(certificate)
        return cls(begins=found.not_valid_before_utc, ends=found.not_valid_after_utc)

    def is_due(self, now: datetime) -> bool:
        """Is less than a third of its life left?"""
        return self.ends - now < (self.ends - self.begins) / 3


def holds_its_key(pem: bytes) -> bool:
    """Is this a certificate with the private key that belongs to it?"""
    try:
        key, certificate = load_pem_private_key(pem, None), x509.load_pem_x509_certificate(pem)
    except (ValueError, TypeError):
        return False
    return _belongs(key, certificate)


def certificates_in(pem: bytes) -> int:
    """How many there are. 0 for what is no PEM of certificates."""
    try:
        return len(x509.load_pem_x509_certificates(pem))
    except ValueError:
        return 0


def _belongs(key: object, certificate: x509.Certificate) -> bool:
    shown = certificate.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    public = getattr(key, "public_key", lambda: None)()
    return public is not None and bool(public.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo) == shown)


def _key_pem(key: ec.EllipticCurvePrivateKey) -> bytes:
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())


def _valid(
    builder: x509.CertificateBuilder, key: ec.EllipticCurvePublicKey, now: datetime, life: timedelta
) -> x509.CertificateBuilder:
    return (
        builder.public_key(key)
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - SKEW)
        .not_valid_after(now + life)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key), critical=False)
    )


def joined(parts: Iterable[bytes]) -> bytes:
    """PEM after PEM, each on lines of its own."""
    return b"".join(one.rstrip(b"\n") + b"\n" for one in parts)
