"""How the followers of the writer stand, from what the nodes said at once. Pure; None is not known, never no."""

from controller.core import naming
from controller.core.circumstances import Circumstances
from controller.core.model import Site


def confirms(site: Site, seen: Circumstances) -> bool | None:
    """Does the writer count this follower's confirmations? None while the writer has not said so lately, and of the writer itself.

    Not the must-cut set, which is larger: a member that was taken off the writer's row acknowledges nothing any more, and is still cut.
    """
    posture = seen.posture
    writer = seen.facts(posture.writer)
    if writer is None or site == posture.writer:
        return None
    return naming.stream(posture.service, posture.reign, posture.writer, site) in writer.ack_slots


def lag_bytes(site: Site, seen: Circumstances) -> int | None:
    """Log of the writer that this follower has not confirmed, in bytes, both read from the writer at once; None: not known."""
    posture = seen.posture
    writer = seen.snapshot.facts.get(posture.writer)
    if writer is None or site == posture.writer:
        return None
    name = naming.stream(posture.service, posture.reign, posture.writer, site)
    slot = next((slot for slot in writer.value.slots if slot.name == name), None)
    return max(0, writer.value.flushed - slot.confirmed) if slot else None
