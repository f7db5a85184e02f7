"""etcd is lost, or was restored from the past: what the databases' own rows prove about who writes and who must be cut. Pure.

Rules for changing this file: nothing here is likely, everything is proven or refused; a refusal names what was seen, what is needed and
the way out. What is proven rests on four things:
  1. A payment of a reign is acknowledged only when two nodes stand in that reign, its writer and a member. So whatever every site but
     one says bounds what the silent one can have acknowledged: nothing in a later reign than the latest that was heard of.
  2. A node joins a later reign only under a token that it does not refuse. Once the nodes that answer have promised a token above
     everything that the lost etcd can ever have handed out, they stand where they stand.
  3. Everybody who is attached to a reign was attached behind its election; whoever follows aws in epoch 5 proves that aws was elected.
  4. The writer's own log has everything that was acknowledged in its reign, and so has every member that confirmed its end.
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import assert_never

from controller.core.circumstances import allowed, names, refused
from controller.core.model import Epoch, NodeFacts, Posture, Reason, Role, Site, Token, Verdict
from controller.core.naming import stream

RANGE = 1 << 44
"""Revisions between two ranges of tokens: as many as an etcd makes in 55 years at ten thousand a second. A controller that stalled with
a token of the lost etcd, or that etcd itself, which lives on behind a partition, never comes up to the next range."""

LAST = Token(1 << 62)
"""Databases keep tokens in 64 bits."""

CLAIMS = 1000
"""Epochs that are left out above the highest that was heard of: a claim may have left its only trace, a slot with the epoch in its
name, on the node that is silent. Were that epoch handed out again, the slot would be taken for one that stands in the right place."""

_EPOCH = re.compile(r"_e(\d+)_")


class Office(StrEnum):
    """What the writer of the latest reign does now."""

    WRITES = "writes"
    CLOSED = "is closed"
    """A move had begun: clients are refused, nobody writes."""
    ELECTED = "was elected and had not opened"
    SILENT = "does not answer"


@dataclass(frozen=True, slots=True, kw_only=True)
class Heard:
    """What the sites said."""

    sites: frozenset[Site]
    """Everybody who was asked."""
    facts: Mapping[Site, NodeFacts]
    """Those that answered; when tokens were promised already, those that hold the promise."""
    confirmed: frozenset[Site] = frozenset()
    """Members of the writer's own row that confirmed to it, on its pinned timeline, all that it had when its facts were read."""

    @property
    def silent(self) -> frozenset[Site]:
        """Who may be anything."""
        return self.sites - self.facts.keys()


@dataclass(frozen=True, slots=True, kw_only=True)
class Held:
    """What etcd itself holds of the service."""

    posture: Posture | None
    latest: Token
    """Highest token that it can have handed out by now."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Rebuilding:
    """What is to be written, or why nothing is."""

    reasons: tuple[Reason, ...]
    """Every guard's answer."""
    posture: Posture | None
    """None: refused."""
    office: Office | None = None
    unknown: tuple[str, ...] = ()
    """What nobody can know any more, and what stands in its place."""

    @property
    def promise(self) -> Token:
        """What every node has to have promised before the posture is written: each later token is above it."""
        assert self.posture is not None and self.posture.tokens_above is not None, "only what is not refused is carried out"
        return self.posture.tokens_above

    @property
    def refusals(self) -> tuple[Reason, ...]:
        """Guards that said no."""
        return tuple(reason for reason in self.reasons if reason.verdict is Verdict.REFUSED)


@dataclass(frozen=True, slots=True, kw_only=True)
class Reign:
    """The latest reign that was heard of."""

    epoch: Epoch
    writers: Mapping[Site, frozenset[Site]]
    """Who is named as its writer, and by whom. One, unless nodes contradict each other."""

    @property
    def writer(self) -> Site | None:
        """The one; None while it is not one."""
        return next(iter(self.writers)) if len(self.writers) == 1 else None


