"""Steps carried out: each turns one step into calls on ports and answers its result. Nothing is decided here.

A step that could not be asked answers Unanswered with the reason, and is tried again by whoever owns the plan then; losing
ownership is the one thing that ends it (LostOwnership passes through).
"""

import asyncio
from collections.abc import Awaitable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from typing import TypeVar, assert_never

import structlog

from controller.core import naming
from controller.core.model import Epoch, Lsn, NodeFacts, Position, Site, Token
from controller.core.quarantine import exported
from controller.core.steps import (
    Attach,
    AwaitConfirmed,
    AwaitPromotion,
    BeginPromotion,
    CatchUp,
    Confirmed,
    Cut,
    Done,
    ExportTail,
    Fence,
    Fenced,
    Floor,
    Ledgers,
    LeftBehind,
    MarkJoin,
    Open,
    Promotion,
    PromotionState,
    Reached,
    Reseed,
    Result,
    SetAckSet,
    Settle,
    Steer,
    Steered,
    Step,
    Unanswered,
    Verified,
    Verify,
)
from controller.errors import Conflict, Denied, LostOwnership, Transient, TrimaranError, Unsupported
from controller.ports import Capacity, Clock, Database, ManagedDatabase, Probe, Raised
from controller.promotion import follow_promotion
from controller.steering import Rudder

T = TypeVar("T")
log = structlog.get_logger()


