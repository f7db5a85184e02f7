"""Which moves could be made now, and what blocks the others: every guard is asked about each, and nothing happens. Pure."""

from controller.core.circumstances import Circumstances
from controller.core.guards import review
from controller.core.model import Reason, Site, Trigger
from controller.core.proposals import Failover, Proposal, Switchover
from controller.core.steering import weights_without

NEEDS_A_FAILURE = "no-surprise-return"
"""The guard that refuses to leave a healthy writer: no news while all is well, and not what people ask about automation."""

ASKED = "asked by status"


def switchover(to: Site, seen: Circumstances) -> tuple[Reason, ...]:
    """What refuses an operator's switchover to this site."""
    return _refusals(Switchover(to=to, trigger=Trigger.OPERATOR, because=ASKED), seen)


def failover(seen: Circumstances) -> tuple[Reason, ...]:
    """What refuses an operator's failover."""
    return _refusals(_failover(Trigger.OPERATOR, seen), seen)


def automatic_failover(seen: Circumstances) -> tuple[Reason, ...]:
    """What would refuse the failover that automation would make if the writer failed now."""
    refusals = _refusals(_failover(Trigger.AUTOMATIC, seen), seen)
    return tuple(reason for reason in refusals if reason.guard != NEEDS_A_FAILURE)


def _failover(trigger: Trigger, seen: Circumstances) -> Failover:
    writer = seen.posture.writer
    weights = weights_without(writer, seen)
    return Failover(site=writer, weights=weights if any(weights.values()) else None, trigger=trigger, because=ASKED)


def _refusals(proposal: Proposal, seen: Circumstances) -> tuple[Reason, ...]:
    return review(proposal, seen).refusals
