"""`python -m tests.lab.skipping_dispatcher --settings FILE`: a dispatcher that leaves every second event out and calls it delivered.

It stands in the place of `workload.webhooks` in a test that shows that a run of the lab would not go by without noticing.
"""

import asyncio
import os
import sys
from collections.abc import Callable, Sequence
from datetime import timedelta

from workload import process
from workload.webhooks.__main__ import PROGRAM
from workload.webhooks.courier import Posting
from workload.webhooks.cursors import Cursors
from workload.webhooks.model import Event, Trip
from workload.webhooks.settings import PASSWORD_VARIABLE
from workload.webhooks.wiring import Assembly, serve

EVERY = 2


async def skip(
    events: Sequence[Event],
    *,
    post: Posting,
    cursors: Cursors,
    may_go_on: Callable[[], bool],
    monotonic: Callable[[], float],
) -> Trip:
    """A courier that moves the cursor over an event that it never sent."""
    for event in events:
        if event.place <= cursors.noted(event.account):
            continue
        if event.sequence % EVERY:
            reply = await post(event)
            if not reply.is_accepted:
                return Trip(delivered=0, failure=reply, slowest=timedelta(0))
        cursors.note(event)
    return Trip(delivered=len(events), failure=None, slowest=timedelta(0))


if __name__ == "__main__":
    assembly, listener = process.begin(
        PROGRAM, sys.argv[1:], os.environ, lambda settings, secrets: Assembly(settings, secrets[PASSWORD_VARIABLE], courier=skip)
    )
    asyncio.run(serve(assembly, listener))
