"""Who calls, as this service sees it: a value that whoever checked the caller's token left with the request."""

from collections.abc import Callable
from enum import StrEnum
from typing import Protocol

from fastapi import Request

from workload.access.operations import Operation


class Scope(StrEnum):
    """What a caller may be allowed, one by one. Opening a number has a scope of its own."""

    TOKENIZE = "vault:tokenize"
    REVEAL = "vault:reveal"
    SUBJECT = "vault:subject"
    """Whose a token is, and nothing else: for a service that has no use for digits."""
    READ = "vault:read"
    ERASE = "vault:erase"


OPERATIONS = (
    Operation(method="POST", path="/v1/tokens", scope=Scope.TOKENIZE.value),
    Operation(method="GET", path="/v1/tokens/{token}", scope=Scope.READ.value),
    Operation(method="GET", path="/v1/tokens/{token}/subject", scope=Scope.SUBJECT.value),
    Operation(method="POST", path="/v1/tokens/{token}/reveal", scope=Scope.REVEAL.value),
    Operation(method="DELETE", path="/v1/subjects/{id}", scope=Scope.ERASE.value),
    Operation(method="GET", path="/v1/erasures/{id}", scope=Scope.READ.value),
)
"""What whoever checks tokens has to know. The scope is checked again behind it: a door that is left open opens no vault."""

PARTS = tuple(one.path for one in OPERATIONS if one.scope == Scope.SUBJECT.value)
"""What services ask for while a client of theirs waits: payments asks whose a token is before it pays. Behind everybody who hands in a
number, no payment from a new token would be made for as long as they come."""


class Caller(Protocol):
    """A caller whose token was checked."""

    @property
    def subject(self) -> str:
        """Who it is: what the audit trail records."""

    @property
    def scopes(self) -> frozenset[str]:
        """What its token allows."""


WhoCalls = Callable[[Request], Caller]
"""The caller of a request. Whoever passes it has refused requests without a valid token before they come here."""


class NotAllowed(Exception):
    """The caller's token does not have the scope of the operation."""

    def __init__(self, scope: Scope) -> None:
        super().__init__(f"this needs the scope {scope.value}")
        self.scope = scope
