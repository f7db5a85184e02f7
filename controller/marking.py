"""Puts a drill's beginning or end into the journal, where whoever tells people finds it."""

from controller.errors import LostOwnership, Refused
from controller.ports import Coordination, Draft

TRIES = 20
"""While controllers journal something else."""


async def mark(coordination: Coordination, service: str, draft: Draft) -> None:
    """Journal this and change nothing else, whatever is decided meanwhile. Raises Refused when there is no such service, LostOwnership when
    somebody else is first again and again, Transient (it may stand: a second one does no harm)."""
    for left in reversed(range(TRIES)):
        known = await coordination.read(service)
        if known is None:
            raise Refused(
                guard="founded", value=f"no service {service} in etcd", limit="one that was founded", way_out="Start it first."
            )
        try:
            await coordination.commit(known, journal=[draft])
        except LostOwnership:
            if not left:
                raise
        else:
            return
