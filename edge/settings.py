"""One edge's settings file: what HAProxy is configured from, and what the agent beside it needs to know.

Relative paths are looked for beside the file. Whatever ends up in HAProxy's configuration is checked here, so that no value can
add a line to it.
"""

import re
import tomllib
from collections.abc import Mapping
from datetime import timedelta
from pathlib import Path
from typing import Annotated, Self

from pydantic import AfterValidator, BeforeValidator, Field, ValidationError, ValidationInfo, model_validator

from controller.core.model import Site
from controller.errors import SettingsError, SettingsProblem
from controller.settings_policy import problems
from controller.settings_tables import Duration, Port, ServiceName, SiteName, Table, Url, one_word

LONGEST_SOCKET = 90
"""Bytes of the socket's path. A unix address holds 107, and HAProxy binds to the path and a dozen more before it renames."""


def _placed(given: object, info: ValidationInfo) -> Path:
    """A path beside the settings file. Raises ValueError for what cannot stand between single quotes on one line."""
    if not isinstance(given, str) or re.search(r"['\x00-\x1f\x7f]", given) or not given:
        raise ValueError("a path without quotes or control characters")
    place = info.context["place"] if isinstance(info.context, dict) else Path()
    return Path(place, given).absolute()


def _short(given: Path) -> Path:
    if len(str(given).encode()) > LONGEST_SOCKET:
        raise ValueError(f"a path of at most {LONGEST_SOCKET} bytes: it is that of a socket")
    return given


def _positive(given: timedelta) -> timedelta:
    if given <= timedelta(0):
        raise ValueError("a duration above 0")
    return given


Place = Annotated[Path, BeforeValidator(_placed)]
Host = Annotated[str, one_word(r"[A-Za-z0-9._:-]{1,253}", "a host name or an address")]
HostName = Annotated[str, one_word(r"[A-Za-z0-9.-]{1,253}", "a host name, as in a certificate")]


class Address(Table):
    """Where something listens."""

    host: Host
    port: Port

    def __str__(self) -> str:
        return f"{self.host}:{self.port}"


class Secure(Address):
    """`[secure]`: where clients come in with TLS, which ends here; see docs/decisions/0012."""

    certificate: Place
    """What clients see: for the service's names, with its chain and its private key."""
    authority: Place
    """Issues certificates to clients. One that a client shows must be its; to show none is allowed, and opens less."""


class Told(Table):
    """`[told]`: clients' TLS ends at a balancer, which says whose certificate it saw; see docs/decisions/0019."""

    word: Place
    """What the balancer is known by: a file with one word on each line, two while it changes. Whoever knows it can be any client here."""


class ServiceDoor(Table):
    """`[local.tls]`: mutual TLS towards the own service, which believes this edge's word about clients' certificates for that."""

    name: HostName
    """A DNS name in the service's certificate."""
    certificate: Place
    """This edge's own towards services, `trimaran://edge/SITE`, with its chain and its private key."""
    authority: Place
    """Issues certificates to services and edges, and to nobody else."""


class Local(Address):
    """`[local]`: the site's own instance of the service."""

    tls: ServiceDoor | None = None


class Companion(Local):
    """`[companions.SERVICE]`: another service of this site. Its requests go where those of the service go that the edge is for."""

    hosts: Annotated[tuple[HostName, ...], Field(min_length=1)]
    """Names by which clients ask for it. Whatever is asked for under any other name is not for it."""


class Peer(Address):
    """`[peers.SITE]`: another site's door for what is handed over, and the name in its certificate."""

    name: HostName


class Identity(Table):
    """`[identity]`: who this site is to the others. Both are PEM files."""

    certificate: Place
    """This site's certificate with its chain and its private key."""
    authority: Place
    """The authority that issues such certificates to sites, and to nobody else: whoever holds one may hand requests over."""


class EtcdIdentity(Table):
    """`[etcd.identity]`: who the agent is to etcd's members, and who vouches for them. Both are PEM files."""

    certificate: Place
    """With its chain and its private key."""
    authority: Place


