"""Carries out what `core.rebuild` decides: asks every database, has them promise, asks again, writes the posture to the new etcd.

The order is the safeguard. 1. Every node that answers promises a token above all that the lost etcd can have handed out: from then on
nobody of before moves it. 2. What they say is read after that promise, and decided upon anew. 3. Only then is etcd written, in one
transaction that demands that it still holds what it held. Interrupted anywhere, nothing has moved and nobody writes who did not before;
begun again, the next range of tokens is taken.
"""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import timedelta

from controller.coordination.chain import End
from controller.core.circumstances import names
from controller.core.explain import explain_reason
from controller.core.model import JournalEntry, NodeFacts, Pause, Posture, Role, Site, Token
from controller.core.naming import stream
from controller.core.rebuild import Heard, Held, Rebuilding, begun, describe, latest_reign, rebuild
from controller.errors import Refused, StaleToken, TrimaranError
from controller.journal_copy import REBUILT, most_believed, read_back
from controller.ports import Coordination, Database, Draft, JournalCopy, Remains

CLAIM, DONE = "claim", "plan.done"
"""Kinds of the entries that a plan begins and ends with."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Patience:
    """How long the sites are waited for."""

    facts: timedelta = timedelta(seconds=3)
    confirmed: timedelta = timedelta(seconds=5)
    """Until a member has confirmed what the writer has; it streams already, or it does not."""


async def hindered(service: str, coordination: Coordination, databases: Mapping[Site, Database]) -> str:
    """Why the service must not be founded in this etcd; empty when it may be, or is there. Raises TrimaranError without etcd."""
    if await coordination.read(service) is not None:
        return ""
    answers = await asyncio.gather(*(_facts(database, Patience().facts) for database in databases.values()))
    facts = {site: answer for site, answer in zip(databases, answers, strict=True) if isinstance(answer, NodeFacts)}
    return begun(Heard(sites=frozenset(databases), facts=facts))


@dataclass(frozen=True, slots=True, kw_only=True)
class Outlook:
    """What was found and what follows from it. Nothing was changed for it."""

    remains: Remains
    facts: Mapping[Site, NodeFacts]
    silent: Mapping[Site, str]
    """Sites that did not answer, and why."""
    history: tuple[JournalEntry, ...]
    """What the sites' copies of the journal have behind the one that etcd has."""
    decision: Rebuilding


@dataclass(frozen=True, slots=True, kw_only=True)
class Rebuilder:
    """One service's control plane, built anew from its databases."""

    service: str
    databases: Mapping[Site, Database]
    coordination: Coordination
    """The new etcd, or the old one from its backup."""
    first: Posture
    """What a service starts from by the settings; for what no database knows."""
    copies: Mapping[Site, JournalCopy] = field(default_factory=dict)
    """Of the journal."""
    pause: Pause | None = None
    """With which it begins; None: with that of the backup, or none."""
    patience: Patience = field(default_factory=Patience)

    async def look(self) -> Outlook:
        """Ask everybody and decide. Changes nothing. Raises TrimaranError without etcd."""
        remains = await self.coordination.remains(self.service)
        heard, silent = await self._hear()
        decision = self._decide(heard, remains)
        history = await self._history(remains, heard)
        return Outlook(remains=remains, facts=heard.facts, silent=silent, history=history, decision=decision)

    async def carry_out(self, seen: Outlook, *, by: str, reason: str) -> Posture:
        """Make what was seen so. Answers the posture that was written.

        Raises Refused when the sites no longer say what they said, LostOwnership when etcd changed meanwhile, TrimaranError without it.
        """
        planned = seen.decision
        assert planned.posture is not None, "only what is not refused is carried out"
        promised = await self._promised(seen, planned.promise)
        heard, silent = await self._hear(promised)
        decision = self._decide(heard, seen.remains, planned.promise)
        self._check(planned, decision)
        assert decision.posture is not None, "a refusal was raised"
        now = replace(seen, facts=heard.facts, silent=silent, decision=decision)
        # What was confirmed by the person is what is written, its epoch too: a slot that a late step left meanwhile has no epoch above it.
        posture = replace(decision.posture, epoch=max(decision.posture.epoch, planned.posture.epoch))
        journal = (_entry(now, posture, by=by, reason=reason), *_forgotten(seen))
        await self.coordination.rebuild(seen.remains, posture, journal, seen.history)
        return posture

    async def _promised(self, seen: Outlook, promise: Token) -> frozenset[Site]:
        """Have everybody who answered promise; answers who did. A fence of the present reign closes only writers of earlier ones, which
        acknowledge nothing and would be fenced on first contact. Raises Refused when somebody holds a newer promise."""
        assert seen.decision.posture is not None, "only what is not refused is carried out"
        reign, asked = seen.decision.posture.reign, sorted(seen.facts)
        answers = await asyncio.gather(
            *(self.databases[site].fence(token=promise, reign=reign) for site in asked), return_exceptions=True
        )
        for site, answer in zip(asked, answers, strict=True):
            if isinstance(answer, StaleToken):
                raise Refused(
                    guard="unchanged",
                    value=f"{site} has promised a newer token than {promise}",
                    limit="what was shown and confirmed",
                    way_out="Somebody else rebuilds too: see trimaran status, then give the same command again.",
                )
            if isinstance(answer, BaseException) and not isinstance(answer, TrimaranError):
                raise answer
        return frozenset(site for site, answer in zip(asked, answers, strict=True) if isinstance(answer, int))

    async def _hear(self, promised: frozenset[Site] | None = None) -> tuple[Heard, Mapping[Site, str]]:
        """Everybody's facts, or of those who promised only; and who has confirmed what the writer says that it has."""
        asked = sorted(self.databases) if promised is None else sorted(promised)
        answers = await asyncio.gather(*(_facts(self.databases[site], self.patience.facts) for site in asked))
        facts = {site: answer for site, answer in zip(asked, answers, strict=True) if isinstance(answer, NodeFacts)}
        silent = {site: answer for site, answer in zip(asked, answers, strict=True) if isinstance(answer, str)}
        silent |= dict.fromkeys(self.databases.keys() - set(asked), "it has promised nothing")
        heard = Heard(sites=frozenset(self.databases), facts=facts)
        return replace(heard, confirmed=await self._confirmed(heard)), silent

    async def _history(self, remains: Remains, heard: Heard) -> tuple[JournalEntry, ...]:
        """What the copies say that is to be believed."""
        asked = [copy for site, copy in self.copies.items() if site in heard.facts]
        end = End(sequence=remains.entries, digest=remains.digest)
        found = await asyncio.gather(*(read_back(copy, end) for copy in asked))
        return most_believed(found)

    async def _confirmed(self, heard: Heard) -> frozenset[Site]:
        """Members of the row of whoever writes that have all that it had a moment ago; nobody when it does not say."""
        reign = latest_reign(self.service, heard)
        facts = heard.facts.get(reign.writer) if reign.writer is not None else None
        if facts is None or facts.role is Role.FOLLOWER or facts.epoch != reign.epoch or not facts.pinned:
            return frozenset()
        row = frozenset(site for site in heard.sites if stream(self.service, reign.epoch, facts.site, site) in facts.ack_slots)
        if not row:
            return row
        try:
            return await self.databases[facts.site].await_confirmed(
                reign=reign.epoch, followers=row, lsn=facts.flushed, need=1, deadline=self.patience.confirmed
            )
        except TrimaranError:
            return frozenset()

    def _decide(self, heard: Heard, remains: Remains, promise: Token | None = None) -> Rebuilding:
        held = Held(posture=remains.control.posture if remains.control else None, latest=remains.latest)
        decision = rebuild(self.service, heard, held, self.first, promise)
        if decision.posture is None or self.pause is None:
            return decision
        return replace(decision, posture=replace(decision.posture, pause=self.pause))

    def _check(self, planned: Rebuilding, decision: Rebuilding) -> None:
        """Raises Refused unless the second look proves what the first did."""
        if decision.posture is None:
            first = decision.refusals[0]
            raise Refused(guard=first.guard, value=first.value, limit=first.limit, way_out=first.way_out)
        assert planned.posture is not None, "only what is not refused is carried out"
        before, after = ((one.writer, one.reign, one.must_cut) for one in (planned.posture, decision.posture))
        if before != after:
            raise Refused(
                guard="unchanged",
                value=f"{after[0]} in epoch {after[1]}, cutting {names(after[2])}",
                limit=f"{before[0]} in epoch {before[1]}, cutting {names(before[2])}, as it was shown and confirmed",
                way_out="Give the same command again.",
            )


