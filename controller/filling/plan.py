"""What belongs into which place of which site, as data. Pure, and without a secret: it says where each comes from.

The places themselves are made by the infrastructure program (`infra.services`, `infra.nodes`), which is not imported here; a test compares
both lists.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum
from ipaddress import IPv4Address

from controller.issuing import names
from controller.issuing.archive import Issuer
from controller.issuing.authority import Subject
from controller.manifest.etcd import MEMBER
from controller.settings import password_variable

AWS, AZURE, GCP = SITES = ("aws", "azure", "gcp")

LIFE: Mapping[str, timedelta] = {AWS: timedelta(days=365), AZURE: timedelta(days=351), GCP: timedelta(days=337)}
"""Of a site's certificates. 1. All are issued on one day. 2. Nobody renews them. 3. All three sites fall silent in the same minute, and
there is no site left to fail over to. With these, sites end two weeks apart."""

EDGE, CONTROL = "edge", "control"
PASSWORDS: Mapping[str, tuple[str, str]] = {
    "payments": ("payments", "app"),
    "vault": ("vault", "app"),
    "webhooks": ("payments", "webhooks"),
}
"""By program: whose database it dials, and as which of its roles."""
SERVICES = ("payments", "vault", "screening", "webhooks")
WATCHED = (("payments", "control"), ("payments", "stream"), ("vault", "control"), ("vault", "stream"))
"""Roles whose passwords a controller's settings need."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Issued:
    """A new key, and its certificate of this authority. Renewed before it ends."""

    issuer: Issuer
    subject: Subject

    def __str__(self) -> str:
        return f"a key, and its certificate of {self.issuer} for {self.subject}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Trusted:
    """Whom a program believes: the certificate of this authority."""

    issuer: Issuer
    beside: str = ""
    """Name of a file that may be given: certificates of others who are believed as well."""

    def __str__(self) -> str:
        return f"the certificate of {self.issuer}" + (f", and of {self.beside} where it is given" if self.beside else "")


@dataclass(frozen=True, slots=True, kw_only=True)
class Others:
    """Whom a program believes who is nobody of ours."""

    beside: str
    """Name of a file that may be given; without it nobody is believed."""

    def __str__(self) -> str:
        return f"certificates of {self.beside} where it is given, and else nobody's"


@dataclass(frozen=True, slots=True, kw_only=True)
class Password:
    """Of a database role: one at all sites, from the environment."""

    variable: str

    def __str__(self) -> str:
        return f"${self.variable}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Passwords:
    """Several of them, as lines of an environment file."""

    variables: tuple[str, ...]

    def __str__(self) -> str:
        return ", ".join(f"${one}" for one in self.variables)


class Kind(StrEnum):
    """What a given file holds."""

    SETTINGS = "settings, TOML, with this site's name in `site`"
    TABLE = "TOML"
    DOOR = "a certificate for clients' names with its chain and its private key, PEM"
    AUTHORITIES = "certificates of authorities, PEM, and no key"
    WORD = "the word that the balancers say, 32 letters or digits at least, or two of them on two lines"


@dataclass(frozen=True, slots=True, kw_only=True)
class Given:
    """A file that somebody else made."""

    file: str
    """Below the directory of given files, in a folder of the site or in none."""
    kind: Kind

    def __str__(self) -> str:
        return f"the file {self.file}: {self.kind}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Token:
    """What orders to controllers carry, made by chance once for all sites."""

    def __str__(self) -> str:
        return "what orders to controllers carry, made by chance"


Source = Issued | Trusted | Others | Password | Passwords | Given | Token


def passwords_in(source: Source) -> tuple[str, ...]:
    """Variables of the passwords that are in it."""
    match source:
        case Password(variable=variable):
            return (variable,)
        case Passwords(variables=several):
            return several
        case _:
            return ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """One place of one site."""

    site: str
    name: str
    """`READER/NAME`, as the site's stack exports it."""
    source: Source

    def __str__(self) -> str:
        return f"{self.site}:{self.name}"


