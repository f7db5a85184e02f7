"""One controller's settings: a TOML file and the passwords of the environment, read once into frozen values.

Every problem is reported at once, with file, key and expectation, so that one edit mends them all.
"""

import tomllib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, get_args

from pydantic import ValidationError

from controller.core.model import Group, Mode, Site
from controller.core.policy import Policy
from controller.errors import SettingsError, SettingsProblem
from controller.settings_audit import AuditSettings, read_audit
from controller.settings_clouds import AuthoritiesTable, CloudsTable, GroupTable, InstancesTable, ReplicaTable, ServerTable
from controller.settings_document import ServiceTable, SettingsTable
from controller.settings_notify import HeartbeatSettings, NotifySettings, Secrets, read_heartbeat, read_notify
from controller.settings_papers import IdentitySettings, TokenSettings, read_identity, read_tokens
from controller.settings_policy import problems, read_policy
from controller.settings_rules import contradictory
from controller.settings_tables import CloudName, DatabaseTable, SiteTable
from controller.settings_token import is_loopback, read_token

FILE, ENVIRONMENT = "(file)", "environment"


@dataclass(frozen=True, slots=True, kw_only=True)
class Listen:
    """Where the operator API listens."""

    host: str
    port: int
    token: str | None = field(repr=False)
    """What an order must carry; None: no orders are taken."""

    @property
    def local(self) -> bool:
        """Is it reached from its own machine only?"""
        return is_loopback(self.host)


