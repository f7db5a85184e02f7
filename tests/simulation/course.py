"""One seed, from the first payment to the peace after all faults, with every promise checked on the way and at the end."""

import asyncio
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import lru_cache
from random import Random
from typing import TypeVar

import structlog

from controller.coordination import reading
from controller.coordination.chain import verify
from controller.coordination.codec import decode
from controller.core.invariants import Breach, always_finishes, no_loss, no_surprise_return, same_everywhere, static_stability
from controller.core.model import Mode, Site
from controller.core.plans import Phase
from controller.core.policy import Policy
from tests.simulation.faults import MIXED, Fault, Weather
from tests.simulation.places import SERVICE, SITES, Places
from tests.simulation.processes import owned_task
from tests.simulation.trouble import Trouble, writes
from tests.simulation.virtual_loop import run
from tests.simulation.watch import Line, Watch

T = TypeVar("T")

CALM = 3.0
"""Seconds before the first fault."""
STORM = 22.0
"""Until everything is healed."""
LIMIT = 60.0
"""Seconds of peace within which everything must be well again."""
HELD = 20.0
"""Seconds of peace for which only a person could have gone on, without a break, after which one is waited for."""
REST = 24
"""Half seconds within which all ledgers are equal, once nobody pays."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """What became of one seed."""

    seed: int
    faults: tuple[Fault, ...]
    breaches: tuple[Breach, ...]
    held: str
    """Why a person is needed before anybody can write; empty when nobody is."""
    phases: frozenset[str]
    verdicts: frozenset[tuple[str, str]]
    epochs: int
    paid: int
    digest: str
    virtual: float
    """Seconds in the simulation."""
    real: float
    """Seconds of this machine's processor."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Setting:
    """What is not drawn from the seed."""

    weather: Weather | None = None
    """None: drawn."""
    policy: Policy | None = None
    """None: drawn."""
    faults: tuple[Fault, ...] | None = None
    """Exactly these; None: drawn from the weather."""
    stalls: float = 0.01
    """How often a look at the barrier takes long."""


USUAL = Setting()


def play(seed: int, told: Callable[[Line], None] | None = None, setting: Setting = USUAL) -> Outcome:
    """Run one seed."""
    structlog.configure(processors=[_drop])
    before, reading.decode = reading.decode, _decoded
    began = time.process_time()
    try:
        outcome = run(_play(seed, told, setting))
    finally:
        reading.decode = before
        structlog.reset_defaults()
    return replace(outcome, real=time.process_time() - began)


@lru_cache(maxsize=4096)
def _decoded(kind: type[T], text: str, *, key: str) -> T:
    """What three controllers read, each for itself, is decoded once for all of them; it is a frozen value."""
    return decode(kind, text, key=key)


def _drop(*_: object) -> dict[str, object]:
    raise structlog.DropEvent


async def _play(seed: int, told: Callable[[Line], None] | None, setting: Setting) -> Outcome:
    loop = asyncio.get_running_loop()
    loop.set_task_factory(owned_task)
    chance = Random(seed)
    watch = Watch(SERVICE, told)
    loop.set_exception_handler(
        lambda _, context: watch.breach(Breach(promise="no program ends by itself", evidence=repr(context)))
    )
    places = Places(chance, watch, setting.policy, setting.stalls)
    weather = setting.weather or chance.choice(MIXED)
    faults = weather.schedule(chance, CALM, STORM) if setting.faults is None else setting.faults
    trouble = Trouble(places)
    places.begin()
    storm = loop.create_task(trouble.happen(faults))
    while loop.time() < STORM and not watch.breaches:
        await asyncio.sleep(0.5)
    if storm.done():
        storm.result()
    storm.cancel()
    held = ""
    if not watch.breaches:
        trouble.heal()
        held = await Peace(places).come()
        places.watch.breach(*await _at_the_end(places, held))
    return Outcome(
        seed=seed,
        faults=faults,
        breaches=tuple(watch.breaches),
        held=held,
        phases=frozenset(watch.phases),
        verdicts=frozenset(watch.verdicts),
        epochs=watch.posture.epoch if watch.posture else 0,
        paid=len(watch.acknowledged),
        digest=watch.digest(),
        virtual=loop.time(),
        real=0.0,
    )


