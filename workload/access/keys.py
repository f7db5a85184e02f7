"""The issuer's public keys, as far as this service would believe them. Pure.

A key says which algorithm it is for; a token has no say in that. Everything that does not fit is left out, so that a set with one
key of a new kind still gives the others (RFC 7517 section 5).
"""

import json
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from joserfc.errors import JoseError
from joserfc.jwk import DictKey, ECKey, RSAKey


class Algorithm(StrEnum):
    """Signatures that can be configured (RFC 7518 section 3.1). Neither `none` nor any MAC is among them."""

    ES256 = "ES256"
    RS256 = "RS256"


MOST_KEYS = 32
"""Of one document. An issuer has two or three: the present, the next, the last."""

SHORTEST_MODULUS = 342
"""Characters of an RSA modulus of 2048 bits in base64url (NIST SP 800-131A)."""

MEMBERS: Mapping[Algorithm, tuple[str, ...]] = {Algorithm.ES256: ("kty", "crv", "x", "y"), Algorithm.RS256: ("kty", "n", "e")}
"""What is read of a key: its public part and nothing else."""


class UnusableKeys(Exception):
    """A document that holds no key which could be used; the message says what was expected."""


@dataclass(frozen=True, slots=True, kw_only=True)
class IssuerKey:
    """One key, and the only algorithm it is used for."""

    kid: str
    algorithm: Algorithm
    fingerprint: str
    """RFC 7638. The same `kid` over another key is another key."""
    material: ECKey | RSAKey = field(repr=False, compare=False)


def read_keys(document: bytes, algorithms: Collection[Algorithm]) -> Mapping[str, IssuerKey]:
    """The usable keys of a JWKS by their ids. Raises UnusableKeys when there is none: what was known before is better than that."""
    try:
        listed = json.loads(document)["keys"]
    except (ValueError, TypeError, KeyError, RecursionError) as error:
        raise UnusableKeys("expected a JSON object with `keys`") from error
    if not isinstance(listed, list):
        raise UnusableKeys("expected a list as `keys`")
    keys = [key for given in listed[:MOST_KEYS] if (key := _read_key(given, algorithms)) is not None]
    if not keys:
        raise UnusableKeys(f"expected a key with `kid` for {' or '.join(sorted(algorithms))}, of {len(listed)} none is one")
    return {key.kid: key for key in keys}


def _read_key(given: Any, algorithms: Collection[Algorithm]) -> IssuerKey | None:
    if not isinstance(given, dict) or not isinstance(given.get("kid"), str) or given.get("use", "sig") != "sig":
        return None
    algorithm = _algorithm(given)
    if algorithm is None or algorithm not in algorithms or given.get("alg", algorithm) != algorithm:
        return None
    public: DictKey = {name: given[name] for name in MEMBERS[algorithm] if isinstance(given.get(name), str)}
    try:
        material: ECKey | RSAKey = ECKey.import_key(public) if algorithm is Algorithm.ES256 else RSAKey.import_key(public)
        return IssuerKey(kid=given["kid"], algorithm=algorithm, fingerprint=material.thumbprint(), material=material)
    except (JoseError, ValueError):
        return None


def _algorithm(given: Mapping[str, Any]) -> Algorithm | None:
    match given:
        case {"kty": "EC", "crv": "P-256"}:
            return Algorithm.ES256
        case {"kty": "RSA", "n": str(modulus)} if len(modulus) >= SHORTEST_MODULUS:
            return Algorithm.RS256
    return None
