"""Which moves an operator could make now, and what blocks the others: every guard is asked about each, and nothing happens."""

from collections.abc import Mapping

from controller.core.circumstances import Circumstances
from controller.core.explain import explain_reason
from controller.core.guards import review
from controller.core.model import Reason, Site, Trigger
from controller.core.proposals import Failover, Proposal, Switchover
from controller.core.steering import weights_without

NEEDS_A_FAILURE = "no-surprise-return"
"""The guard that refuses to leave a healthy writer: no news while all is well, and not what people ask about automation."""


def moves(seen: Circumstances) -> Mapping[str, object]:
    """A switchover to each follower, a failover by hand, and the failover that automation would make if the writer failed now; each
    with what refuses it."""
    writer = seen.posture.writer
    return {
        "switchover": {site: _blocked(_switchover(site), seen) for site in sorted(set(seen.posture.weights) - {writer})},
        "failover": _blocked(_failover(Trigger.OPERATOR, seen), seen),
        "automatic_failover": [
            blocked for blocked in _blocked(_failover(Trigger.AUTOMATIC, seen), seen) if blocked["guard"] != NEEDS_A_FAILURE
        ],
    }


def plain(reason: Reason) -> Mapping[str, object]:
    """A refusal as a document."""
    return {
        "guard": reason.guard,
        "value": reason.value,
        "limit": reason.limit,
        "way_out": reason.way_out,
        "said": explain_reason(reason),
    }


def _switchover(site: Site) -> Switchover:
    return Switchover(to=site, trigger=Trigger.OPERATOR, because="asked by status")


def _failover(trigger: Trigger, seen: Circumstances) -> Failover:
    writer = seen.posture.writer
    weights = weights_without(writer, seen)
    return Failover(site=writer, weights=weights if any(weights.values()) else None, trigger=trigger, because="asked by status")


def _blocked(proposal: Proposal, seen: Circumstances) -> list[Mapping[str, object]]:
    return [plain(reason) for reason in review(proposal, seen).refusals]
