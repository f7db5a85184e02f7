"""Which moves an operator could make now, and what blocks the others, as documents."""

from collections.abc import Iterable, Mapping

from controller.core.circumstances import Circumstances
from controller.core.explain import explain_reason
from controller.core.model import Reason
from controller.core.prospects import automatic_failover, failover, switchover


def moves(seen: Circumstances) -> Mapping[str, object]:
    """A switchover to each follower, a failover by hand, and the failover that automation would make if the writer failed now; each
    with what refuses it."""
    followers = sorted(set(seen.posture.weights) - {seen.posture.writer})
    return {
        "switchover": {site: _plain(switchover(site, seen)) for site in followers},
        "failover": _plain(failover(seen)),
        "automatic_failover": _plain(automatic_failover(seen)),
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


def _plain(refusals: Iterable[Reason]) -> list[Mapping[str, object]]:
    return [plain(reason) for reason in refusals]
