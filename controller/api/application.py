"""HTTP: turns requests into questions about one controller's view, and wishes into entries in etcd. Nothing is decided here."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

from aiohttp import web
from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, ValidationError

from controller.api.chronicle import Chronicle
from controller.api.gate import Gate, guarded
from controller.api.problems import OUTCOME_UNKNOWN, Problem, described
from controller.api.status import Told, status
from controller.coordination.codec import plain
from controller.core.beacon import silence
from controller.core.explain import explain
from controller.core.fleet import Fleet, Whereabouts
from controller.core.model import JournalEntry, Part, Site
from controller.core.policy import Moment
from controller.errors import Transient
from controller.loop import Loop
from controller.metrics import Metrics
from controller.observe import running
from controller.ports import Clock, Coordination, Request
from controller.provider_watch import ProviderWatch
from controller.zone_watch import ZoneWatch

GLANCE = timedelta(seconds=0.3)
"""How long a status waits for the newest journal entries; without them it is told with what was read before."""

MOST = 1000
"""Journal entries in one answer."""

DIGITS = 12
"""Of a journal entry's number."""

WAITING = 20
"""Requests that may wait at once. One is answered per tick; more than these no person has asked for."""


class RequestBody(BaseModel):
    """The body of `POST /v1/services/{service}/requests`."""

    model_config = ConfigDict(extra="forbid")

    id: str = Field(pattern=r"^[A-Za-z0-9._-]{1,64}$")
    verb: str = Field(min_length=1, max_length=32)
    by: str = Field(min_length=1, max_length=200)
    reason: str = Field(max_length=2000)
    arguments: dict[str, str] = {}
    at: AwareDatetime | None = None
    """When it was asked, as `status` told the time; without it, when it arrived.

    1. An operator asks for a failover, and gets no answer: the way to the controller holds the bytes. 2. The operator finds another
    way out. 3. An hour later the way is whole and the bytes arrive. Dated by its arrival, the order would be carried out.
    """


@dataclass(frozen=True, slots=True, kw_only=True)
class Desk:
    """What the handlers answer from."""

    controller: Site
    loops: Mapping[str, Loop]
    chronicles: Mapping[str, Chronicle]
    coordination: Coordination
    metrics: Metrics
    clock: Clock
    zone: ZoneWatch | None
    providers: Mapping[str, ProviderWatch]
    companions: Mapping[str, tuple[str, ...]]
    """By service: the others that go with it."""

    def loop_of(self, request: web.Request) -> Loop:
        """The loop of the service in the path. Raises Problem 404."""
        name = request.match_info["service"]
        if name not in self.loops:
            raise Problem(404, "unknown-service", f"no service {name}; there is {', '.join(sorted(self.loops))}")
        return self.loops[name]

    async def told(self, loop: Loop) -> Told:
        """What is known now, with everything aged to this moment. Raises Problem 503 before the first tick."""
        chronicle = self.chronicles[loop.service]
        now = Moment(wall=self.clock.now(), monotonic=self.clock.monotonic())
        if loop.view is None:
            lost = "or it holds nothing of the service, and the controller's log says what then"
            raise Problem(
                503, "not-ready", f"no tick since the start of this controller: etcd's majority has not answered yet, {lost}"
            )
        if now.monotonic - loop.view.at <= loop.policy.freshness:
            await chronicle.glance(GLANCE)
        return Told(
            controller=self.controller,
            view=loop.view,
            facts=loop.observer.facts(),
            policy=loop.policy,
            now=Moment(wall=self.clock.now(), monotonic=self.clock.monotonic()),
            since=chronicle.since(loop.view.snapshot.posture.reign),
            verified=chronicle.verified,
            journal_end=chronicle.end,
            zone=self.zone.document() if self.zone else None,
            providers=self.providers.get(loop.service),
            fleet=self.fleet_of(loop.service),
        )

    def fleet_of(self, service: str) -> Fleet | None:
        """Where this service and those that go with it write; None when none does."""
        others = self.companions.get(service, ())
        own, *rest = (self._whereabouts(self.loops[name]) for name in (service, *others))
        return Fleet(own=own, others=tuple(rest)) if rest else None

    def _whereabouts(self, loop: Loop) -> Whereabouts:
        """As this controller knows it; what is too old to be believed is unknown."""
        if loop.view is None or (age := self.clock.monotonic() - loop.view.at) > loop.policy.freshness:
            return Whereabouts(service=loop.service, writer=None)
        posture, under_way = loop.view.snapshot.posture, running(loop.view.control)
        plan = loop.view.control.plan.kind if under_way and loop.view.control.plan else None
        return Whereabouts(service=loop.service, writer=posture.writer, reign=posture.reign, plan=plan, age=age)

    async def healthz(self, _: web.Request) -> web.Response:
        """The process lives."""
        return web.json_response({"status": "alive", "site": self.controller})

    async def numbers(self, _: web.Request) -> web.Response:
        """For Prometheus."""
        for name, chronicle in self.chronicles.items():
            await chronicle.glance(GLANCE)
            self.metrics.note(name, chronicle.verified)
        return web.Response(body=self.metrics.render(), headers={"Content-Type": self.metrics.content_type})

    async def status(self, request: web.Request) -> web.Response:
        """Everything an operator wants to see at once."""
        return web.json_response(plain(status(await self.told(self.loop_of(request)))))

    async def journal(self, request: web.Request) -> web.Response:
        """Entries after a number, as they are, so that a reader can prove the chain."""
        loop = self.loop_of(request)
        after, limit = _whole(request, "after", 0), _whole(request, "limit", 100)
        entries = await self.coordination.journal(loop.service, after, min(limit, MOST))
        return web.json_response({"entries": plain(entries)})

    async def explain(self, request: web.Request) -> web.Response:
        """The last entries, or the last ones before a moment, as sentences."""
        chronicle, limit = self.chronicles[self.loop_of(request).service], min(_whole(request, "limit", 20), MOST)
        if at := _moment(request, "at"):
            entries = await chronicle.before(at, limit)
        else:
            await chronicle.catch_up()
            entries = chronicle.entries[-limit:] if limit else ()
        return web.json_response({"entries": [_sentence(entry) for entry in entries]})

    async def ask(self, request: web.Request) -> web.Response:
        """Leave an operator's wish; whether it may be is decided at the next tick, and told in the journal."""
        loop = self.loop_of(request)
        try:
            body = RequestBody.model_validate_json(await request.read())
        except ValidationError as error:
            told = "; ".join(f"{'.'.join(map(str, item['loc'])) or 'body'}: {item['msg']}" for item in error.errors())
            raise Problem(400, "unreadable-request", told) from error
        control = await self.coordination.read(loop.service)
        waiting = {asked.id for asked in control.requests} if control else set()
        if len(waiting - {body.id}) >= WAITING:
            raise Problem(
                429, "too-many-requests", f"{len(waiting)} requests wait already; needs fewer than {WAITING}. Ask again soon."
            )
        now = self.clock.now()
        at = min(body.at or now, now)
        wish = Request(id=body.id, verb=body.verb, by=body.by, reason=body.reason, at=at, arguments=body.arguments)
        try:
            await self.coordination.request(loop.service, wish)
        except Transient as error:
            raise Problem(503, OUTCOME_UNKNOWN, f"request {body.id} may or may not wait in etcd now: {error}") from error
        return web.json_response({"id": body.id}, status=202)

    async def beacon(self, request: web.Request) -> web.Response:
        """200 while this controller's own site serves: for health checks that steer traffic when no API answers.

        The posture may be as old as it likes, because without etcd payments go on as they are (docs/decisions/0008-beacon.md).
        """
        loop, site = self.loop_of(request), Site(request.match_info["site"])
        if site != self.controller:
            raise Problem(
                404, "another-site", f"whether {site} is well only its own controller can tell; this is {self.controller}'s"
            )
        weights = loop.view.snapshot.posture.weights if loop.view else None
        edge = loop.observer.opinions()[site][Part.EDGE]
        if (dark := silence(site, weights, edge.health, edge.detail)) is not None:
            raise Problem(503, dark.kind, dark.detail)
        return web.json_response({"service": loop.service, "site": site, "weight": (weights or {}).get(site)})


