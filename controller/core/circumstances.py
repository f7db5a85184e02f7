"""What a guard may look at: one tick's knowledge, with the agreements of its vantages computed once.

Rules for changing this file: plain knowledge and the questions every guard asks; no rule of its own.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from controller.core.health import Agreement, agreed
from controller.core.limits import AutomaticFailover
from controller.core.model import Health, NodeFacts, Part, Posture, Reason, Site, Snapshot, Verdict
from controller.core.policy import Moment, Policy
from controller.core.proposals import Running


@dataclass(frozen=True, slots=True, kw_only=True)
class Circumstances:
    """One tick as the guards see it."""

    snapshot: Snapshot
    policy: Policy
    history: tuple[AutomaticFailover, ...]
    running: Running | None
    now: Moment
    agreements: Mapping[tuple[Site, Part], Agreement]

    @property
    def posture(self) -> Posture:
        """What we want now."""
        return self.snapshot.posture

    def health(self, site: Site, part: Part) -> Health:
        """Agreed health; unknown for a site nobody was asked about."""
        agreement = self.agreements.get((site, part))
        return agreement.health if agreement else Health.UNKNOWN

    def database(self, site: Site) -> Health:
        """Agreed health of a site's database."""
        return self.health(site, Part.DATABASE)

    def edge(self, site: Site) -> Health:
        """Agreed health of a site's edge."""
        return self.health(site, Part.EDGE)

    def facts(self, site: Site) -> NodeFacts | None:
        """What the node itself said, as long as it is fresh; None is unknown."""
        aged = self.snapshot.facts.get(site)
        return aged.value if aged and aged.age <= self.policy.freshness else None


def circumstances(
    snapshot: Snapshot, policy: Policy, history: tuple[AutomaticFailover, ...], running: Running | None, now: Moment
) -> Circumstances:
    """One tick's knowledge, with the vantages' agreement about every part of every site of the posture."""
    sites = sorted(snapshot.posture.weights)
    return Circumstances(
        snapshot=snapshot,
        policy=policy,
        history=history,
        running=running,
        now=now,
        agreements={(site, part): agreed(site, part, snapshot.observations, policy) for site in sites for part in Part},
    )


def allowed(guard: str, value: str, limit: str) -> Reason:
    """A guard's consent."""
    return Reason(guard=guard, verdict=Verdict.ALLOWED, value=value, limit=limit)


def refused(guard: str, value: str, limit: str, way_out: str) -> Reason:
    """A guard's refusal: what it saw, what it needs, and the way out."""
    return Reason(guard=guard, verdict=Verdict.REFUSED, value=value, limit=limit, way_out=way_out)


def names(sites: frozenset[Site] | set[Site]) -> str:
    """Sites as people read them."""
    return ", ".join(sorted(sites)) or "none"
