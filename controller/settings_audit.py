"""`[audit]` of a controller's settings: its private key, everybody's public keys, how often it signs, and where heads are anchored.

Without the table nothing is signed; the journal is a chain all the same. A key that cannot be used is told when settings are read.
"""

import os
import stat
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Annotated
from urllib.parse import urlsplit

from pydantic import AfterValidator, AwareDatetime, Field

from controller.audit.keys import PublicKey, understood
from controller.core.heads import Rhythm
from controller.settings_papers import Tell
from controller.settings_tables import Duration, SiteName, Table, Text, Url
from controller.settings_token import OTHERS, is_loopback, read_token

if TYPE_CHECKING:
    from controller.audit.signer import Signer

Problem = tuple[str, str]
"""Dotted key, and what was expected there."""


class PublicKeyTable(Table):
    """One of `[[audit.keys]]`"""

    controller: SiteName
    public: Annotated[str, AfterValidator(understood)]
    until: Annotated[AwareDatetime, Field(strict=True)] | None = None
    """When it was retired; what it signed before is proven by it for ever, so a line is never taken out."""


class AnchorTable(Table):
    """One of `[[audit.anchors]]`: a file, or an address that heads are posted to."""

    file: Text | None = None
    url: Url | None = None
    token_file: Text | None = None
    """With what an address is asked, as `Authorization: Bearer`; without it as nobody."""
    deadline: Duration = timedelta(seconds=5)


class AuditTable(Table):
    """`[audit]`"""

    key_file: Text
    keys: Annotated[list[PublicKeyTable], Field(min_length=1)]
    entries: Annotated[int, Field(strict=True, ge=1, le=10_000)] = 100
    every: Duration = timedelta(minutes=10)
    anchors: list[AnchorTable] = Field(default_factory=list)


@dataclass(frozen=True, slots=True, kw_only=True)
class AnchorSettings:
    """One place outside; either a file or an address."""

    file: Path | None
    url: str | None
    token: str | None = field(repr=False)
    deadline: timedelta


@dataclass(frozen=True, slots=True, kw_only=True)
class AuditSettings:
    """Who signs what is signed here, and by which keys others are proven."""

    signer: "Signer"
    keys: tuple[PublicKey, ...]
    rhythm: Rhythm
    anchors: tuple[AnchorSettings, ...]


def read_audit(place: Path, site: str, given: AuditTable | None, tell: Tell) -> AuditSettings | None:
    """The table with its files, relative ones beside `place`; what is wrong with the files is told."""
    if given is None:
        return None
    from controller.audit.signer import Signer, read_private

    keys = tuple(PublicKey(controller=one.controller, public=one.public, until=one.until) for one in given.keys)
    anchors = tuple(_anchor(place, number, one, tell) for number, one in enumerate(given.anchors))
    path = place / given.key_file
    try:
        mode = path.stat().st_mode
        private = read_private(path)
    except OSError as error:
        tell("audit.key_file", f"a readable file: {path}: {error.strerror}")
        return None
    except ValueError as error:
        tell("audit.key_file", f"PEM of {error}: {path}")
        return None
    if mode & OTHERS:
        tell("audit.key_file", f"a file that only its owner can read, 0600; {path} has {stat.S_IMODE(mode):04o}")
    signer = Signer(controller=site, private=private)
    if not any(key.controller == site and key.public == signer.public and key.until is None for key in keys):
        line = f'controller = "{site}", public = "{signer.public}"'
        tell("audit.keys", f"the public half of {path.name}, in use: {line}; nobody could prove what is signed with it")
    rhythm = Rhythm(entries=given.entries, every=given.every)
    return AuditSettings(signer=signer, keys=keys, rhythm=rhythm, anchors=anchors)


def of_audit(document: Mapping[str, object], sites: frozenset[str]) -> Iterator[Problem]:
    """What the table says about itself and about the sites: every key once and somebody's, every anchor one place, by https."""
    table = document.get("audit")
    if not isinstance(table, dict):
        return
    seen = dict[str, int]()
    keys, anchors = table.get("keys"), table.get("anchors")
    for number, one in enumerate(keys if isinstance(keys, list) else ()):
        given = one if isinstance(one, dict) else {}
        controller, public = given.get("controller"), given.get("public")
        if sites and isinstance(controller, str) and controller not in sites:
            yield f"audit.keys.{number}.controller", f"one of {', '.join(sorted(sites))}"
        if isinstance(public, str) and (first := seen.setdefault(_same(public), number)) != number:
            yield f"audit.keys.{number}.public", f"another key than that of audit.keys.{first}: one key, one controller"
    for number, one in enumerate(anchors if isinstance(anchors, list) else ()):
        given = one if isinstance(one, dict) else {}
        url = given.get("url")
        if ("file" in given) == ("url" in given):
            yield f"audit.anchors.{number}", "either file or url"
        if isinstance(url, str) and not url.startswith("https://") and not is_loopback(urlsplit(url).hostname or ""):
            yield f"audit.anchors.{number}.url", "an https:// address; whoever sits between could keep the head to himself"
        if "token_file" in given and "url" not in given:
            yield f"audit.anchors.{number}.token_file", "nothing: a file is asked without a token"


def _same(public: str) -> str:
    """One key has more than one spelling in base64."""
    try:
        return understood(public)
    except ValueError:
        return public  # told already by its own shape


def _anchor(place: Path, number: int, given: AnchorTable, tell: Tell) -> AnchorSettings:
    token = None
    if given.token_file is not None:
        token = read_token(place / given.token_file, lambda expected: tell(f"audit.anchors.{number}.token_file", expected))
    file = None if given.file is None else place / given.file
    if file is not None and not os.access(file if file.exists() else file.parent, os.W_OK):
        tell(f"audit.anchors.{number}.file", f"a file that can be appended to: {file}")
    return AnchorSettings(file=file, url=given.url, token=token, deadline=given.deadline)


def public_line(controller: str, public: str) -> str:
    """What is to be added to every controller's settings."""
    return f'[[audit.keys]]\ncontroller = "{controller}"\npublic = "{public}"'