def rebuild(service: str, heard: Heard, held: Held, first: Posture, promise: Token | None = None) -> Rebuilding:
    """The posture that the databases prove, or every refusal. `first`: what the settings say, for all that no database knows;
    `promise`: the token that those who are heard have promised, None before."""
    reign = latest_reign(service, heard)
    reasons = [_heard_from(heard), _lags(service, heard, held), _one_latest_writer(reign), _tokens_left(heard, held)]
    writer = reign.writer
    if writer is None:
        return Rebuilding(reasons=tuple(reasons), posture=None)
    must_cut, reason = _must_cut(service, heard, reign.epoch, writer)
    reasons.append(reason)
    office = _office(heard, reign.epoch, writer)
    if any(reason.verdict is Verdict.REFUSED for reason in reasons):
        return Rebuilding(reasons=tuple(reasons), posture=None, office=office)
    known = held.posture or first
    posture = replace(
        known,
        epoch=Epoch(_highest_epoch(heard, held) + CLAIMS),
        writer=writer,
        reign=reign.epoch,
        must_cut=must_cut,
        level=frozenset(),
        tokens_above=promise or next_range(heard, held),
    )
    return Rebuilding(reasons=tuple(reasons), posture=posture, office=office, unknown=tuple(_unknown(heard, held, posture)))


def latest_reign(service: str, heard: Heard) -> Reign:
    """The highest epoch that a node's row stands in, and who is its writer by what the rows and the streams' names say."""
    epoch = Epoch(max((facts.epoch for facts in heard.facts.values()), default=0))
    writers: dict[Site, frozenset[Site]] = {}
    for site, facts in sorted(heard.facts.items()):
        for named in _names_as_writer(service, facts, heard.sites) if facts.epoch == epoch else ():
            writers[named] = writers.get(named, frozenset()) | {site}
    return Reign(epoch=epoch, writers=writers)


def lags(service: str, posture: Posture, latest: Token, facts: Mapping[Site, NodeFacts]) -> tuple[str, ...]:
    """Why this posture is of the past: what databases hold that it cannot know of. Empty: nothing shows that it is."""
    found = []
    for site, said in sorted(facts.items()):
        if said.epoch > posture.epoch:
            found.append(f"{site} is in epoch {said.epoch}, and etcd knows of {posture.epoch}")
        elif said.token > latest:
            found.append(f"{site} has promised token {said.token}, and etcd hands out {latest}")
        elif said.role is Role.WRITER and said.epoch >= posture.reign and (site, said.epoch) != (posture.writer, posture.reign):
            found.append(f"{site} writes in epoch {said.epoch}, and etcd knows of {posture.writer} in {posture.reign}")
        elif (site, said.epoch) == (posture.writer, posture.reign):
            uncut = _row(service, said, frozenset(posture.weights)) - posture.must_cut
            if uncut:
                found.append(f"{names(uncut)} may acknowledge at {site}, and etcd would not cut it")
    return tuple(found)


def begun(heard: Heard) -> str:
    """Why an etcd that holds nothing of this service has lost it; empty when every site but one says that it has not begun.

    1. etcd is lost on three disks, gcp is being copied. 2. A controller is started anew, finds nothing, and founds the service as the
    settings do: gcp must be cut. 3. The writer dies; gcp's half copy stands highest, and is elected.
    """
    if len(heard.silent) > 1:
        return f"{names(heard.silent)} cannot be asked whether it has begun"
    for site, said in sorted(heard.facts.items()):
        if said.epoch > 1 or said.token > 0:
            stands = f"{site} is {said.role} of epoch {said.epoch} and has promised token {said.token}"
            return f"{stands}: etcd has lost it; see trimaran rebuild"
    return ""