def build(
    *,
    site: Site,
    loops: Mapping[str, Loop],
    coordination: Coordination,
    clock: Clock,
    metrics: Metrics,
    gate: Gate,
    zone: ZoneWatch | None = None,
    providers: Mapping[str, ProviderWatch] | None = None,
    companions: Mapping[str, tuple[str, ...]] | None = None,
) -> web.Application:
    """The application of one controller; without a watch over the zone or over a service's providers, status says nothing about them.
    `companions`: by service, the others that go with it."""
    desk = Desk(
        controller=site,
        loops=loops,
        chronicles={name: Chronicle(coordination, name) for name in loops},
        coordination=coordination,
        metrics=metrics,
        clock=clock,
        zone=zone,
        providers=providers or {},
        companions=companions or {},
    )
    app = web.Application(middlewares=[described, guarded(gate)], client_max_size=64 * 1024)
    service = "/v1/services/{service}"
    app.add_routes(
        [
            web.get("/healthz", desk.healthz),
            web.get("/metrics", desk.numbers),
            web.get(f"{service}/status", desk.status),
            web.get(f"{service}/journal", desk.journal),
            web.get(f"{service}/explain", desk.explain),
            web.post(f"{service}/requests", desk.ask),
            web.get("/beacon/{service}/{site}", desk.beacon),
        ]
    )
    return app


def _sentence(entry: JournalEntry) -> Mapping[str, object]:
    return {
        "sequence": entry.sequence,
        "at": entry.at.isoformat(timespec="milliseconds"),
        "actor": entry.actor,
        "kind": entry.kind,
        "said": explain(entry),
    }


def _whole(request: web.Request, name: str, default: int) -> int:
    given = request.query.get(name, str(default))
    if not given.isascii() or not given.isdigit() or len(given) > DIGITS:
        raise Problem(
            400, "unreadable-request", f"{name}: expected a whole number of at most {DIGITS} digits, not {given[:40]!r}"
        )
    return int(given)


def _moment(request: web.Request, name: str) -> datetime | None:
    given = request.query.get(name)
    if given is None:
        return None
    try:
        moment = datetime.fromisoformat(given)
    except ValueError as error:
        raise Problem(400, "unreadable-request", f"{name}: expected a date and time in ISO 8601, not {given!r}") from error
    if moment.tzinfo is None:
        raise Problem(400, "unreadable-request", f"{name}: expected a time with its zone; append +00:00 for UTC")
    return moment
