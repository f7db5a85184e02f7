"""Stands where the door would: everybody is inside, and is called that."""

from collections.abc import Sequence

from starlette.types import ASGIApp, Receive, Scope, Send

from workload.access.caller import Caller
from workload.access.door import CALLER
from workload.access.operations import Operation
from workload.access.peer import STATE

NAME = "everybody"


class Everybody:
    """ASGI middleware. Gives every request the same Caller, who may do whatever can be asked of the service."""

    def __init__(self, app: ASGIApp, operations: Sequence[Operation]) -> None:
        self._app = app
        self._caller = Caller(subject=NAME, client=NAME, scopes=frozenset(one.scope for one in operations))

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http":
            scope.setdefault(STATE, {})[CALLER] = self._caller
        await self._app(scope, receive, send)
