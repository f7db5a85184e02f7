"""Who asks, once that has been proven."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Caller:
    """Whoever a request came from, and what it may ask for."""

    subject: str
    """On whose behalf: the token's `sub`, or the name in a service's certificate."""
    client: str
    """The program that asks: the token's `client_id`, or the same name."""
    scopes: frozenset[str]
