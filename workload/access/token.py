"""One access token: is it what it says it is? Pure: token, key and time in, what it grants out.

RFC 9068 says what an access token holds, RFC 8725 what must not be left to it, RFC 8705 section 3.1 how it is bound to a certificate.
Signatures are joserfc's, which takes base64url in its one canonical form only: no byte of a token can be changed unnoticed.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from joserfc import jws
from joserfc.errors import ClaimError, ExpiredTokenError, JoseError, MissingClaimError
from joserfc.jwt import JWTClaimsRegistry

from workload.access.caller import Caller
from workload.access.keys import Algorithm, IssuerKey
from workload.access.refusal import AccessRefused, Kind

TYPES = ("at+jwt", "application/at+jwt")
"""Anything else is no access token: a signed statement of the same issuer for another purpose must open nothing (RFC 8725 3.11)."""

LONGEST = 8192
"""Characters. Whatever is larger is not looked at."""

FAR = 2**53
"""Unix seconds. JSON's whole numbers have no largest one, a float has."""

SIGNED = {algorithm: jws.JWSRegistry(algorithms=[algorithm.value]) for algorithm in Algorithm}
"""Each knows one algorithm: `none` and MACs are not among what could be chosen."""

CLAIM_KINDS: Mapping[str, Kind] = {"aud": Kind.WRONG_AUDIENCE, "nbf": Kind.NOT_YET_VALID, "iat": Kind.NOT_YET_VALID}


@dataclass(frozen=True, slots=True, kw_only=True)
class Terms:
    """What a token must say to be believed here."""

    issuer: str
    audience: str
    leeway: timedelta = timedelta(seconds=5)
    """How long after its end a token is believed, because clocks differ; whole seconds."""
    early: timedelta = timedelta(seconds=60)
    """How long before its beginning, or before it was issued; at least `leeway`, whole seconds.

    The clock of one site stands half a minute behind. Whoever has just got a token is told there with 401 that it is from the future: no
    client asks again after that, no probe fails, and the site turns payments away for as long as nobody looks at its clock. To believe the
    issuer's signature a minute early gives nobody anything: the token ends no later for it.
    """


@dataclass(frozen=True, slots=True, kw_only=True)
class Shown:
    """A token taken apart, and not believed yet."""

    kid: str
    algorithm: str
    signed: jws.CompactSignature


@dataclass(frozen=True, slots=True, kw_only=True)
class Verified:
    """What a token grants until it ends, to whoever holds the certificate."""

    caller: Caller
    thumbprint: str | None
    """SHA-256 of the certificate it is bound to, base64url; None: to none."""
    ends_at: float
    """Unix seconds, leeway included."""
    key: IssuerKey
    """The one that it was verified with."""


class NotSigned(AccessRefused):
    """The signature does not fit the key. Another key of the same id might."""


def take_apart(token: str) -> Shown:
    """The token's parts. Raises AccessRefused for what can be no access token, whoever signed it."""
    if len(token) > LONGEST:
        raise AccessRefused(Kind.UNKNOWN_TOKEN, f"a token has at most {LONGEST} characters")
    try:
        signed = jws.extract_compact(token.encode("ascii"))
        header = signed.headers()
        kind, algorithm, kid = header.get("typ"), header["alg"], header.get("kid")
    except (JoseError, ValueError, TypeError, AttributeError, RecursionError) as error:
        raise AccessRefused(Kind.UNKNOWN_TOKEN, "the token is no signed JWT in compact form") from error
    if not isinstance(kind, str) or kind.lower() not in TYPES:
        raise AccessRefused(Kind.UNKNOWN_TOKEN, f"the token's type is not {TYPES[0]}")
    if not isinstance(algorithm, str) or algorithm not in SIGNED:
        raise AccessRefused(Kind.WRONG_ALGORITHM, f"tokens are signed with {' or '.join(SIGNED)}")
    if not isinstance(kid, str) or "crit" in header or "b64" in header:
        raise AccessRefused(Kind.UNKNOWN_TOKEN, "the token names no key, or asks for an extension that nobody here knows")
    return Shown(kid=kid, algorithm=algorithm, signed=signed)


def verify(shown: Shown, key: IssuerKey, terms: Terms, now: float) -> Verified:
    """What the token grants. `now` in Unix seconds. Raises AccessRefused; NotSigned when the key is not the one it was signed with."""
    if shown.algorithm != key.algorithm:
        raise AccessRefused(Kind.WRONG_ALGORITHM, f"this key signs with {key.algorithm} and nothing else")
    try:
        fits = jws.validate_compact(shown.signed, key.material, registry=SIGNED[key.algorithm])
    except (JoseError, ValueError) as error:
        raise AccessRefused(Kind.UNKNOWN_TOKEN, "the token's header cannot be accepted") from error
    if not fits:
        raise NotSigned(Kind.UNKNOWN_TOKEN, "the token was not signed with this key")
    claims = _claims(shown.signed.payload, terms, now)
    caller = Caller(subject=claims["sub"], client=claims["client_id"], scopes=frozenset(claims.get("scope", "").split()))
    ends_at = min(claims["exp"], FAR) + terms.leeway.total_seconds()
    return Verified(caller=caller, thumbprint=_thumbprint(claims.get("cnf")), ends_at=ends_at, key=key)


def _claims(payload: bytes, terms: Terms, now: float) -> Mapping[str, Any]:
    try:
        claims = json.loads(payload)
    except (ValueError, RecursionError) as error:
        raise AccessRefused(Kind.UNKNOWN_TOKEN, "the token's content is no JSON") from error
    texts = ("iss", "sub", "client_id", "jti")
    if not isinstance(claims, dict) or not isinstance(claims.get("scope", ""), str):
        raise AccessRefused(Kind.UNKNOWN_TOKEN, "the token's content is not that of an access token")
    if not all(isinstance(claims.get(name), str) and claims[name] for name in texts):
        raise AccessRefused(Kind.UNKNOWN_TOKEN, f"an access token says {', '.join(texts)}")
    wanted = JWTClaimsRegistry(
        now=int(now),
        leeway=int(terms.early.total_seconds()),
        iss={"essential": True, "value": terms.issuer},
        aud={"essential": True, "value": terms.audience},
        exp={"essential": True},
        iat={"essential": True},
    )
    try:
        wanted.validate(claims)
    except ExpiredTokenError as error:
        raise AccessRefused(Kind.EXPIRED, "the token has ended") from error
    except MissingClaimError as error:
        raise AccessRefused(Kind.UNKNOWN_TOKEN, "an access token says iss, aud, exp and iat") from error
    except ClaimError as error:
        raise AccessRefused(CLAIM_KINDS.get(error.claim, Kind.UNKNOWN_TOKEN), _DETAILS.get(error.claim, _UNKNOWN)) from error
    if claims["exp"] <= int(now) - terms.leeway.total_seconds():
        raise AccessRefused(Kind.EXPIRED, "the token has ended")
    return claims


_UNKNOWN = "the token is not this issuer's, or says something that no access token says"
_DETAILS = {
    "aud": "the token is meant for another service",
    "nbf": "the token is not valid yet",
    "iat": "the token was issued in the future",
}


def _thumbprint(cnf: object) -> str | None:
    """Of the certificate that the token is bound to. Raises AccessRefused for a bond that cannot be checked here."""
    if cnf is None:
        return None
    thumbprint = cnf.get("x5t#S256") if isinstance(cnf, dict) else None
    if not isinstance(thumbprint, str) or not thumbprint:
        raise AccessRefused(Kind.WRONG_CERTIFICATE, "the token is bound to something that is no certificate")
    return thumbprint
