"""Guards of the writer: who may reign next, and what must be proven before.

Rules for changing this file: as in `guards`; each rule names the payment that would be lost or acknowledged twice without it.
"""

from controller.core.circumstances import Circumstances, allowed, names, refused
from controller.core.model import Health, Reason, Role, Site, Trigger
from controller.core.proposals import (
    Failover,
    Proposal,
    Return,
    SetMode,
    SetPause,
    Shrink,
    Switchover,
    claims_epoch,
    trigger_of,
)


def uncuttable(leaving: Site, now: Circumstances) -> frozenset[Site]:
    """Must-cut members that are failing by agreement, so that a cut would wait for them; nobody when the writer itself answers.

    A writer on another timeline than its pinned one answers too, but its log proves nothing.
    """
    if now.database(leaving) is not Health.FAILING and not unpinned(leaving, now):
        return frozenset()
    return frozenset(member for member in now.posture.must_cut if now.database(member) is Health.FAILING)


def exactly_one_writer(proposal: Proposal, now: Circumstances) -> Reason:
    """After the plan one site writes: somebody can be elected, the right site is left, and no two nodes reign already."""
    guard = "exactly-one-writer"
    writers = [facts for site in sorted(now.snapshot.facts) if (facts := now.facts(site)) and facts.role is Role.WRITER]
    reigns = [facts.epoch for facts in writers]
    if len(reigns) != len(set(reigns)) and not isinstance(proposal, SetPause | SetMode):
        both = names({facts.site for facts in writers})
        return refused(guard, f"{both} both write in one epoch", "one writer per epoch", "Stop both, and compare their ledgers.")
    match proposal:
        case Failover():
            return _leaves_the_writer(proposal, now)
        case Switchover():
            return _reaches_a_member(proposal, now)
        case _:
            return allowed(guard, f"{now.posture.writer} stays the writer", "one writer")


def _leaves_the_writer(proposal: Failover, now: Circumstances) -> Reason:
    guard, writer = "exactly-one-writer", now.posture.writer
    if proposal.site != writer:
        return refused(guard, f"{writer} writes, not {proposal.site}", f"the writer, {writer}", f"failover --from {writer}.")
    failing = {member for member in now.posture.must_cut if now.database(member) is Health.FAILING}
    candidates = now.posture.must_cut - {writer} - failing - proposal.waived
    if candidates:
        return allowed(guard, f"{names(candidates)} may be elected", "at least one member that can be read")
    holding = names(now.posture.must_cut)
    way_out = f"Bring {holding} back: no other node is proven to hold what was acknowledged."
    return refused(guard, "nobody can be elected", f"one of {holding} that can be read", way_out)


def _reaches_a_member(proposal: Switchover, now: Circumstances) -> Reason:
    guard, writer = "exactly-one-writer", now.posture.writer
    if proposal.to not in now.posture.weights:
        return refused(guard, f"no site {proposal.to}", f"one of {names(set(now.posture.weights))}", "Name one of them.")
    if proposal.to == writer:
        return refused(guard, f"{writer} writes already", "another site", "Nothing to do.")
    members = now.posture.must_cut - {writer}
    if proposal.to not in members:
        return refused(guard, f"{proposal.to} is not in the ack set", f"one of {names(members)}", "Wait until it has grown in.")
    unwell = {site for site in (writer, proposal.to) if now.database(site) is not Health.HEALTHY}
    if unwell:
        value = ", ".join(f"{site} is {now.database(site)}" for site in sorted(unwell))
        return refused(guard, value, "old and new writer healthy", f"Mend it, or failover --from {writer}.")
    return allowed(guard, f"from {writer} to {proposal.to}", "a healthy member of the ack set")