class Peace:
    """After everything is healed: what operators do then, and when all is well."""

    def __init__(self, places: Places) -> None:
        self.places, self._loop = places, asyncio.get_running_loop()
        self._began, self._wishes = self._loop.time(), 0

    async def come(self) -> str:
        """Wait until all is well, or until it should be. Answers why a person is needed, if one is."""
        asked_at, moved_at = self._began, self._began
        while self._loop.time() - self._began < LIMIT and not self.places.watch.breaches:
            await asyncio.sleep(0.5)
            moved_at = moved_at if self._needs_a_person() else self._loop.time()
            if self._loop.time() - moved_at > HELD:
                break
            if self._well():
                await asyncio.sleep(1.0)
                if self._well():
                    return ""
            if self._loop.time() - asked_at > 6:
                asked_at = self._loop.time()
                self._help()
        return self._needs_a_person()

    def _help(self) -> None:
        """What status tells operators to do: resume, let automation work, leave a writer that cannot write."""
        posture = self.places.watch.posture
        assert posture is not None
        if posture.pause is not None:
            self._ask("resume")
        elif posture.mode is not Mode.AUTOMATIC:
            self._ask("mode", mode="automatic")
        elif not writes(self.places) and (self.places.watch.plan is None or self.places.watch.plan.phase is Phase.DONE):
            self._ask("failover", **{"from": posture.writer})

    def _ask(self, verb: str, **arguments: str) -> None:
        self._wishes += 1
        self.places.request(f"peace-{self._wishes}", verb, arguments, SITES[0])

    def _well(self) -> bool:
        """No plan under way, everybody a member of a settled reign, and payments are acknowledged."""
        watch = self.places.watch
        posture, plan = watch.posture, watch.plan
        return (
            posture is not None
            and (plan is None or plan.phase is Phase.DONE)
            and writes(self.places)
            and posture.must_cut == frozenset(SITES) - {posture.writer}
            and posture.mode is Mode.AUTOMATIC
            and all(posture.weights.values())
            and watch.last_acknowledged > self._loop.time() - 3
        )

    def _needs_a_person(self) -> str:
        """Is everything that could prove what was acknowledged on a timeline that is gone? Then only a person may go on."""
        posture = self.places.watch.posture
        assert posture is not None
        lost = sorted(site for site in posture.must_cut | {posture.writer} if not self.places.world.servers[site].pinned)
        in_office = writes(self.places)
        return f"{', '.join(lost)} on another timeline" if lost and not in_office else ""


async def _at_the_end(places: Places, held: str) -> list[Breach]:
    """Every promise that can only be judged at the end."""
    watch, found = places.watch, []
    posture, not_well = watch.posture, _not_well(places)
    assert posture is not None
    if writes(places):
        found += no_loss(watch.acknowledged, places.world.ledgers(posture.writer))
    for entry in watch.journal:
        if entry.kind == "step.steer" and entry.body["plan"] in watch.plans:
            floors = entry.body["result"].get("floors", ())  # type: ignore[attr-defined]
            found += static_stability(watch.plans[str(entry.body["plan"])], [Site(floor["site"]) for floor in floors])
    entries = await places.seer.journal(SERVICE, limit=100_000)
    damage = verify(entries)
    if damage is not None:
        found.append(Breach(promise="explained", evidence=f"the journal's chain breaks: {damage}"))
    began = [plan for plan in watch.plans.values() if plan.id not in watch.replaced]
    found += no_surprise_return(began, places.policy.automatic_failovers, places.policy.velocity_window)
    for controller in places.controllers.values():
        if controller.process.ended is not None:
            found.append(
                Breach(promise="always-finishes", evidence=f"{controller.site}'s controller ended: {controller.process.ended!r}")
            )
    if watch.breaches or held:
        return found
    found += not_well or await _at_rest(places)
    ended = [plan.id for plan in watch.plans.values() if plan.phase is Phase.DONE]
    found += always_finishes(watch.plans, ended, watch.replaced)
    return found


async def _at_rest(places: Places) -> tuple[Breach, ...]:
    """Nobody pays any more; soon every member has what the writer has."""
    places.clients.paying = False
    for _ in range(REST):
        await asyncio.sleep(0.5)
        posture = places.watch.posture
        assert posture is not None
        differing = same_everywhere(posture.writer, places.world.ledgers(posture.writer, *sorted(posture.must_cut)))
        if not differing and not places.clients.inside:
            break
    return differing


def _not_well(places: Places) -> list[Breach]:
    """In peace payments are acknowledged, and whoever came back counts again."""
    if Peace(places)._well():
        return []
    posture, plan = places.watch.posture, places.watch.plan
    assert posture is not None
    since = asyncio.get_running_loop().time() - places.watch.last_acknowledged
    evidence = (
        f"after {LIMIT:.0f} s of peace: plan {plan}, posture {posture}, last acknowledgement {since:.1f} s ago, "
        f"rows {[(site, server.role, server.epoch, server.pinned) for site, server in places.world.servers.items()]}"
    )
    return [Breach(promise="always-finishes", evidence=evidence)]