def next_range(heard: Heard, held: Held) -> Token:
    """Where the tokens of a rebuilt control plane begin: above every promise, in a range that nobody was ever given one of."""
    highest = max((held.latest, *(facts.token for facts in heard.facts.values())))
    return Token((highest // RANGE + 1) * RANGE)


def describe(rebuilding: Rebuilding) -> tuple[str, ...]:
    """The plan as a person reads it."""
    posture = rebuilding.posture
    if posture is None:
        return ()
    settled = "" if posture.settled else f", and nobody without {posture.writer} unless a follower proves what it held"
    return (
        f"{posture.writer} {rebuilding.office} in epoch {posture.reign}",
        f"must be cut before anybody else is elected: {names(posture.must_cut)}{settled}",
        f"the next claim takes epoch {posture.epoch + 1}",
        f"every token is above {posture.tokens_above}",
        f"mode {posture.mode}, {'paused' if posture.pause else 'no pause'}, drained by an operator: {names(posture.drained)}",
        *(f"unknown: {one}" for one in rebuilding.unknown),
    )


def next_order(rebuilding: Rebuilding) -> str:
    """What a person does after it is written."""
    posture, office = rebuilding.posture, rebuilding.office
    if posture is None or office is None:
        return ""
    leave = f"trimaran failover --from {posture.writer}"
    match office:
        case Office.WRITES if posture.settled:
            return "controllers go on by themselves: see trimaran status"
        case Office.WRITES:
            return f"see trimaran status; when payments are not acknowledged: {leave}"
        case Office.CLOSED | Office.ELECTED:
            return f"nobody writes: {leave}"
        case Office.SILENT:
            return f"controllers leave {posture.writer} as its mode allows; without that: {leave}"
        case _:
            assert_never(office)


def _names_as_writer(service: str, facts: NodeFacts, sites: frozenset[Site]) -> frozenset[Site]:
    """Whom this node's row and streams name as writer of its epoch; nobody when it was emptied and follows nobody yet."""
    if facts.role is not Role.FOLLOWER:
        return frozenset({facts.site})
    streams = {one.name for one in facts.subscriptions}
    return frozenset(site for site in sites if stream(service, facts.epoch, site, facts.site) in streams)


def _row(service: str, facts: NodeFacts, sites: frozenset[Site]) -> frozenset[Site]:
    """Members that this writer's row counts."""
    return frozenset(site for site in sites if stream(service, facts.epoch, facts.site, site) in facts.ack_slots)


def _office(heard: Heard, epoch: Epoch, writer: Site) -> Office:
    facts = heard.facts.get(writer)
    if facts is None:
        return Office.SILENT
    if facts.epoch != epoch or facts.role is Role.FOLLOWER:
        return Office.ELECTED
    return Office.WRITES if facts.role is Role.WRITER else Office.CLOSED


def _must_cut(service: str, heard: Heard, epoch: Epoch, writer: Site) -> tuple[frozenset[Site], Reason]:
    """Everybody who may hold what was acknowledged in this reign and the writer may lack, or lose.

    1. gcp was being taken out of the ack set: the writer's row is {aws} already, etcd was not yet. gcp alone had confirmed payment P.
    2. etcd is lost, and rebuilt from the row: only aws must be cut. 3. The writer dies before aws has P; aws is elected, P is lost.
    So the row is enough only when a member of it has confirmed all that the writer has (proof 4). Else the writer itself must be cut
    too, and everybody who follows it with a whole copy; a copy that is not whole proves nothing and would win an election by its
    position alone.
    """
    guard, limit = "provable-ack-set", "a member that confirmed all that the writer has, or everybody's word who may hold it"
    mine = heard.facts.get(writer)
    in_office = mine is not None and mine.epoch == epoch and mine.role is not Role.FOLLOWER
    row = _row(service, mine, heard.sites) if mine is not None and in_office else frozenset[Site]()
    followers = frozenset(site for site in heard.facts.keys() - {writer} if _follows(service, heard.facts[site], writer, epoch))
    if mine is not None and in_office and len(mine.ack_slots) > len(row):
        value = f"{writer} counts {', '.join(sorted(mine.ack_slots))}"
        return frozenset(), refused(guard, value, f"slots of {names(heard.sites)}", "Name every site in the settings.")
    if mine is not None and in_office and mine.pinned and not row:
        return frozenset({writer}), allowed(guard, f"{writer} acknowledges nothing, and has everything itself", limit)
    if mine is not None and in_office and mine.pinned and heard.confirmed & row:
        return row, allowed(guard, f"{names(heard.confirmed & row)} confirmed all that {writer} has", limit)
    everybody = frozenset({writer}) | row | followers
    unheard = heard.silent - row - {writer}
    if in_office and unheard:
        value = f"none of {names(row)} has confirmed all that {writer} has, and {names(unheard)} is silent"
        return frozenset(), refused(guard, value, limit, f"Bring {names(unheard)} back, or one of {names(row)}.")
    if mine is None and not followers:
        value = f"{writer} is silent, and nobody who answers has a whole copy of what it wrote"
        return frozenset(), refused(guard, value, limit, f"Bring the database of {writer} back.")
    return everybody, allowed(guard, f"{names(everybody)} have it among them", limit)


def _follows(service: str, facts: NodeFacts, writer: Site, epoch: Epoch) -> bool:
    """With a whole copy, whether it streams now or was cut."""
    name = stream(service, epoch, writer, facts.site)
    return facts.role is Role.FOLLOWER and facts.epoch == epoch and any(s.name == name and s.seeded for s in facts.subscriptions)


def _heard_from(heard: Heard) -> Reason:
    """One silent site cannot have acknowledged alone. Two can: aws and gcp, both cut off from here, are writer and member of epoch 6, and
    what azure says of epoch 5 would make a second writer."""
    guard, limit = "heard-from", "every site but one"
    if len(heard.silent) <= 1 and heard.facts:
        return allowed(guard, f"{names(heard.sites - heard.silent)} answered", limit)
    return refused(guard, f"{names(heard.silent)} silent", limit, "Bring one of them back, or mend the way to it.")


def _lags(service: str, heard: Heard, held: Held) -> Reason:
    """An etcd that is not behind knows more than the databases: what was claimed, who is paused, which plan is under way."""
    guard, limit = "etcd-is-behind", "an etcd that holds nothing of the service, or less than the databases"
    if held.posture is None:
        return allowed(guard, "etcd holds nothing of the service", limit)
    behind = lags(service, held.posture, held.latest, heard.facts)
    if behind:
        return allowed(guard, "; ".join(behind), limit)
    value = f"etcd knows of {held.posture.writer} in epoch {held.posture.reign}, and no database knows more"
    return refused(guard, value, limit, "There is nothing to rebuild: see trimaran status.")


def _one_latest_writer(reign: Reign) -> Reason:
    guard, limit = "one-latest-writer", "one writer of the latest reign"
    if reign.writer is not None:
        return allowed(guard, f"{names(reign.writers[reign.writer])}: {reign.writer} in epoch {reign.epoch}", limit)
    if not reign.writers:
        value = f"nobody who answers names a writer of epoch {reign.epoch}"
        return refused(guard, value, limit, "Bring the silent site back.")
    value = "; ".join(f"{names(by)}: {writer} in epoch {reign.epoch}" for writer, by in sorted(reign.writers.items()))
    return refused(guard, value, limit, "Stop both, and compare their ledgers: nodes contradict each other.")


def _tokens_left(heard: Heard, held: Held) -> Reason:
    guard, limit = "tokens-left", f"tokens below {LAST}"
    base = next_range(heard, held)
    if base < LAST:
        return allowed(guard, f"tokens go on above {base}", limit)
    return refused(guard, f"they would go on above {base}", limit, "Somebody has put tokens there by hand: see trimaran.node.")


def _highest_epoch(heard: Heard, held: Held) -> int:
    """That left any trace: in a row, in the name of a slot or a subscription, in a marker, or in what etcd still holds."""
    traces = [slot.name for facts in heard.facts.values() for slot in facts.slots]
    traces += [one.name for facts in heard.facts.values() for one in facts.subscriptions]
    named = [int(found[1]) for name in traces if (found := _EPOCH.search(name))]
    rows = [epoch for facts in heard.facts.values() for epoch in (facts.epoch, facts.marked)]
    return max((*named, *rows, held.posture.epoch if held.posture else 0))


def _unknown(heard: Heard, held: Held, posture: Posture) -> Iterator[str]:
    if held.posture is None:
        yield "weights, drains, mode and pause of before; those of the settings stand in their place"
    else:
        yield "what was changed since the backup: weights, drains, mode, pause"
    yield "orders that waited, and a plan that was under way"
    for site in sorted(heard.silent):
        yield f"what {site} holds, which is silent; nothing of it was acknowledged in a later reign"
    if posture.writer in posture.must_cut:
        yield f"who was proven level with {posture.writer} at its election"
