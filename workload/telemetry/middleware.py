"""One layer around a service through which every request is seen: counted, followed, and told in a line when it is worth one."""

import time
from collections.abc import Callable
from dataclasses import dataclass

import structlog
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from workload.telemetry.propagation import read_headers
from workload.telemetry.rates import METHODS, OTHER, Rates, route_of
from workload.telemetry.sampling import Sampling, Verdict
from workload.telemetry.steps import Step, Trail, draw_id, follow

log = structlog.get_logger()

UNFOLLOWED = frozenset({"/healthz", "/readyz", "/metrics"})
"""Asked several times a second by everybody, and all of them fail at once when the writer is gone: counted, not followed."""

NANOSECONDS = 1e9


@dataclass(frozen=True, slots=True, kw_only=True)
class Clocks:
    """Nanoseconds: one clock that never goes back, and the one on the wall."""

    steady: Callable[[], int] = time.perf_counter_ns
    wall: Callable[[], int] = time.time_ns


class Observed:
    """ASGI middleware; stands before the gate, so that refusals are seen too."""

    def __init__(
        self,
        app: ASGIApp,
        *,
        site: str,
        rates: Rates,
        sampling: Sampling,
        show: Callable[[Trail, Verdict], None],
        clocks: Clocks | None = None,
    ) -> None:
        """`show` gets every request's steps once it is over, with what is to become of them; it must not wait."""
        self._app, self._site = app, site
        self._rates, self._sampling, self._show = rates, sampling, show
        self._clocks = clocks or Clocks()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        status, began = 0, self._clocks.steady()
        followed = None if scope["path"] in UNFOLLOWED else self._follow(scope)

        async def seen(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
            await send(message)

        try:
            if followed is None:
                await self._app(scope, receive, seen)
            else:
                with followed:
                    await self._app(scope, receive, seen)
        finally:
            seconds, route = (self._clocks.steady() - began) / NANOSECONDS, route_of(scope)
            self._rates.count(scope["method"], route, status, seconds)
            if followed is not None:
                self._end(followed, scope, route, status, seconds)

    def _follow(self, scope: Scope) -> Step:
        caller, edge = read_headers(scope["headers"], self._clocks.wall())
        trace = caller.trace if caller else draw_id(128)
        now = self._clocks.steady() / NANOSECONDS
        sampled = self._sampling.chooses(trace, asked=caller is not None and caller.sampled, now=now)
        trail = Trail(
            trace=trace,
            caller=caller.span if caller else None,
            sampled=sampled,
            clock=self._clocks.steady,
            wall=self._clocks.wall(),
            edge=edge,
        )
        return follow(trail, "request", site=self._site)

    def _end(self, request: Step, scope: Scope, route: str, status: int, seconds: float) -> None:
        """A request that got no answer, or one that settles nothing, failed; a refusal is an answer like any other."""
        method = scope["method"] if scope["method"] in METHODS else OTHER
        request.name = f"{method} {route}"
        request.note(**{"http.request.method": method, "http.route": route, "http.response.status_code": status})
        if status >= 500 and not request.outcome:
            request.fail(str(status))
        trail, now = request.trail, self._clocks.steady() / NANOSECONDS
        failed = status == 0 or status >= 500
        verdict = self._sampling.judge(sampled=trail.sampled, failed=failed, seconds=seconds, now=now)
        if verdict.is_shown:
            trail.settle()
        self._show(trail, verdict)
        if not verdict.is_shown:
            trail.forget()
        else:
            log.info(
                "request",
                method=method,
                route=route,
                status=status,
                seconds=round(seconds, 4),
                why=verdict.value,
                caller_trace=trail.caller is not None,
                trace_id=f"{trail.trace:032x}",
                span_id=f"{request.id:016x}",
            )
