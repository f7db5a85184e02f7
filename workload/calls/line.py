"""One other service, for parts that are put together before there is an event loop."""

from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager

from workload.access.identity import Identity
from workload.calls.answer import Outcome, Question, Reason, Unavailable
from workload.calls.callee import Callee
from workload.calls.settings import CalleeSettings
from workload.calls.wiring import calling
from workload.telemetry.steps import Kind, step


class Line:
    """Leads to a service for the length of `open`, and to nobody before and after."""

    def __init__(
        self,
        service: str,
        settings: CalleeSettings,
        identity: Identity | None,
        *,
        own_site: str,
        on_outcome: Callable[[str], None] = lambda outcome: None,
        outgoing: Callable[[], Mapping[str, str]] = dict,
    ) -> None:
        """`service`: whom it leads to, for traces; else as `calling` wants it."""
        self._service = service
        self._settings, self._identity, self._own_site = settings, identity, own_site
        self._on_outcome, self._outgoing = on_outcome, outgoing
        self._callee: Callee | None = None

    @property
    def breakers(self) -> Mapping[str, bool]:
        """By site: is its instance left alone for now?"""
        return {} if self._callee is None else self._callee.breakers

    async def ask(self, question: Question) -> Outcome:
        """As `Callee.ask`."""
        if self._callee is None:
            return Unavailable(reason=Reason.UNREACHABLE, detail="this process is starting or ending")
        with step("call", Kind.CLIENT, service=self._service) as call:
            outcome = await self._callee.ask(question)
            if isinstance(outcome, Unavailable):
                call.fail(outcome.reason.value)
        return outcome

    @asynccontextmanager
    async def open(self) -> AsyncIterator[None]:
        """Raises NoIdentity, OSError, ssl.SSLError."""
        async with calling(
            self._settings, self._identity, own_site=self._own_site, on_outcome=self._on_outcome, outgoing=self._outgoing
        ) as callee:
            self._callee = callee
            try:
                yield
            finally:
                self._callee = None