class Etcd(Table):
    """`[etcd]`"""

    endpoints: Annotated[list[Url], Field(min_length=1)]
    """Client URLs of the members, own site's first."""
    identity: EtcdIdentity | None = None
    """None: members are asked without a certificate, as in the lab."""

    @model_validator(mode="after")
    def _who_is_known_speaks_in_private(self) -> Self:
        if self.identity is not None and any(not url.startswith("https://") for url in self.endpoints):
            raise ValueError("etcd.endpoints are https:// addresses, since there is [etcd.identity]")
        return self


class Proxy(Table):
    """`[haproxy]`"""

    socket: Annotated[Place, AfterValidator(_short)]
    """The runtime socket. Whoever can write to it can turn every request away: HAProxy makes it for its own account only."""
    threads: Annotated[int, Field(strict=True, ge=1, le=64)] | None = None
    """None: as many as there are processors."""


class Settings(Table):
    """The whole file."""

    site: SiteName
    service: ServiceName
    clients: Address
    """Where clients come in without TLS: behind something that ends it, or to ask about the site alone when there is `secure`."""
    secure: Secure | None = None
    """Where they come in with TLS. Requests to the service come in here alone then."""
    told: Told | None = None
    """Who says which certificate a client holds, where `clients` is behind a balancer that ends TLS."""
    handed: Address
    """Where other sites hand requests over."""
    local: Local
    companions: dict[ServiceName, Companion] = Field(default_factory=dict)
    """Further services behind the same doors, told by the name that is asked for."""
    agent: Address
    """Where the agent answers `/beacon`, `/status` and `/metrics`; only HAProxy and the site's own monitoring need to reach it."""
    peers: Annotated[dict[SiteName, Peer], Field(min_length=1)]
    identity: Identity
    haproxy: Proxy
    etcd: Etcd
    posture_file: Place
    """The last posture is kept here, for an agent that starts while etcd is out of reach."""
    ramp: Duration = timedelta(seconds=10)
    """From the first share of a site that serves again to all of it."""
    answer: Annotated[Duration, AfterValidator(_positive)] = timedelta(seconds=2)
    """How long a server may take to answer; above the service's own deadline, so that its word is heard rather than ours."""

    @model_validator(mode="after")
    def _home_is_no_peer(self) -> Self:
        if self.site in self.peers:
            raise ValueError(f"peers are the other sites; leave [peers.{self.site}] out")
        return self

    @model_validator(mode="after")
    def _every_name_leads_to_one_service(self) -> Self:
        hosts = [host.lower() for one in self.companions.values() for host in one.hosts]
        if twice := sorted({host for host in hosts if hosts.count(host) > 1}):
            raise ValueError(f"companions: {twice[0]} is the name of one service only")
        if self.service in self.companions:
            raise ValueError(f"companions are the other services; leave [companions.{self.service}] out")
        return self

    @model_validator(mode="after")
    def _one_says_who_the_client_is(self) -> Self:
        if self.secure is not None and self.told is not None:
            raise ValueError("clients' TLS ends at this edge, [secure], or in front of it, [told]; leave one of the two out")
        return self

    @property
    def home(self) -> Site:
        """The site this edge belongs to."""
        return Site(self.site)

    @property
    def others(self) -> Mapping[Site, Peer]:
        """The other sites."""
        return {Site(name): peer for name, peer in self.peers.items()}


def read_settings(path: Path) -> Settings:
    """The settings in `path`. Raises SettingsError with every problem at once."""
    try:
        document = tomllib.loads(path.read_text(encoding="utf-8"))
        return Settings.model_validate(document, context={"place": path.absolute().parent})
    except OSError as error:
        found = [("(file)", f"a readable file: {error.strerror}")]
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        found = [("(file)", f"TOML in UTF-8: {error}")]
    except ValidationError as error:
        found = [(key or "(file)", expected) for key, expected in problems(error)]
    raise SettingsError([SettingsProblem(file=str(path), key=key, expected=expected) for key, expected in found])