@dataclass(frozen=True, slots=True, kw_only=True)
class SiteSettings:
    """One site as seen from this controller."""

    edge: str
    """Base URL without a slash at the end."""
    cloud: CloudName | None
    """None: none whose API is known."""
    edge_name: str | None = None
    """By which the edge is asked and its certificate verified; None: by the host of its URL."""
    agent: str | None = None
    """Base URL of the agent beside the edge; None: nobody tells of the site's traffic."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DatabaseSettings:
    """How somebody reaches a database."""

    host: str
    port: int
    options: str
    """Further libpq settings, `key=value`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Canary:
    """Two accounts that exist for test payments."""

    debtor: str
    creditor: str
    currency: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Readiness:
    """A service without payments: its write path is asked for, up to the barrier, by the name that clients know it by."""

    host: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ServiceSettings:
    """One service as this controller looks after it."""

    name: str
    writer: Site
    """Writer the service is founded with; afterwards the posture holds it. So with the policy's mode and shares."""
    canary: Canary | Readiness
    """How a failover proves that a site serves."""
    databases: Mapping[Site, DatabaseSettings]
    streams: Mapping[Site, Mapping[Site, DatabaseSettings]]
    """`streams[follower][publisher]`: the publisher as the follower's own server dials it."""
    capacity: Mapping[Site, InstancesTable]
    """Where instances run whose floor is raised when traffic moves there."""
    replicas: Mapping[Site, ReplicaTable]
    """Read replicas that providers manage."""
    servers: Mapping[Site, ServerTable]
    """The sites' own database servers, where a provider manages them."""
    policy: Policy
    control_password: str = field(repr=False)
    stream_password: str = field(repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """Everything one controller process needs to know."""

    site: Site
    """Its vantage, and its name."""
    listen: Listen
    etcd: tuple[str, ...]
    """Client URLs of the members, own site's first."""
    sites: Mapping[Site, SiteSettings]
    services: Mapping[str, ServiceSettings]
    clouds: CloudsTable
    authorities: AuthoritiesTable
    groups: Mapping[Group, GroupTable]
    identity: IdentitySettings | None = None
    """None: edges are asked without a certificate."""
    etcd_identity: IdentitySettings | None = None
    """None: etcd's members are asked without a certificate, as in the lab."""
    tokens: TokenSettings | None = None
    """None: canaries are paid without a token."""
    audit: AuditSettings | None = None
    """None: the journal's heads are not signed."""
    notify: tuple[NotifySettings, ...] = ()
    heartbeat: HeartbeatSettings | None = None
    traces: str | None = None
    """Whole URL of an OTLP/HTTP collector that is told what plans took; None: nobody is."""

    def led_by(self, service: str) -> tuple[Group, ...]:
        """Steering groups whose traffic follows this service's posture."""
        return tuple(group for group, table in self.groups.items() if table.lead == service)

    def companions_of(self, service: str) -> tuple[str, ...]:
        """The other services of this file that share a steering group with it."""
        groups = ({table.lead, *table.members} for table in self.groups.values())
        found = {name for group in groups if service in group for name in group if name in self.services}
        return tuple(sorted(found - {service}))


def password_variable(service: str, role: str) -> str:
    """Environment variable that holds the password of a service's `control` or `stream` role."""
    return f"TRIMARAN_{service.upper()}_{role.upper()}_PASSWORD"


def read_settings(path: Path, environ: Mapping[str, str]) -> Settings:
    """The settings in `path` with the passwords in `environ`. Raises SettingsError with every problem at once."""
    document = _document(path)
    found: list[SettingsProblem] = []

    def tell(key: str, expected: str) -> None:
        problem = SettingsProblem(file=str(path), key=key, expected=expected)
        if problem not in found:
            found.append(problem)

    table: SettingsTable | None = None
    try:
        table = SettingsTable.model_validate(document)
    except ValidationError as error:
        for key, expected in problems(error):
            tell(key or FILE, expected)
    for key, expected in contradictory(document):
        tell(key, expected)
    services = document.get("services")
    named: dict[str, Any] = services if isinstance(services, dict) else {}
    sites = document.get("sites")
    policies = {
        name: _policy(name, given, frozenset(sites) if isinstance(sites, dict) else frozenset(), tell)
        for name, given in named.items()
        if isinstance(given, dict)
    }
    token = _token(path, document.get("listen"), tell)
    found += [
        SettingsProblem(file=ENVIRONMENT, key=variable, expected="the password of that role; it is not set")
        for variable in (password_variable(name, role) for name in named for role in ("control", "stream"))
        if not environ.get(variable)
    ]
    papers = _papers(path.parent, table, environ, tell) if table else _Papers()
    if table is None or found:
        raise SettingsError(found)
    return _settings(table, policies, token, papers, environ)


def _document(path: Path) -> dict[str, Any]:
    """The file as TOML. Raises SettingsError with one problem: nothing more can be said about a file that cannot be read."""
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        expected = f"a readable file: {error.strerror}"
    except UnicodeDecodeError as error:
        expected = f"TOML in UTF-8: {error.reason} at byte {error.start}"
    except tomllib.TOMLDecodeError as error:
        expected = f"TOML: {error}"
    raise SettingsError([SettingsProblem(file=str(path), key=FILE, expected=expected)])


def _token(settings: Path, listen: object, tell: Callable[[str, str], None]) -> str | None:
    """The token of the operator API; a relative file is looked for beside the settings."""
    named = listen.get("token_file") if isinstance(listen, dict) else None
    if not isinstance(named, str) or not named:
        return None
    return read_token(settings.parent / named, lambda expected: tell("listen.token_file", expected))


@dataclass(frozen=True, slots=True, kw_only=True)
class _Papers:
    """Who this controller is to whom."""

    identity: IdentitySettings | None = None
    etcd: IdentitySettings | None = None
    tokens: TokenSettings | None = None
    audit: AuditSettings | None = None
    notify: tuple[NotifySettings, ...] = ()
    heartbeat: HeartbeatSettings | None = None


def _papers(place: Path, table: SettingsTable, environ: Mapping[str, str], tell: Callable[[str, str], None]) -> _Papers:
    secrets = Secrets(place=place, environ=environ, tell=tell)
    return _Papers(
        notify=read_notify(secrets, table.notify),
        heartbeat=read_heartbeat(secrets, table.heartbeat),
        identity=read_identity(place, table.identity, tell),
        etcd=read_identity(place, table.etcd.identity, tell, "etcd.identity"),
        tokens=read_tokens(place, table.tokens, tell),
        audit=read_audit(place, table.site, table.audit, tell),
    )


def _policy(service: str, given: Mapping[str, Any], sites: frozenset[str], tell: Callable[[str, str], None]) -> Policy:
    """The policy of one service, whatever else is wrong with it."""
    table, mode, shares, replicas = given.get("policy", {}), given.get("mode"), given.get("shares"), given.get("replicas")
    return read_policy(
        table if isinstance(table, dict) else {},
        mode=Mode(mode) if mode in list(Mode) else Mode.AUTOMATIC,
        shares=shares if isinstance(shares, dict) and all(isinstance(share, int | float) for share in shares.values()) else {},
        replicas=frozenset(map(Site, replicas)) if isinstance(replicas, dict) else frozenset(),
        sites=frozenset(map(Site, sites)),
        found=lambda key, expected: tell(f"services.{service}.policy.{key}", expected),
    )


def _settings(
    table: SettingsTable,
    policies: Mapping[str, Policy],
    token: str | None,
    papers: _Papers,
    environ: Mapping[str, str],
) -> Settings:
    return Settings(
        site=Site(table.site),
        listen=Listen(host=table.listen.host, port=table.listen.port, token=token),
        etcd=tuple(table.etcd.endpoints),
        sites={Site(name): _site(name, site) for name, site in table.sites.items()},
        services={name: _service(name, given, policies[name], environ) for name, given in table.services.items()},
        clouds=table.clouds,
        authorities=table.authorities,
        groups={Group(name): given for name, given in table.groups.items()},
        etcd_identity=papers.etcd,
        identity=papers.identity,
        tokens=papers.tokens,
        audit=papers.audit,
        notify=papers.notify,
        heartbeat=papers.heartbeat,
        traces=None if table.traces is None else table.traces.collector,
    )


def _service(name: str, given: ServiceTable, policy: Policy, environ: Mapping[str, str]) -> ServiceSettings:
    return ServiceSettings(
        name=name,
        writer=Site(given.writer),
        canary=_canary(given),
        databases=_databases(given.databases),
        streams={Site(follower): _databases(publishers) for follower, publishers in given.streams.items()},
        capacity={Site(site): one for site, one in given.capacity.items()},
        replicas={Site(site): one for site, one in given.replicas.items()},
        servers={Site(site): one for site, one in given.servers.items()},
        policy=policy,
        control_password=environ[password_variable(name, "control")],
        stream_password=environ[password_variable(name, "stream")],
    )


def _canary(given: ServiceTable) -> Canary | Readiness:
    if given.readiness is not None:
        return Readiness(host=given.readiness.host)
    assert given.canary is not None, "one of both, see settings_rules"
    return Canary(debtor=str(given.canary.debtor), creditor=str(given.canary.creditor), currency=given.canary.currency)


def _site(name: str, given: SiteTable) -> SiteSettings:
    return SiteSettings(edge=given.edge, cloud=_cloud(name, given), edge_name=given.edge_name, agent=given.agent)


def _cloud(name: str, given: SiteTable) -> CloudName | None:
    """A site named after its cloud need not say which it is in."""
    return given.cloud or next((cloud for cloud in get_args(CloudName) if cloud == name), None)


def _databases(given: Mapping[str, DatabaseTable]) -> Mapping[Site, DatabaseSettings]:
    return {Site(site): DatabaseSettings(host=one.host, port=one.port, options=one.options) for site, one in given.items()}
