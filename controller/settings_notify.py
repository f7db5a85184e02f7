"""`[[notify]]` and `[heartbeat]`: who is told what, and who outside notices when nothing is heard any more.

Addresses and keys are secrets: who has Slack's address writes into the channel, and who has a ping's address keeps the monitor content
while we are dead. So none stands in the settings: they name a file, or a variable of the environment. Files are looked for beside the
settings and are their owner's alone. They are read once: after a change the controllers are started anew, one after the other.

Rules for changing this file: whatever is wrong is told with its key and what was expected there, and never with what was found in a secret.
"""

import os
import re
import ssl
import stat
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Annotated, Literal, assert_never
from urllib.parse import urlsplit

from controller.channels.signing import EXPECTED, Signer, read_signer
from controller.core.messages import Severity
from controller.settings_papers import Tell
from controller.settings_tables import Duration, ServiceName, Table, Text, one_word
from controller.settings_token import OTHERS, is_loopback

Named = Annotated[
    str, one_word(r"[a-z][a-z0-9-]{0,30}", "a channel's name: a lower-case letter, then up to 30 of a-z, 0-9 and -")
]

ENDPOINT = "https://events.pagerduty.com/v2/enqueue"
"""PagerDuty's; that of accounts in the EU is named by `url_file`."""

RESERVED = "notices"
"""Kept in etcd beside the channels' names (`noticing.NOTICES`)."""

LARGEST = 4096
"""Bytes of a secret's file."""

ROUTING_KEY = re.compile(r"[A-Za-z0-9]{32}")
"""What PagerDuty calls an integration key."""


class NotifyTable(Table):
    """One of `[[notify]]`"""

    name: Named
    """In logs, receipts and cursors; another one is another channel, which begins to be told anew."""
    kind: Literal["webhook", "pagerduty", "slack"]
    severities: tuple[Severity, ...] = tuple(Severity)
    services: tuple[ServiceName, ...] | None = None
    """Without it those of every service."""
    url_file: Text | None = None
    """Of webhook and slack; of pagerduty only where it is not the usual one."""
    url_variable: Text | None = None
    secret_file: Text | None = None
    """Of webhook: `whsec_...`, one a line, the newest first. Of pagerduty: the integration key."""
    secret_variable: Text | None = None
    authority: Text | None = None
    """Who vouches for the receiver, PEM; without it whom the machine trusts."""


class HeartbeatTable(Table):
    """`[heartbeat]`"""

    url_file: Text | None = None
    url_variable: Text | None = None
    method: Literal["POST", "GET", "HEAD"] = "POST"
    every: Duration = timedelta(seconds=30)
    authority: Text | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class NotifySettings:
    """One channel."""

    name: str
    kind: Literal["webhook", "pagerduty", "slack"]
    severities: frozenset[Severity]
    services: frozenset[str]
    """Empty: all."""
    url: str = field(repr=False)
    key: str = field(default="", repr=False)
    """PagerDuty's."""
    signers: tuple[Signer, ...] = field(default=(), repr=False)
    authority: Path | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class HeartbeatSettings:
    """Who outside is kept content."""

    url: str = field(repr=False)
    method: str
    every: timedelta
    authority: Path | None = None


