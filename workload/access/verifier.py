"""Who shows this token, over which certificate: the answer that every request waits for.

A token that was verified once is remembered by its hash until it ends, because the signature is what costs. Nothing else is
remembered: time, certificate and key are looked at for every request.
"""

import hashlib
from collections import OrderedDict
from collections.abc import Callable

from workload.access.caller import Caller
from workload.access.keys import IssuerKey
from workload.access.refusal import AccessRefused, Kind
from workload.access.ring import Ring
from workload.access.token import NotSigned, Shown, Terms, Verified, take_apart, verify


class Verifier:
    """Verifies access tokens of one issuer for one service."""

    def __init__(
        self, terms: Terms, ring: Ring, *, now: Callable[[], float], remembered: int = 10_000, unbound: bool = False
    ) -> None:
        """`now`: Unix seconds. `remembered`: tokens at most. `unbound`: is a token believed that is bound to no certificate?"""
        self._terms = terms
        self._ring = ring
        self._now = now
        self._most = remembered
        self._unbound = unbound
        self._verified: OrderedDict[bytes, Verified] = OrderedDict()

    @property
    def remembered(self) -> int:
        """Tokens that would not be verified again."""
        return len(self._verified)

    async def admit(self, token: str, thumbprint: str | None) -> Caller:
        """Who shows this token. `thumbprint`: SHA-256 of the certificate whose key the other side holds, base64url; None: it showed
        none. Raises AccessRefused."""
        digest = hashlib.sha256(token.encode("utf-8", "surrogateescape")).digest()
        verified = self._recall(digest)
        if verified is None:
            verified = await self._verify(take_apart(token), thumbprint)
            self._remember(digest, verified)
        self._check_bond(verified, thumbprint)
        return verified.caller

    def _recall(self, digest: bytes) -> Verified | None:
        verified = self._verified.get(digest)
        if verified is None:
            return None
        # A key that the issuer took back opens nothing any more, also what it opened a moment ago.
        if self._now() >= verified.ends_at or self._ring.find(verified.key.kid) != verified.key:
            del self._verified[digest]
            return None
        self._verified.move_to_end(digest)
        return verified

    def _remember(self, digest: bytes, verified: Verified) -> None:
        self._verified[digest] = verified
        while len(self._verified) > self._most:
            self._verified.popitem(last=False)

    async def _verify(self, shown: Shown, thumbprint: str | None) -> Verified:
        known = self._ring.find(shown.kid)
        refused: NotSigned | None = None
        if known is not None:
            try:
                return self._fitting(shown, known)
            except NotSigned as error:
                refused = error  # the issuer may sign with another key by now, though that should have another id
        if thumbprint is None and not self._unbound:
            # No answer of the issuer would let it in, so nobody waits for one.
            raise AccessRefused(Kind.WRONG_CERTIFICATE, "no certificate was shown")
        answered = await self._ring.refetch()
        renewed = self._ring.find(shown.kid)
        if not answered and renewed is None:
            raise AccessRefused(Kind.KEYS_UNKNOWN, "the issuer was asked for the token's key and has given no keys yet")
        if renewed is None:
            raise AccessRefused(Kind.UNKNOWN_TOKEN, "the issuer has no key of the id that the token names")
        if refused is not None and renewed == known:
            raise refused
        return self._fitting(shown, renewed)

    def _fitting(self, shown: Shown, key: IssuerKey) -> Verified:
        return verify(shown, key, self._terms, self._now())

    def _check_bond(self, verified: Verified, thumbprint: str | None) -> None:
        if verified.thumbprint is None:
            if not self._unbound:
                raise AccessRefused(Kind.WRONG_CERTIFICATE, "the token is bound to no certificate")
        elif thumbprint is None:
            raise AccessRefused(Kind.WRONG_CERTIFICATE, "the token is bound to a certificate, and none was shown")
        elif thumbprint != verified.thumbprint:
            raise AccessRefused(Kind.WRONG_CERTIFICATE, "the token is bound to another certificate than the one shown")
