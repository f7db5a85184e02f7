"""Which scope an operation needs. What is not listed may nobody do: a route that was forgotten here is closed, not open. Pure."""

import re
from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Operation:
    """One thing that can be asked of a service."""

    method: str
    path: str
    """As in the routes: `/v1/payments/{id}`; braces stand for one segment."""
    scope: str


class Operations:
    """All of one service."""

    def __init__(self, operations: Sequence[Operation]) -> None:
        self._patterns = [(one.method, re.compile(_pattern(one.path)), one.scope) for one in operations]

    def scope(self, method: str, path: str) -> str | None:
        """The scope that is needed, or None when this is no operation. HEAD is asked as GET is."""
        asked = "GET" if method == "HEAD" else method
        found = (scope for wanted, pattern, scope in self._patterns if wanted == asked and pattern.fullmatch(path))
        return next(found, None)


def _pattern(path: str) -> str:
    return "[^/]+".join(re.escape(part) for part in re.split(r"\{[a-z_]+\}", path))