def contradictory(document: Mapping[str, object]) -> Iterator[tuple[str, str]]:
    """What tables of the raw document cannot mean together."""
    tables, services = document.get("notify"), document.get("services")
    known = frozenset(services) if isinstance(services, dict) else frozenset()
    seen: set[str] = set()
    for place, given in enumerate(tables if isinstance(tables, list) else ()):
        if not isinstance(given, dict):
            continue
        name = str(given.get("name"))
        if name in seen or name == RESERVED:
            yield f"notify.{place}.name", f"a name that no other channel has, and not {RESERVED!r}"
        seen.add(name)
        wanted = given.get("services")
        for strange in sorted(set(map(str, wanted)) - known) if isinstance(wanted, list) and known else ():
            yield f"notify.{place}.services", f"services of this file: {', '.join(sorted(known))}, not {strange!r}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Secrets:
    """Where what settings only name is looked for."""

    place: Path
    environ: Mapping[str, str]
    tell: Tell

    def read(self, key: str, file: str | None, variable: str | None, *, needed: bool = True) -> str | None:
        """What the file or the variable holds; None when neither can be used, which is told, or neither is named and none is needed."""
        if file is not None and variable is not None:
            self.tell(f"{key}_file", f"one of {key.rpartition('.')[2]}_file and {key.rpartition('.')[2]}_variable, not both")
            return None
        if variable is not None:
            found = self.environ.get(variable, "").strip()
            if not found:
                self.tell(f"{key}_variable", f"a variable of the environment; {variable} is not set")
            return found or None
        if file is not None:
            return self._file(f"{key}_file", self.place / file)
        if needed:
            self.tell(f"{key}_file", f"a file, or {key.rpartition('.')[2]}_variable, that holds it; it is missing")
        return None

    def _file(self, key: str, path: Path) -> str | None:
        try:
            with path.open("rb") as opened:
                mode = os.fstat(opened.fileno()).st_mode
                found = opened.read(LARGEST).decode("ascii", "replace").strip()
        except OSError as error:
            self.tell(key, f"a readable file: {path}: {error.strerror}")
            return None
        if mode & OTHERS:
            self.tell(key, f"a file that only its owner can read, 0600; {path} has {stat.S_IMODE(mode):04o}")
            return None
        if not found:
            self.tell(key, f"something in {path}; it is empty")
        return found or None

    def address(self, key: str, file: str | None, variable: str | None, *, needed: bool = True) -> str | None:
        """An address by https; by http only to this machine, where a lab's receivers are."""
        found = self.read(key, file, variable, needed=needed)
        if found is None:
            return None
        try:
            parts = urlsplit(found)
            host, whole = parts.hostname or "", parts.port != 0
        except ValueError:
            host, whole = "", False
        secure = parts.scheme == "https" or (parts.scheme == "http" and is_loopback(host)) if whole else False
        if not host or not secure or parts.username is not None or not found.isprintable() or " " in found:
            self.tell(f"{key}_file" if file else f"{key}_variable", "there: one https:// address, without user and password")
            return None
        return found

    def authority(self, key: str, file: str | None) -> Path | None:
        """Certificates of an authority."""
        if file is None:
            return None
        try:
            ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT).load_verify_locations(self.place / file)
        except (OSError, ssl.SSLError) as error:
            self.tell(key, f"certificates of an authority, PEM: {error.strerror or error}")
        return self.place / file


def read_notify(secrets: Secrets, tables: Sequence[NotifyTable]) -> tuple[NotifySettings, ...]:
    """Every channel that can be used; what is wrong with the others is told."""
    return tuple(one for place, table in enumerate(tables) if (one := _channel(secrets, f"notify.{place}", table)))


def _channel(secrets: Secrets, key: str, table: NotifyTable) -> NotifySettings | None:
    url = secrets.address(f"{key}.url", table.url_file, table.url_variable, needed=table.kind != "pagerduty")
    words, signers = "", tuple[Signer, ...]()
    match table.kind:
        case "pagerduty":
            url = url or (ENDPOINT if table.url_file is None and table.url_variable is None else None)
            words = secrets.read(f"{key}.secret", table.secret_file, table.secret_variable) or ""
            if words and ROUTING_KEY.fullmatch(words) is None:
                secrets.tell(f"{key}.secret", "there: an integration key of the Events API v2, 32 letters and digits")
        case "webhook":
            signers = _signers(secrets, key, table)
        case "slack":
            if table.secret_file is not None or table.secret_variable is not None:
                secrets.tell(f"{key}.secret_file", "nothing: Slack's address is its secret")
        case _:
            assert_never(table.kind)
    authority = secrets.authority(f"{key}.authority", table.authority)
    for name, given in (("severities", table.severities), ("services", table.services)):
        if given == ():
            secrets.tell(f"{key}.{name}", "at least one; a channel that is told nothing need not be there")
    if url is None:
        return None
    return NotifySettings(
        name=table.name,
        kind=table.kind,
        severities=frozenset(table.severities),
        services=frozenset(table.services or ()),
        url=url,
        key=words,
        signers=signers,
        authority=authority,
    )


def _signers(secrets: Secrets, key: str, table: NotifyTable) -> tuple[Signer, ...]:
    words = secrets.read(f"{key}.secret", table.secret_file, table.secret_variable)
    try:
        return tuple(read_signer(line.strip()) for line in words.splitlines() if line.strip()) if words else ()
    except ValueError:
        secrets.tell(f"{key}.secret", f"there: {EXPECTED}, one a line")
        return ()


def read_heartbeat(secrets: Secrets, table: HeartbeatTable | None) -> HeartbeatSettings | None:
    """`[heartbeat]`; what is wrong with it is told."""
    if table is None:
        return None
    if table.every < timedelta(seconds=1):
        secrets.tell("heartbeat.every", "at least 1s")
    url = secrets.address("heartbeat.url", table.url_file, table.url_variable)
    authority = secrets.authority("heartbeat.authority", table.authority)
    return HeartbeatSettings(url=url, method=table.method, every=table.every, authority=authority) if url is not None else None
