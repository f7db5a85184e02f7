"""Forgetting somebody in small steps, each durable before the next, for as long as one request may take.

In one step, whoever paid often enough could not be forgotten at all. Step by step, followers apply no more than a slice at once, so
nobody's payment waits behind a year of somebody else's; and whatever ends a request loses at most the step that was under way.

Every request begins with a step of one payment and takes larger ones while they fit, as TCP begins a connection. 1. On cold
disks, or beside a crowd that holds the account, three payments fit into a statement. 2. Begun with 200, a request asks for 200
and for 25 in vain, and its time is over. 3. So does the next one, in this process or another: the mark is there, the person can
neither pay nor be proven forgotten. Begun with one, each request forgets at least that one if one fits at all, and nobody has
to remember what fitted last: not this process, of which there are several at each site, and which may be another after a
failover. It costs whoever paid often three small steps a request.
"""

from collections.abc import Callable

from workload.durable.answers import Answers, Ask
from workload.durable.errors import Busy, Unanswered
from workload.payments.model import Forgotten

SLICE = 200
"""Payments a step, at most: each is looked up in three tables, on disks that may have to be asked."""
FACTOR = 8
"""By so much larger after a step, as long as all of this request did; smaller after one that did not end within the statement's
deadline."""


async def forget_stepwise(answers: Answers, step: Callable[[int], Ask[Forgotten]]) -> Forgotten:
    """Take steps until it is complete, or until another one as long as the last would come too late. `step`: of at most so many payments.
    Raises Unanswered as long as nothing was heard of this erasure; later, whatever ends it ends it with what is done."""
    most, grows, begun = 1, True, None
    with answers.one_request() as left:
        while True:
            before = left()
            refused: Unanswered | None = None
            try:
                begun = await answers.give(step(most))
                most = min(SLICE, most * FACTOR) if grows else most
            except Unanswered as error:
                refused, most, grows = error, max(1, most // FACTOR), False
            if begun is not None and begun.is_complete:
                return begun
            goes_on = refused is None or isinstance(refused, Busy)
            if goes_on and left() > before - left():
                continue
            if begun is None and refused is not None:
                raise refused
            assert begun is not None
            return begun