async def _facts(database: Database, deadline: timedelta) -> NodeFacts | str:
    """What the node says, or why it does not."""
    try:
        return await database.facts(deadline)
    except TrimaranError as error:
        return str(error)


def dropped(seen: Outlook) -> list[str]:
    """Orders that wait in what is left of etcd, as people read them; they are not carried out."""
    orders = seen.remains.control.requests if seen.remains.control is not None else ()
    said = ((one, " ".join(f"{name}={value}" for name, value in sorted(one.arguments.items()))) for one in orders)
    return [f"{one.verb} {arguments} of {one.by}, {one.at.isoformat()}" for one, arguments in said]


def _entry(seen: Outlook, posture: Posture, *, by: str, reason: str) -> Draft:
    """What the control plane was rebuilt from: afterwards nothing else tells."""
    said = {
        site: {"role": facts.role, "epoch": facts.epoch, "token": facts.token, "ack_slots": list(facts.ack_slots)}
        for site, facts in sorted(seen.facts.items())
    }
    return Draft(
        kind=REBUILT,
        body={
            "sentence": f"control plane rebuilt from the databases by {by} ({reason or 'no reason given'}): "
            + "; ".join(describe(replace(seen.decision, posture=posture))),
            "by": by,
            "reason": reason,
            "epoch": posture.epoch,
            "posture": posture,
            "said": said,
            "silent": dict(seen.silent),
            "put_back": len(seen.history),
            "dropped": dropped(seen),
            "guards": [explain_reason(one) for one in seen.decision.reasons],
        },
    )


def _forgotten(seen: Outlook) -> tuple[Draft, ...]:
    """The end of the plan that was under way, as far as the backup or the journal's copies tell of one. Without it the journal has a plan
    that nobody carries out and that never ended, and whoever asked for it goes on waiting."""
    control = seen.remains.control
    plan = control.plan if control is not None else None
    left: Mapping[str, object] = {"plan": plan.id, "plan_kind": plan.kind, "epoch": plan.epoch} if plan is not None else {}
    for entry in seen.history:
        if entry.kind == CLAIM and "plan" in entry.body:
            left = {name: entry.body.get(name, "") for name in ("plan", "plan_kind", "epoch")}
        elif entry.kind == DONE and entry.body.get("plan") == left.get("plan"):
            left = {}
    if not left:
        return ()
    failure = "etcd was lost with it, and the control plane rebuilt"
    return (Draft(kind=DONE, body={**left, "sentence": f"{left['plan_kind']} ended without it: {failure}", "failure": failure}),)