def provable_durability(proposal: Proposal, now: Circumstances) -> Reason:
    """Every acknowledged payment must be provably on the next writer.

    Any one member's confirmation was enough to acknowledge. B and C are members, C alone has confirmed payment P; C cannot be
    read, B is elected without it, and P is lost although it was acknowledged. So everyone is cut and read, or the writer itself
    is, or an operator names who is left out.
    """
    guard, posture = "provable-durability", now.posture
    match proposal:
        case Failover():
            missing = uncuttable(proposal.site, now) - proposal.waived
            if missing == {posture.writer} and _proven_by_followers(now):
                missing = frozenset()
            limit = f"every one of {names(posture.must_cut)} read, or the writer itself"
            if missing:
                way_out = f"Bring {names(missing)} back, or failover --from {proposal.site} --waive {','.join(sorted(missing))}."
                return refused(guard, f"{names(missing)} cannot be read", limit, way_out)
            waived = f", {names(proposal.waived)} waived" if proposal.waived else ""
            return allowed(guard, f"{names(posture.must_cut - proposal.waived)} can be read{waived}", limit)
        case Switchover():
            unwell = {site for site in posture.must_cut if now.database(site) is not Health.HEALTHY}
            if posture.settled and not unwell:
                return allowed(guard, f"{names(posture.must_cut)} healthy", "a settled reign with healthy members")
            value = f"{names(unwell)} not healthy" if unwell else f"{posture.writer} is not settled"
            return refused(guard, value, "a settled reign with healthy members", "Wait for upkeep; see status.")
        case Shrink():
            left = {m for m in posture.must_cut - {proposal.site, posture.writer} if now.database(m) is not Health.FAILING}
            if left:
                return allowed(guard, f"{names(left)} would remain", "at least one follower that confirms")
            way_out = "Bring a follower back. Only an operator may accept a single copy, by name."
            return refused(guard, "no follower would remain", "at least one follower that confirms", way_out)
        case Return():
            holding = posture.must_cut | {posture.writer}
            if proposal.site not in holding:
                return allowed(guard, f"{proposal.site} proves nothing any more", f"none of {names(holding)}")
            way_out = "Take it out of the ack set first; it may hold the only other copy of a payment."
            return refused(guard, f"{proposal.site} would be wiped", f"none of {names(holding)}", way_out)
        case _:
            return allowed(guard, "no reign ends", "a reign ends only with its payments read")


def _proven_by_followers(now: Circumstances) -> bool:
    """The writer of an unsettled reign is gone: do the others, all heard, prove what it held? One of them has its marker, or none has and
    one was level at the election (`candidates`, proof 3). The winner dies before it opened, say: without this, two whole ledgers would
    wait for the third."""
    others = now.posture.must_cut - {now.posture.writer}
    heard = [facts for site in others if (facts := now.facts(site)) is not None]
    if not others or len(heard) < len(others):
        return False
    return any(facts.marked >= now.posture.reign for facts in heard) or bool(now.posture.level & others)


def epoch_monotone(proposal: Proposal, now: Circumstances) -> Reason:
    """No node may already be in a higher epoch than the posture knows of: etcd was restored from the past, say, and
    would hand out epoch 5 a second time, while some site has acknowledged in the first 5."""
    guard, bound = "epoch-monotone", now.posture.epoch
    limit = f"at most {bound}"
    seen = {site: facts.epoch for site in sorted(now.snapshot.facts) if (facts := now.facts(site))}
    beyond = {site: seen_epoch for site, seen_epoch in seen.items() if seen_epoch > bound}
    if not beyond or isinstance(proposal, SetPause | SetMode):
        return allowed(guard, f"highest seen {max(seen.values(), default='unknown')}", limit)
    value = ", ".join(f"{site} is in epoch {beyond[site]}" for site in beyond)
    return refused(guard, value, limit, "etcd is behind the databases: trimaran rebuild, before anything moves.")


def no_surprise_return(proposal: Proposal, now: Circumstances) -> Reason:
    """Nobody but an operator moves the writer away from a site that is not failing, home least of all.

    A comes back, is home, and looks healthy; if that moved the writer, a flapping A would move it again and again.
    """
    guard, writer, limit = "no-surprise-return", now.posture.writer, "a failing writer, or an operator who asks"
    if not claims_epoch(proposal) or trigger_of(proposal) is Trigger.OPERATOR:
        return allowed(guard, "nobody is surprised", limit)
    if isinstance(proposal, Failover) and (now.database(writer) is Health.FAILING or unpinned(writer, now)):
        return allowed(guard, f"{writer} is failing", limit)
    return refused(guard, f"{writer} is {now.database(writer)}", limit, "Ask for it: switchover --to SITE.")


def unpinned(site: Site, now: Circumstances) -> bool:
    """Does the node itself say, freshly, that it is no longer on its pinned timeline?"""
    facts = now.facts(site)
    return facts is not None and not facts.pinned
