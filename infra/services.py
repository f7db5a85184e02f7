"""What runs at a site, who may speak with whom, and what each needs to be told. Pure: every cloud's runtime is made from this list.

A way that is not named here is closed in every cloud. Services call services of their own site only: a call to another site would carry
one site's outage to the next. Databases are the exception, because the writer may be anywhere.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from infra.postgres import PORT as DATABASE_PORT


class Service(StrEnum):
    """Whatever has instances."""

    PAYMENTS = "payments"
    VAULT = "vault"
    SCREENING = "screening"
    WEBHOOKS = "webhooks"
    EDGE = "edge"


DATABASES = (Service.PAYMENTS, Service.VAULT)
"""Each has a server of its own at every site, with a key of its own: who holds one opens nothing of the other."""

STREAMED = DATABASE_PORT
HTTPS = 443
ETCD_CLIENT, ETCD_PEER = 2379, 2380
EDGE_DOOR = 8444
"""Where other sites' edges hand requests over."""
AGENT = 8445
"""Where controllers ask the agent beside an edge what it counted."""


DOORS: Mapping[str, int] = {"peers": EDGE_DOOR, "agent": AGENT}
"""Private ones of an edge, by what they are for."""


class Carries(StrEnum):
    """How a secret reaches a process."""

    VARIABLE = "variable"
    FILE = "file"
    """The image's entry writes it below /run/trimaran, where nobody else looks, and forgets the variable it came in."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Secret:
    """One place in the site's secret store. `trimaran bootstrap` fills it; Pulumi never learns what is in it."""

    name: str
    """In the store, after the service's name."""
    variable: str
    """Environment variable of the container."""
    carries: Carries = Carries.FILE


@dataclass(frozen=True, slots=True, kw_only=True)
class Program:
    """One kind of process."""

    service: Service
    port: int | None
    """Where it listens; None: nobody asks it for anything."""
    health: str | None
    """What is asked to see whether it lives."""
    secrets: tuple[Secret, ...]
    calls: tuple[Service, ...] = ()
    """Services of the same site that it asks."""
    databases: tuple[Service, ...] = ()
    """Databases that it dials, at every site."""
    asks_etcd: bool = False
    """Does it read the posture?"""
    asks_keys: bool = False
    """Does it wrap with the three clouds' key services?"""
    asks_outside: bool = False
    """Does it open connections to public addresses: the issuer's keys, key services, merchants?"""
    millicores: int = 1000
    mebibytes: int = 2048
    environment: Mapping[str, str] = field(default_factory=dict)

    @property
    def is_public(self) -> bool:
        """Do clients reach it through the site's public address?"""
        return self.service is Service.EDGE


def _file(name: str, variable: str) -> Secret:
    return Secret(name=name, variable=variable)


def _password(variable: str) -> Secret:
    return Secret(name="password", variable=variable, carries=Carries.VARIABLE)


SETTINGS = _file("settings", "FILE_SETTINGS_TOML")
IDENTITY = _file("identity", "FILE_IDENTITY_PEM")
AUTHORITY = _file("authority", "FILE_AUTHORITY_PEM")
DOOR = _file("door", "FILE_DOOR_PEM")
"""What clients know the edge's door by: a certificate for their names, with its chain and its key. Where a balancer ends their TLS: the
word that the edge knows that balancer by, because a place that is left empty keeps instances from starting."""
MERCHANTS = _file("merchants", "FILE_MERCHANTS_TOML")
"""The secrets that webhooks are signed with."""
_PEERS = (_file("peers-identity", "FILE_PEERS_IDENTITY_PEM"), _file("peers-authority", "FILE_PEERS_AUTHORITY_PEM"))
"""Who an edge is to other sites' edges. As one of the fleet alone, any service could hand requests over and say whose they are."""
ETCD_PAPERS = (_file("etcd-identity", "FILE_ETCD_IDENTITY_PEM"), _file("etcd-authority", "FILE_ETCD_AUTHORITY_PEM"))
"""Who an edge's agent is to etcd's members, a certificate with its key, and who vouches for them: `[etcd.identity]` of its settings. Of an
authority that issues nothing else: whoever has a certificate of this one may write the posture."""
_PAPERS = (SETTINGS, IDENTITY, AUTHORITY)
"""Settings, and who a process is to the others: a certificate with its key, and who issues those of its callers."""

PROGRAMS: Mapping[Service, Program] = {
    Service.PAYMENTS: Program(
        service=Service.PAYMENTS,
        port=8443,
        health="/healthz",
        secrets=(*_PAPERS, _password("PAYMENTS_APP_PASSWORD")),
        calls=(Service.SCREENING, Service.VAULT),
        databases=(Service.PAYMENTS,),
        asks_outside=True,
    ),
    Service.VAULT: Program(
        service=Service.VAULT,
        port=8443,
        health="/healthz",
        secrets=(*_PAPERS, _password("VAULT_APP_PASSWORD")),
        databases=(Service.VAULT,),
        asks_keys=True,
        asks_outside=True,
    ),
    Service.SCREENING: Program(service=Service.SCREENING, port=8443, health="/healthz", secrets=_PAPERS),
    Service.WEBHOOKS: Program(
        service=Service.WEBHOOKS,
        port=8443,
        health="/healthz",
        secrets=(*_PAPERS, MERCHANTS, _password("PAYMENTS_WEBHOOKS_PASSWORD")),
        databases=(Service.PAYMENTS,),
        asks_outside=True,
    ),
    Service.EDGE: Program(
        service=Service.EDGE,
        port=8443,
        health="/beacon",
        secrets=(*_PAPERS, *_PEERS, *ETCD_PAPERS, DOOR, _file("clients", "FILE_CLIENTS_PEM")),
        calls=(Service.PAYMENTS, Service.VAULT),
        asks_etcd=True,
        millicores=2000,
    ),
}


CONTROL = "control"
"""The control node, where it is named beside services."""
CONTROL_SECRETS = (
    "etcd-identity",
    "etcd-authority",
    "controller-etcd-identity",
    "controller-etcd-authority",
    "identity",
    "authority",
    "settings",
    "environment",
    "operator-token",
    "database-authority-aws",
    "database-authority-azure",
    "database-authority-gcp",
)
"""What the node alone is told: who its member of etcd is, who its controller is to etcd, who to edges and issuers, and who vouches for
each; the controller's settings and passwords; what orders to it carry; and who vouches for each site's databases. A new machine reads them
again: nobody carries them there."""
CONTROL_IMAGES = ("etcd", "controller")
"""What the node alone runs. Each has a repository at every site, which the node may read."""


def callers_of(service: Service) -> tuple[Service, ...]:
    """Who of the same site may open connections to it."""
    return tuple(one for one, program in PROGRAMS.items() if service in program.calls)


def clients_of(database: Service) -> tuple[Service, ...]:
    """Who dials this service's databases."""
    return tuple(one for one, program in PROGRAMS.items() if database in program.databases)
