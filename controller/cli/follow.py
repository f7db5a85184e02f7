"""Leaves a wish and follows the journal until it is refused, done, or the patience is over."""

import asyncio
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

from controller.cli.exits import Ended, Exit
from controller.cli.inquiry import AnswerLost, Document, Inquiry
from controller.cli.trail import Trail

LOOK = 0.15
"""Seconds between two looks into the journal."""

DEAF = 5.0
"""Seconds without any controller answering, after which following has no point; a takeover is far quicker."""

LOST = 10.0
"""Seconds in which a wish whose answer was lost shows up in the journal, if it ever arrived."""

Tell = Callable[[str], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Order:
    """What a person wants."""

    verb: str
    arguments: Mapping[str, str]
    by: str
    reason: str
    request: str
    """The same id is the same order, however often it is given."""
    repeated: bool = False
    """It may have been given before, so the journal is searched from its beginning."""
    lasting: timedelta | None = None
    """`until`, from now on."""


async def give(inquiry: Inquiry, order: Order, *, timeout: float, tell: Tell) -> Trail:
    """Ask, then follow. Raises Ended as long as nothing was asked for; what happens afterwards is in the trail."""
    status = await inquiry.status()
    # The controllers' clock dates the order: this machine's may be an hour wrong, and an old order is refused.
    arguments = dict(order.arguments)
    if order.lasting is not None:
        arguments["until"] = (datetime.fromisoformat(status["at"]) + order.lasting).isoformat(timespec="seconds")
    body = {"id": order.request, "verb": order.verb, "by": order.by, "reason": order.reason, "at": status["at"]}
    trail = Trail(request=order.request)
    inquiry.doing = ""
    tell(f"asking for {order.verb}, request {order.request}")
    try:
        await inquiry.ask({**body, "arguments": arguments})
    except AnswerLost as lost:
        trail.unheard = str(lost)
        tell(f"no answer ({lost}); the journal tells whether it arrived")
    await follow(inquiry, trail, 0 if order.repeated else int(status["journal_end"]), timeout, tell)
    return trail


async def follow(inquiry: Inquiry, trail: Trail, after: int, timeout: float, tell: Tell) -> None:
    """Feed the trail until it is over, the timeout has passed, or nobody can be heard, which is noted in it."""
    began = heard = time.monotonic()
    doing, silence = "", ""
    while not trail.over and time.monotonic() - began < (min(LOST, timeout) if trail.unheard else timeout):
        try:
            entries = (await inquiry.first("journal", after=after, limit=200))["entries"]
            heard, silence = time.monotonic(), ""
        except Ended as end:
            entries, silence = [], end.line
            if time.monotonic() - heard > DEAF:
                break
        for entry in entries:
            after = entry["sequence"]
            for line in trail.feed(entry):
                tell(line)
        if trail.decided:
            trail.unheard = ""
        if not entries and not trail.over:
            doing = await _tell_phase(inquiry, trail, doing, tell)
            await asyncio.sleep(LOOK)
    trail.unheard = trail.unheard or silence


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
    if trail.finished:
        return Exit.UNDONE if trail.undone else Exit.UNPROVEN if trail.doubt else Exit.DONE
    if trail.replaced_by:
        return Exit.REPLACED
    return Exit.UNKNOWN if trail.unheard else Exit.UNFINISHED
