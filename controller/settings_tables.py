"""The shape of a controller's settings file: which keys there are, and what each of them may hold.

Rules for changing this file: one table, one class; only what a table can say about itself. What two tables say about each other
stands in `settings_rules`, the tables of clouds and authorities in `settings_clouds`, the whole file in `settings_document`.
"""

import re
from datetime import timedelta
from typing import Annotated, Literal
from uuid import UUID

from psycopg import ProgrammingError
from psycopg.conninfo import conninfo_to_dict
from pydantic import AfterValidator, AwareDatetime, BaseModel, BeforeValidator, ConfigDict, Field

UNITS = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0}
DURATION = re.compile(r"(\d+(?:\.\d+)?)(ms|s|m|h)", re.ASCII)
LONGEST = timedelta(days=365)


def duration(given: object) -> timedelta:
    """A length of time as people write it: `250ms`, `2s`, `10m`, `1h`; at most a year. Raises ValueError."""
    found = DURATION.fullmatch(given) if isinstance(given, str) else None
    if found is None:
        raise ValueError('a duration such as "250ms", "2s", "10m" or "1h"')
    seconds = float(found[1]) * UNITS[found[2]]
    if seconds > LONGEST.total_seconds():
        raise ValueError(f"at most {LONGEST.days} days, {LONGEST.total_seconds() / UNITS['h']:g}h")
    return timedelta(seconds=seconds)


def web_address(given: str) -> str:
    """A base URL without a slash at its end. Raises ValueError."""
    if re.fullmatch(r"https?://[^/\s]+(/[^\s]*)?", given) is None:
        raise ValueError('a base URL such as "http://127.0.0.1:8001"')
    return given.rstrip("/")


def libpq_options(given: str) -> str:
    """Further libpq settings as `key=value` pairs. Raises ValueError."""
    try:
        named = conninfo_to_dict(given)
    except ProgrammingError as error:
        raise ValueError(f"libpq settings such as sslmode=verify-full: {str(error).strip()}") from error
    if elsewhere := ELSEWHERE & set(named):
        raise ValueError(f"settings about the connection, none about where it leads: {', '.join(sorted(elsewhere))}")
    return given


def one_word(pattern: str, said: str) -> AfterValidator:
    """Text that fits a pattern; the message is made of words instead of the pattern."""

    def check(given: str) -> str:
        if re.fullmatch(pattern, given) is None:
            raise ValueError(said)
        return given

    return AfterValidator(check)


ELSEWHERE = frozenset({"host", "hostaddr", "port", "dbname", "user", "password", "service"})
"""libpq settings that would lead somewhere else than the table says."""

SITE = r"[a-z][a-z0-9]{0,11}"
SERVICE = r"[a-z][a-z0-9_]{0,19}"
GROUP = r"[a-z][a-z0-9_-]{0,39}"
# The first two are part of names of slots, which PostgreSQL allows 63 lower-case letters, digits and underscores.

CloudName = Literal["aws", "azure", "gcp"]
Duration = Annotated[timedelta, BeforeValidator(duration)]
Url = Annotated[str, AfterValidator(web_address)]
HostName = Annotated[str, one_word(r"[A-Za-z0-9-]{1,63}(\.[A-Za-z0-9-]{1,63})*", "a host name, as in a certificate")]
Options = Annotated[str, AfterValidator(libpq_options)]
SiteName = Annotated[str, one_word(SITE, "a site's name: a lower-case letter, then up to 11 lower-case letters or digits")]
ServiceName = Annotated[str, one_word(SERVICE, "a service's name: a lower-case letter, then up to 19 of a-z, 0-9 and _")]
GroupName = Annotated[str, one_word(GROUP, "a group's name: a lower-case letter, then up to 39 of a-z, 0-9, _ and -")]
Text = Annotated[str, Field(min_length=1)]
Port = Annotated[int, Field(strict=True, ge=1, le=65535)]
Ratio = Annotated[float, Field(strict=True, gt=0, allow_inf_nan=False)]


class Table(BaseModel):
    """Anything unknown in a table is a mistake, never ignored."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class ListenTable(Table):
    """`[listen]`"""

    host: Text
    port: Port
    token_file: Text | None = None


class SiteTable(Table):
    """`[sites.SITE]`"""

    edge: Url
    edge_name: HostName | None = None
    """In the certificate of an edge that is dialled by its address: it is asked and believed by it. None: by what `edge` says."""
    cloud: CloudName | None = None
    """Whose API the site's instances and managed servers answer to; a site named after its cloud need not say."""
    agent: Url | None = None
    """Of the agent beside this site's edge (`[agent]` of its settings). Only the own site's is asked, so only that needs one."""


class IdentityTable(Table):
    """`[identity]`: who this controller is to edges and to the issuer of tokens, or to somebody else whose table it stands in; PEM files,
    relative ones beside the settings."""

    certificate: Text
    """Its own, as a client's, with chain and private key: its token is bound to it."""
    authority: Text | None = None
    """Who vouches for the far side; without it whom the machine trusts."""


class EtcdTable(Table):
    """`[etcd]`"""

    endpoints: Annotated[list[Url], Field(min_length=1)]
    identity: IdentityTable | None = None
    """`[etcd.identity]`: who this controller is to etcd's members, and who vouches for them. Without it they are members of a lab."""


class TokensTable(Table):
    """`[tokens]`: where it gets the access token for its canaries, by client credentials."""

    url: Annotated[str, one_word(r"https://[^/\s]+/[^\s]*", "the issuer's token endpoint, by https")]
    client: Text
    """Its id there."""
    scope: str = ""
    """Empty: everything that it may have."""
    authority: Text | None = None
    """Who vouches for the issuer; without it whom the machine trusts."""


class TracesTable(Table):
    """`[traces]`: who is told, as OpenTelemetry's spans, of what plans took. Nobody waits for it."""

    collector: Annotated[
        str, one_word(r"https?://[^\s@]+", "the whole URL of an OTLP/HTTP collector, such as http://127.0.0.1:4318/v1/traces")
    ]


class CanaryTable(Table):
    """`services.SERVICE.canary`"""

    debtor: UUID
    creditor: UUID
    currency: Annotated[str, one_word("[A-Z]{3}", "three capital letters as in ISO 4217")]


class ReadinessTable(Table):
    """`services.SERVICE.readiness`: of a service that no payment goes through."""

    host: Text
    """Name that clients know it by; every site's edge is asked under it."""


class DatabaseTable(Table):
    """`[services.SERVICE.databases.SITE]` and `[services.SERVICE.streams.FOLLOWER.PUBLISHER]`"""

    host: Text
    port: Port
    options: Options = ""


class NameTable(Table):
    """One of `groups.GROUP.names`"""

    name: Text
    ttl: Annotated[int, Field(strict=True, ge=0, le=2_147_483_647)]


class FreezeTable(Table):
    """One of `services.SERVICE.policy.freezes`"""

    start: Annotated[AwareDatetime, Field(strict=True)]
    end: Annotated[AwareDatetime, Field(strict=True)]
    reason: Text