def plan(nodes: Mapping[str, IPv4Address]) -> tuple[Place, ...]:
    """Every place of every site. `nodes`: private address of each site's control node."""
    return tuple(
        Place(site=site, name=f"{reader}/{name}", source=source)
        for site in SITES
        for reader, name, source in (*_services(), *_edge(site), *_control(site, nodes[site]))
    )


def password_of(program: str) -> str:
    """The variable with the password that this program dials its database with."""
    return password_variable(*PASSWORDS[program])


Row = tuple[str, str, Source]


def _services() -> Iterator[Row]:
    for service in SERVICES:
        subject = Subject(called=service, uris=(names.service_name(service),), hosts=(names.service_host(service),))
        yield service, "settings", Given(file=f"{service}/settings.toml", kind=Kind.SETTINGS)
        yield service, "identity", Issued(issuer=Issuer.FLEET, subject=subject)
        yield service, "authority", Trusted(issuer=Issuer.FLEET)
        if service in PASSWORDS:
            yield service, "password", Password(variable=password_of(service))
    yield "webhooks", "merchants", Given(file="webhooks/merchants.toml", kind=Kind.TABLE)


def _edge(site: str) -> Iterator[Row]:
    """To services it is one of the fleet, to other edges a site, to etcd a client, who may write as well as read: with one certificate
    for all, a service could hand requests over and say whose they are."""
    uri = names.edge_name(site)
    towards = {
        "": (Issuer.FLEET, Subject(called=f"edge {site}", uris=(uri,))),
        "peers-": (Issuer.SITES, Subject(called=f"site {site}", hosts=(names.edge_host(site),))),
        "etcd-": (Issuer.ETCD, Subject(called=f"edge {site}", uris=(uri,))),
    }
    yield EDGE, "settings", Given(file=f"{EDGE}/settings.toml", kind=Kind.SETTINGS)
    for prefix, (issuer, subject) in towards.items():
        yield EDGE, f"{prefix}identity", Issued(issuer=issuer, subject=subject)
        yield EDGE, f"{prefix}authority", Trusted(issuer=issuer)
    # Where a balancer ends clients' TLS (docs/decisions/0019), the door is the word that the edge knows it by.
    yield EDGE, "door", Given(file=f"{EDGE}/door.pem", kind=Kind.WORD if site == GCP else Kind.DOOR)
    yield EDGE, "clients", Trusted(issuer=Issuer.CLIENTS, beside=f"{EDGE}/clients.pem")


def _control(site: str, address: IPv4Address) -> Iterator[Row]:
    """Members of etcd have their addresses as only names, which they compare with who is calling, and one common name, which nobody else
    has: a certificate without it makes no member."""
    client = names.client_name(f"controller-{site}")
    yield CONTROL, "etcd-identity", _by(Issuer.ETCD, Subject(called=MEMBER, addresses=(address,)))
    yield CONTROL, "etcd-authority", Trusted(issuer=Issuer.ETCD)
    yield (
        CONTROL,
        "controller-etcd-identity",
        _by(Issuer.ETCD, Subject(called=f"controller {site}", uris=(names.controller_name(site),))),
    )
    yield CONTROL, "controller-etcd-authority", Trusted(issuer=Issuer.ETCD)
    yield CONTROL, "identity", _by(Issuer.CLIENTS, Subject(called=f"controller-{site}", uris=(client,)))
    yield (
        CONTROL,
        "authority",
        Others(beside=f"{CONTROL}/authority.pem"),
    )  # of an issuer of tokens that the machine does not trust
    yield CONTROL, "settings", Given(file=f"{CONTROL}/settings.toml", kind=Kind.SETTINGS)
    yield CONTROL, "environment", Passwords(variables=tuple(password_variable(*one) for one in WATCHED))
    yield CONTROL, "operator-token", Token()
    for dialled in SITES:
        name = f"database-authority-{dialled}"
        yield CONTROL, name, Given(file=f"{CONTROL}/{name}.pem", kind=Kind.AUTHORITIES)


def _by(issuer: Issuer, subject: Subject) -> Issued:
    return Issued(issuer=issuer, subject=subject)