@dataclass(frozen=True, slots=True, kw_only=True)
class Patience:
    """How long one try of a step may take before it answers with what it has."""

    facts: timedelta = timedelta(seconds=0.4)
    cut: timedelta = timedelta(seconds=1)
    """For tries that fail at once; one that hangs ends by its own deadline and is not repeated."""
    catch_up: timedelta = timedelta(seconds=2)
    attach: timedelta = timedelta(seconds=3)
    """For a sibling; one that cannot be attached in this time is left behind, so that one dead node never holds up the rest."""
    attach_last: timedelta = timedelta(seconds=15)
    """For the only one there is: without it nobody acknowledges, and left behind it would have to be emptied and copied."""
    settle: timedelta = timedelta(seconds=3)
    steer: timedelta = timedelta(seconds=1)
    floor: timedelta = timedelta(seconds=1)
    join: timedelta = timedelta(seconds=5)
    canary: timedelta = timedelta(seconds=1)
    canaries: timedelta = timedelta(seconds=3)
    """Until a site that does not take its canary payment is said not to."""
    verify: timedelta = timedelta(seconds=10)
    seed: timedelta = timedelta(minutes=10)
    provider: timedelta = timedelta(seconds=10)
    """For one call of a provider's API that begins something."""
    look: timedelta = timedelta(seconds=0.1)
    """Between two looks while waiting for a copy or for equal ledgers."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Actions:
    """The hands of one controller for one service."""

    service: str
    databases: Mapping[Site, Database]
    authorities: Sequence[Rudder]
    """Of the group that this service leads; none for a service that goes with another one."""
    canaries: Mapping[Site, Probe]
    clock: Clock
    managed: Mapping[Site, ManagedDatabase] = field(default_factory=dict)
    """Read replicas that providers manage for this service."""
    capacities: Mapping[Site, Capacity] = field(default_factory=dict)
    floors: Mapping[Site, int] = field(default_factory=dict)
    """Instances of this service that a site is to have at least before it gets more of the traffic."""
    patience: Patience = field(default_factory=Patience)

    async def perform(self, step: Step, token: Token) -> Result:
        """Carry one step out under this token. Raises LostOwnership only; every other failure is an answer.

        So is what an adapter stumbles over. One DNS authority answers nonsense in the middle of a failover: were that an end of the
        plan and not of one step, the cuts of the same phase would never be journaled, and nobody would become the writer.
        """
        return await self._asked(self._perform(step, token))

    async def _perform(self, step: Step, token: Token) -> Result:
        match step:
            case Cut():
                return await self._cut(step, token)
            case CatchUp():
                return await self._await_slots(step, need=len(step.followers), deadline=self.patience.catch_up)
            case Attach():
                return await self._attach(step, token)
            case Open(winner=winner, epoch=epoch, ack_set=ack_set):
                lsn = await self.databases[winner].open(token=token, epoch=epoch, ack_set=ack_set)
                return _reached(winner, epoch, lsn)
            case Settle():
                return await self._settle(step)
            case Steer(weights=weights):
                return await self._steer(weights, token)
            case Verify():
                return await self._verify(step)
            case MarkJoin(writer=writer, reign=reign, newcomer=newcomer):
                lsn = await self.databases[writer].mark_join(token=token, reign=reign, newcomer=newcomer)
                return _reached(writer, reign, lsn)
            case AwaitConfirmed():
                return await self._await_slots(step, need=step.need, deadline=self.patience.join)
            case SetAckSet(writer=writer, reign=reign, ack_set=ack_set):
                lsn = await self.databases[writer].set_ack_set(token=token, reign=reign, ack_set=ack_set)
                return _reached(writer, reign, lsn)
            case Fence(site=site, reign=reign):
                return Fenced(seeded=await self.databases[site].fence(token=token, reign=reign))
            case ExportTail(site=site, writer=writer):
                report = await self.databases[site].export_tail(token=token, known=self.databases[writer])
                return Done(detail=exported(report.transactions, report.superseded, report.never_happened))
            case Reseed():
                return await self._reseed(step, token)
            case BeginPromotion(site=site):
                return await _promotion("", self.managed[site].promote(self.patience.provider))
            case AwaitPromotion(site=site, operation=operation):
                return await _promotion(operation, follow_promotion(self.managed[site], operation, self.clock))
            case _:
                assert_never(step)

    async def _cut(self, step: Cut, token: Token) -> Result:
        """A switchover goes on without a node that did not answer and leaves it for a reseed. A session that broke while it was idle
        fails at once; so a failure that comes soon is not yet no answer, and is tried again."""
        give_up = self.clock.monotonic() + self.patience.cut
        while True:
            try:
                position = await self.databases[step.site].cut(
                    token=token, epoch=step.epoch, writer=step.writer, reign=step.reign
                )
                return Reached(position=position)
            except Transient:
                if self.clock.monotonic() >= give_up:
                    raise
                await self.clock.sleep(self.patience.look)

    async def _await_slots(self, step: CatchUp | AwaitConfirmed, *, need: int, deadline: timedelta) -> Result:
        followers = await self.databases[step.writer].await_confirmed(
            reign=step.reign, followers=step.followers, lsn=step.lsn, need=need, deadline=deadline
        )
        return Confirmed(followers=followers)

    async def _attach(self, step: Attach, token: Token) -> Result:
        """Slot on the winner, then the subscription on the sibling; a sibling that already follows is left as it is.

        A sibling that stays silent is left behind, sooner when another one is there to acknowledge. A winner that stays silent says
        nothing about the sibling: had both siblings been left behind for that, the one node that nobody can read would be the only
        member, and two whole ledgers would wait for it.
        """
        give_up = self.clock.monotonic() + (self.patience.attach_last if step.last else self.patience.attach)
        while True:
            silent, answer = await self._try_attach(step, token)
            if isinstance(answer, Done | LeftBehind):
                return answer
            if self.clock.monotonic() >= give_up:
                return answer if silent == step.winner else LeftBehind(because=answer.because)
            await self.clock.sleep(self.patience.look)

    async def _try_attach(self, step: Attach, token: Token) -> tuple[Site, Done | LeftBehind | Unanswered]:
        """One try; with no answer, also whose it is."""
        sibling, winner = self.databases[step.sibling], self.databases[step.winner]
        stream = naming.stream(self.service, step.epoch, step.winner, step.sibling)
        # Asked at the same time, because each round trip here is one in which nobody can pay; and both are waited for, or the next
        # try would meet a slot that this one is still moving.
        facts, refusal = await asyncio.gather(
            self._asked(sibling.facts(self.patience.facts)),
            self._asked(
                winner.place_slot(token=token, epoch=step.epoch, sibling=step.sibling, position=step.position, level=step.level)
            ),
        )
        if isinstance(facts, NodeFacts) and _follows(facts, stream):
            return step.sibling, Done(detail="followed already")
        if isinstance(refusal, Unanswered):
            return step.winner, refusal
        if refusal is not None:
            return step.winner, LeftBehind(because=refusal)
        if isinstance(facts, Unanswered):
            return step.sibling, facts
        followed = await self._asked(sibling.follow(token=token, epoch=step.epoch, publisher=step.winner))
        return step.sibling, followed or Done()

    async def _asked(self, question: Awaitable[T]) -> T | Unanswered:
        """The answer, or that there was none. Raises LostOwnership only."""
        try:
            return await question
        except LostOwnership:
            raise
        except TrimaranError as error:
            return Unanswered(because=str(error))
        except Exception as error:
            log.exception("step", service=self.service)
            return Unanswered(because=f"{type(error).__name__}: {error}")

    async def _settle(self, step: Settle) -> Result:
        """Nobody yet is an answer: whoever asked goes on, and it is asked again later."""
        writer = self.databases[step.writer]
        facts = await writer.facts(self.patience.facts)
        followers = frozenset(
            site for site in self.databases if naming.stream(self.service, step.reign, step.writer, site) in facts.ack_slots
        )
        if not followers:
            return Confirmed(followers=frozenset())
        return Confirmed(
            followers=await writer.await_confirmed(
                reign=step.reign, followers=followers, lsn=facts.flushed, need=1, deadline=self.patience.settle
            )
        )

    async def _steer(self, weights: Mapping[Site, float], token: Token) -> Result:
        """Tell every authority at once. One that is out of reach, or that answers nonsense, is noted; the caretaker reconciles it when
        it answers again, beside the plan and after it. Meanwhile the sites that are to serve are asked to keep enough instances."""
        began = self.clock.monotonic()
        raised = asyncio.gather(*(self._raise_floor(site) for site in sorted(self.floors) if weights.get(site, 0.0) > 0))
        told = await asyncio.gather(*(self._tell(authority, weights, token) for authority in self.authorities))
        told_ms = self._ms_since(began)
        return Steered(told=tuple(told), told_ms=told_ms, floors=tuple(await raised))

    async def _tell(self, authority: Rudder, weights: Mapping[Site, float], token: Token) -> str:
        report = await self._asked(authority.steer(weights, self.patience.steer, revision=token))
        if isinstance(report, Unanswered):
            return f"{authority.name}: left behind ({report.because})"
        if report.refused:
            return f"{authority.name}: left behind ({'; '.join(report.refused.values())})"
        return f"{authority.name}: {'in sync' if report.in_sync else 'told, not yet in sync'}"

    async def _raise_floor(self, site: Site) -> Floor:
        """As well as can be had in time: instances that are missing make the site slow, waiting for them would make it late.

        Only sites that are to serve are asked. The API of a failing cloud may hang, and a failover must not wait for it.
        """
        began = self.clock.monotonic()
        asking = asyncio.ensure_future(self._asked(self._ask_floor(self.capacities[site], self.floors[site])))
        late = asyncio.ensure_future(self.clock.sleep(self.patience.floor))
        try:
            await asyncio.wait({asking, late}, return_when=asyncio.FIRST_COMPLETED)
            answer = asking.result() if asking.done() else None
        finally:
            asking.cancel()
            late.cancel()
        took = self._ms_since(began)
        if isinstance(answer, Raised):
            return Floor(site=site, before=answer.before, after=answer.after, took_ms=took)
        because = answer.because if answer else f"no answer within {self.patience.floor.total_seconds():g} s"
        return Floor(site=site, before=None, after=None, took_ms=took, because=because)

    def _ms_since(self, began: timedelta) -> float:
        return round((self.clock.monotonic() - began).total_seconds() * 1000, 1)

    async def _ask_floor(self, capacity: Capacity, instances: int) -> Raised:
        """Throttled or overtaken, it is asked again: everybody's floors are raised in the same moment."""
        give_up = self.clock.monotonic() + self.patience.floor
        while True:
            left = give_up - self.clock.monotonic()
            try:
                return await capacity.raise_floor(self.service, instances, left)
            except (Transient, Conflict):
                if left <= self.patience.look:
                    raise
                await self.clock.sleep(self.patience.look)

    async def _verify(self, step: Verify) -> Result:
        unpaid, (ledgers, differing, because) = await asyncio.gather(self._pay(step.sites), self._compare(step))
        paid = step.sites - set(unpaid)
        return Verified(paid=paid, unpaid=unpaid, ledgers=ledgers, differing=differing, because=because)

    async def _pay(self, sites: frozenset[Site]) -> Mapping[Site, str]:
        """A canary payment through every site; answers who did not take it in time, and why. A service that has not found the new
        writer yet is asked again."""
        give_up = self.clock.monotonic() + self.patience.canaries
        unpaid = dict.fromkeys(sorted(sites), "")
        while True:
            results = await asyncio.gather(*(self.canaries[site].measure(self.patience.canary) for site in unpaid))
            unpaid = {site: result.detail for site, result in zip(unpaid, results, strict=True) if not result.ok}
            if not unpaid or self.clock.monotonic() >= give_up:
                return unpaid
            await self.clock.sleep(self.patience.look)

    async def _compare(self, step: Verify) -> tuple[Ledgers, frozenset[Site], str]:
        """Digests of the closed epochs: who differs, or why it is not known. Followers get the time they need to apply what the
        election found on the winner only."""
        unequal = await self._asked(self._unequal(step))
        if isinstance(unequal, Unanswered):
            return Ledgers.NOT_COMPARED, frozenset(), unequal.because
        return Ledgers.DIFFER if unequal else Ledgers.EQUAL, unequal, ""

    async def _unequal(self, step: Verify) -> frozenset[Site]:
        give_up = self.clock.monotonic() + self.patience.verify
        up_to = Epoch(step.epoch - 1)
        wanted = await self.databases[step.writer].digest(up_to=up_to)
        unequal = set(step.followers)
        while unequal and self.clock.monotonic() < give_up:
            for site in sorted(unequal):
                if await self.databases[site].digest(up_to=up_to) == wanted:
                    unequal.discard(site)
            if unequal:
                await self.clock.sleep(self.patience.look)
        return frozenset(unequal)

    async def _reseed(self, step: Reseed, token: Token) -> Result:
        """Empty it, offer a slot, copy. A copy that an earlier try began is waited for, never begun again."""
        node, writer = self.databases[step.site], self.databases[step.writer]
        stream = naming.stream(self.service, step.reign, step.writer, step.site)
        known = await node.facts(self.patience.facts)
        if known.seeded <= step.seeded_before or not _follows(known, stream):
            await node.clear(token=token, reign=step.reign)
            await writer.offer_seed(token=token, reign=step.reign, follower=step.site)
            await node.seed(token=token, reign=step.reign, publisher=step.writer)
        give_up = self.clock.monotonic() + self.patience.seed
        while self.clock.monotonic() < give_up:
            facts = await node.facts(self.patience.facts)
            if any(one.name == stream and one.seeded for one in facts.subscriptions):
                return Done()
            await self.clock.sleep(self.patience.look)
        return Unanswered(because=f"the copy to {step.site} is not done after {self.patience.seed}")


async def _promotion(operation: str, asked: Awaitable[Promotion]) -> Promotion:
    """How it stands, or failed where asking again mends nothing: the permission is missing, or there is no such server. Asked on for
    ever, it would never come to an end, and nobody would be told why."""
    try:
        return await asked
    except (Denied, Unsupported) as error:
        detail = f"{error}; what the provider has begun goes on, ask again to find it" if operation else str(error)
        return Promotion(operation=operation, state=PromotionState.FAILED, detail=detail)


def _follows(facts: NodeFacts, stream: str) -> bool:
    return any(one.name == stream and one.enabled for one in facts.subscriptions)


def _reached(site: Site, epoch: Epoch, lsn: Lsn) -> Reached:
    return Reached(position=Position(site=site, publisher=site, epoch=epoch, lsn=lsn))
