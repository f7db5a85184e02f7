"""Repairs that move neither writer nor traffic: settle, shrink, return, grow.

Rules for changing this file: upkeep can always wait. A condition has to hold for the dwell, and longer for controllers away
from the writer, so that three of them do not race for every repair.
"""

from datetime import timedelta

from controller.core.circumstances import Circumstances, names
from controller.core.model import Health, NodeFacts, Role, Site
from controller.core.naming import stream
from controller.core.proposals import Grow, Proposal, Return, SettleUp, Shrink
from controller.core.reign_guards import unpinned


def repairs(now: Circumstances) -> tuple[Proposal, ...]:
    """Everything that upkeep would do at this moment, in order: first what protects payments, then what adds protection.

    Nothing while the writer is not healthy: every repair rests on it. While a member may still confirm the reign's marker,
    nothing else begins: a node that is wiped for its return might hold the only other copy of an earlier payment. A member that is well
    and does not stream confirms nothing: B cannot reach the new writer, and would keep A, which can, from ever coming back.
    """
    posture = now.posture
    if now.database(posture.writer) is not Health.HEALTHY or unpinned(posture.writer, now):
        return ()
    members = posture.must_cut - {posture.writer}
    confirming = {site for site in members if now.database(site) is not Health.FAILING and _streams_from_writer(site, now)}
    if not posture.settled and confirming:
        return (SettleUp(because=f"{names(confirming)} has not confirmed the marker of epoch {posture.reign}"),)
    outside = sorted(set(posture.weights) - posture.must_cut - {posture.writer})
    shrinks = [Shrink(site=site, because=because) for site in sorted(members) if (because := _unfit(site, now))]
    returns = [Return(site=site, because=because) for site in outside if (because := _astray(site, now))]
    grows = [Grow(site=site, because=f"{site} streams epoch {posture.reign}") for site in outside if _streams(site, now)]
    return (*shrinks, *returns, *grows)


def patience(now: Circumstances) -> timedelta:
    """How long a repair waits at this controller: the dwell beside the writer, one stagger more for each further one by name."""
    posture, vantage = now.posture, now.snapshot.vantage
    queue = [posture.writer, *sorted(set(posture.weights) - {posture.writer})]
    rank = queue.index(vantage) if vantage in queue else len(queue)
    return now.policy.dwell + rank * now.policy.stagger


def _unfit(member: Site, now: Circumstances) -> str:
    """Why a member no longer confirms anything; empty when it is well or unknown."""
    if now.database(member) is Health.FAILING:
        return f"{member} is failing"
    facts = now.facts(member)
    return _lost(facts, now) if facts else ""


def _astray(site: Site, now: Circumstances) -> str:
    """Why a reachable node outside the must-cut set has to be made a follower again; empty when it follows, or is unknown."""
    facts = now.facts(site)
    if facts is None or now.database(site) is not Health.HEALTHY:
        return ""
    return _lost(facts, now)


def _lost(facts: NodeFacts, now: Circumstances) -> str:
    """Why a node cannot follow the present reign without help; empty when it can."""
    posture, site = now.posture, facts.site
    if facts.role is not Role.FOLLOWER or facts.epoch != posture.reign:
        return f"{site} is {facts.role} of epoch {facts.epoch}, not follower of {posture.reign}"
    if not facts.pinned:
        return f"{site} is not on its pinned timeline"
    name = stream(posture.service, posture.reign, posture.writer, site)
    subscription = next((item for item in facts.subscriptions if item.name == name), None)
    if subscription is None or not subscription.enabled or not subscription.seeded:
        return f"{site} has no complete stream of epoch {posture.reign}"
    writer = now.facts(posture.writer)
    if writer and not any(slot.name == name and not slot.lost for slot in writer.slots):
        return f"{posture.writer} has lost the slot of {site}"
    return ""


def _streams_from_writer(member: Site, now: Circumstances) -> bool:
    """Does the writer feed this member's stream? True as long as nobody says otherwise."""
    writer, name = now.facts(now.posture.writer), stream(now.posture.service, now.posture.reign, now.posture.writer, member)
    return writer is None or any(slot.name == name and slot.active for slot in writer.slots)


def _streams(site: Site, now: Circumstances) -> bool:
    facts = now.facts(site)
    if facts is None or now.database(site) is not Health.HEALTHY or _lost(facts, now):
        return False
    name = stream(now.posture.service, now.posture.reign, now.posture.writer, site)
    return any(item.name == name and item.running for item in facts.subscriptions)
