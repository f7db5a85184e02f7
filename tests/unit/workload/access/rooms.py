"""An issuer that is a key in memory, a service that trusts it, and time that a test moves."""

import asyncio
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

from joserfc import jwt
from joserfc.jwk import ECKey, OctKey, RSAKey

from workload.access.keys import Algorithm
from workload.access.ring import CannotFetch, Ring
from workload.access.token import Terms
from workload.access.verifier import Verifier

ISSUER, AUDIENCE = "https://issuer.test", "payments"
MINE, OTHERS = "A" * 43, "B" * 43
"""Thumbprints of two certificates."""
TERMS = Terms(issuer=ISSUER, audience=AUDIENCE)
BEGINNING = 1_000_000.0
"""Unix seconds at which every test begins."""


def new_key(kid: str = "k1") -> ECKey:
    """A key of an issuer."""
    return ECKey.generate_key("P-256", parameters={"kid": kid})


FIRST = new_key()
"""One for tests to which it does not matter."""


def claims(**changes: Any) -> dict[str, Any]:
    """What a good token says; None leaves a claim out."""
    said = {
        "iss": ISSUER,
        "aud": AUDIENCE,
        "sub": "merchant-1",
        "client_id": "till-7",
        "jti": "j1",
        "iat": BEGINNING,
        "exp": BEGINNING + 3600,
        "scope": "payments:write payments:read",
        "cnf": {"x5t#S256": MINE},
        **changes,
    }
    return {name: value for name, value in said.items() if value is not None}


def token(key: ECKey | RSAKey | OctKey = FIRST, header: Mapping[str, Any] | None = None, **changes: Any) -> str:
    """A signed token."""
    default = {"alg": "ES256", "typ": "at+jwt", "kid": str(key.kid)}
    said = {name: value for name, value in {**default, **(header or {})}.items() if value is not None}
    return jwt.encode(said, claims(**changes), key, algorithms=[said["alg"]], default_type=None)


def document(*keys: ECKey | RSAKey, **more: Any) -> bytes:
    """A JWKS."""
    return json.dumps({"keys": [key.as_dict(private=False, **more) for key in keys]}).encode()


@dataclass
class Room:
    """Everything a test turns and looks at."""

    published: bytes | None = field(default_factory=lambda: document(FIRST))
    """What the issuer answers; None: it is away."""
    elapsed: float = 0.0
    asked: int = 0
    hold: asyncio.Event | None = None
    """While it is not set, the issuer does not answer."""

    def __post_init__(self) -> None:
        self.ring = self.new_ring()
        self.verifier = self.new_verifier()

    def new_ring(self, **changes: Any) -> Ring:
        """The issuer's keys, not asked for yet."""
        given: dict[str, Any] = {
            "algorithms": [Algorithm.ES256],
            "longest_age": timedelta(hours=24),
            "spacing": timedelta(seconds=10),
            "patience": timedelta(seconds=60),
            "monotonic": lambda: self.elapsed,
        }
        return Ring(self.fetch, **{**given, **changes})

    def new_verifier(self, **changes: Any) -> Verifier:
        """Over the present ring."""
        return Verifier(TERMS, self.ring, now=lambda: BEGINNING + self.elapsed, **changes)

    async def fetch(self) -> bytes:
        """Ask the issuer."""
        self.asked += 1
        if self.hold is not None:
            await self.hold.wait()
        if self.published is None:
            raise CannotFetch("away")
        return self.published


async def ready(room: Room) -> Room:
    """The same, with keys."""
    await room.ring.refetch()
    return room


async def settle() -> None:
    """Let every task that can run do so."""
    for _ in range(10):
        await asyncio.sleep(0)
