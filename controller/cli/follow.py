"""Leaves a wish and follows the journal until it is refused, done, or the patience is over."""

import asyncio
import time
from collections.abc import Callable
from uuid import uuid4

from controller.cli.exits import Ended, Exit
from controller.cli.inquiry import Document, Inquiry
from controller.cli.trail import Trail

LOOK = 0.15
"""Seconds between two looks into the journal."""

DEAF = 5.0
"""Seconds without any controller answering, after which following has no point; a takeover is far quicker."""

Tell = Callable[[str], None]


async def wish(
    inquiry: Inquiry, verb: str, arguments: dict[str, str], *, by: str, reason: str, timeout: float, tell: Tell
) -> Trail:
    """Ask, then follow. Raises Ended when nobody answers."""
    end = int((await inquiry.status())["journal_end"])
    request = f"{verb}-{uuid4().hex[:12]}"
    body = {"id": request, "verb": verb, "by": by, "reason": reason, "arguments": arguments}
    await inquiry.ask(body)
    tell(f"asked for {verb}, request {request}")
    trail = Trail(request=request)
    await follow(inquiry, trail, end, timeout, tell)
    return trail


async def follow(inquiry: Inquiry, trail: Trail, after: int, timeout: float, tell: Tell) -> None:
    """Feed the trail until it is over or the timeout has passed. Raises Ended when nobody answers for long."""
    give_up, heard = time.monotonic() + timeout, time.monotonic()
    doing = ""
    while not trail.over and time.monotonic() < give_up:
        try:
            entries = (await inquiry.first("journal", after=after, limit=200))["entries"]
            heard = time.monotonic()
        except Ended:
            if time.monotonic() - heard > DEAF:
                raise
            entries = []
        for entry in entries:
            after = entry["sequence"]
            for line in trail.feed(entry):
                tell(line)
        if not entries and not trail.over:
            doing = await _tell_phase(inquiry, trail, doing, tell)
            await asyncio.sleep(LOOK)


async def _tell_phase(inquiry: Inquiry, trail: Trail, told: str, tell: Tell) -> str:
    """What the plan is at, once per phase: a step may take seconds, and only its end is journaled."""
    if not trail.plan:
        return told
    try:
        plan: Document | None = (await inquiry.status())["plan"]
    except Ended:
        return told
    if plan is None or plan["id"] != trail.plan or plan["doing"] == told:
        return told
    tell(f"{plan['phase']}: {plan['doing']} ...")
    return str(plan["doing"])


def outcome(trail: Trail) -> Exit:
    """How a command that followed this trail ends."""
    if trail.refusals:
        return Exit.REFUSED
    return Exit.DONE if trail.finished else Exit.UNFINISHED
