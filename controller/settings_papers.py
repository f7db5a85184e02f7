"""Certificates that a controller shows and believes: can they be used? Asked when settings are read, so that no file is missed later."""

import ssl
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from controller.settings_tables import IdentityTable, TokensTable

Tell = Callable[[str, str], None]
"""Told of a problem: its key, and what was expected there."""


@dataclass(frozen=True, slots=True, kw_only=True)
class IdentitySettings:
    """Who this controller is to somebody: to edges and to the issuer of tokens, or to etcd."""

    certificate: Path
    authority: Path | None
    """Who vouches for the far side; None: whom the machine trusts."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TokenSettings:
    """Where the access token for canaries comes from."""

    url: str
    client: str
    scope: str
    authority: Path | None
    """Who vouches for the issuer; None: whom the machine trusts."""


def read_identity(place: Path, given: IdentityTable | None, tell: Tell, key: str = "identity") -> IdentitySettings | None:
    """`[identity]`, or another table of that shape, relative files beside `place`; what is wrong with the files is told."""
    if given is None:
        return None
    found = IdentitySettings(certificate=place / given.certificate, authority=_named(place, given.authority))
    try:
        ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT).load_cert_chain(found.certificate)
    except (OSError, ssl.SSLError) as error:
        tell(f"{key}.certificate", f"a certificate with its chain and its private key, PEM: {_said(error)}")
    _check(f"{key}.authority", found.authority, tell)
    return found


def read_tokens(place: Path, given: TokensTable | None, tell: Tell) -> TokenSettings | None:
    """`[tokens]`, likewise."""
    if given is None:
        return None
    authority = _named(place, given.authority)
    _check("tokens.authority", authority, tell)
    return TokenSettings(url=given.url, client=given.client, scope=given.scope, authority=authority)


def _check(key: str, authority: Path | None, tell: Tell) -> None:
    if authority is not None:
        try:
            ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT).load_verify_locations(authority)
        except (OSError, ssl.SSLError) as error:
            tell(key, f"certificates of an authority, PEM: {_said(error)}")


def _said(error: OSError) -> str:
    return str(error.strerror or error)


def _named(place: Path, file: str | None) -> Path | None:
    return None if file is None else place / file
