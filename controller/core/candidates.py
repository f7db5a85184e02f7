"""Who may become the writer: the election, from positions that are final.

Invariant (`no-loss`): whoever wins holds every payment that any earlier reign acknowledged. Two kinds of proof are enough:
  1. every member of the must-cut set was cut and read; any one of them may have acknowledged, so the highest position has it all
     (R + W > N). Worthless while the set holds the writer itself: then only the writer's own disk is known to be complete.
     Members that an operator waived by name are not waited for; when none of the others has a position of this reign, the best of
     what they have is taken. That may lose payments, which is what the operator accepted on the record.
  2. the fenced and drained writer itself answers: its own log is complete, and so is every follower it saw confirm its last byte.
  3. the writer died before its reign was settled, and every other member was cut. If one of them holds the reign's marker, it holds what
     the writer held before it opened, and the highest position has what was acknowledged since. If none does, nobody has confirmed
     anything of this reign, so nothing was acknowledged in it, and whoever was level with the writer at its election has it all.
"""

from dataclasses import dataclass

from controller.core.model import Posture, Site
from controller.core.plans import Plan, PlanKind
from controller.core.schema_guard import distance


@dataclass(frozen=True, slots=True, kw_only=True)
class Candidate:
    """A node that may win, with the proof that makes it safe."""

    site: Site
    proof: str


def is_cut(plan: Plan, site: Site) -> bool:
    """Has this plan read the site's final position?"""
    return plan.position_of(site) is not None


def rank_candidates(plan: Plan, posture: Posture) -> tuple[Candidate, ...]:
    """Everybody who may win now, best first; empty while nothing is proven. Ties go by site name, so every controller agrees.

    A failover keeps the old writer for last: it may be undone by electing it again, but only when nobody else is proven. A switchover
    whose target is not proven gives the reign back: nobody asked for a third site. Everybody here holds every acknowledged payment; so
    among them, and only among them, whoever has the old writer's schema goes first (`schema_guard`).
    """
    proven: dict[Site, Candidate] = {}
    proofs = (_by_every_member, _by_fenced_writer, _by_followers_of_the_unsettled)
    for candidate in (candidate for proof in proofs for candidate in proof(plan, posture)):
        proven.setdefault(candidate.site, candidate)

    planned = plan.kind is PlanKind.SWITCHOVER

    def preference(candidate: Candidate) -> tuple[bool, bool, int, Site]:
        wanted = planned and candidate.site == plan.subject
        old = candidate.site == posture.writer
        return (not wanted, not old if planned else old, distance(plan, posture.writer, candidate.site), candidate.site)

    return tuple(sorted(proven.values(), key=preference))


def _by_every_member(plan: Plan, posture: Posture) -> tuple[Candidate, ...]:
    if posture.writer in posture.must_cut - plan.waived:
        return ()
    if not all(is_cut(plan, site) for site in posture.must_cut - plan.waived):
        return ()
    usable = [
        position
        for position in plan.positions
        if position.site in posture.must_cut
        and (position.publisher, position.epoch) == (posture.writer, posture.reign)
        and position.lsn > 0
    ]
    if not usable and plan.waived:
        return _by_waiver(plan, posture)
    best = max((position.lsn for position in usable), default=None)
    return tuple(
        Candidate(site=position.site, proof="every member was cut; none stands higher")
        for position in usable
        if position.lsn == best
    )


def _by_waiver(plan: Plan, posture: Posture) -> tuple[Candidate, ...]:
    """The winner of the last election died before a sibling had applied anything of its reign, and an operator left it uncut: whoever
    came furthest of the others wins. Without this the waived plan would wait for ever, and nobody could pay again."""
    left = [position for position in plan.positions if position.site in posture.must_cut - plan.waived]
    best = max(left, key=lambda position: (position.epoch, position.lsn), default=None)
    return (Candidate(site=best.site, proof=f"{', '.join(sorted(plan.waived))} waived by an operator"),) if best else ()


def _by_fenced_writer(plan: Plan, posture: Posture) -> tuple[Candidate, ...]:
    if not is_cut(plan, posture.writer) or plan.level is None:
        return ()
    level = [
        Candidate(site=site, proof="the fenced writer saw it confirm the last byte")
        for site in sorted(plan.level)
        if is_cut(plan, site)
    ]
    return (*level, Candidate(site=posture.writer, proof="the fenced writer's own log is complete"))


def _by_followers_of_the_unsettled(plan: Plan, posture: Posture) -> tuple[Candidate, ...]:
    others = posture.must_cut - {posture.writer} - plan.waived
    if posture.settled or not all(is_cut(plan, site) for site in others):
        return ()
    read = [position for position in plan.positions if position.site in others]
    if not any(position.marked for position in read):
        proof = "nobody holds the marker of the reign, and it was level with the writer when that was elected"
        return tuple(Candidate(site=site, proof=proof) for site in sorted(posture.level & others))
    usable = [position for position in read if (position.publisher, position.epoch) == (posture.writer, posture.reign)]
    best = max((position.lsn for position in usable), default=None)
    proof = "holds the marker of the reign, and no other member stands higher"
    return tuple(Candidate(site=one.site, proof=proof) for one in usable if one.marked and one.lsn == best)
