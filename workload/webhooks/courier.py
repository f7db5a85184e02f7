"""Carries one account's events to its endpoint: strictly one after the other.

Why first deliveries stay in order, whoever sends and however many send at once
-------------------------------------------------------------------------------
Every sender keeps three rules, and nothing else is needed; the seat only saves duplicates.

1. *Only what is durable is sent.* An event is read with the barrier's confirmation of everything the reading saw (`outbox.due` through
   `Answers.give`). So whatever was ever sent is on every later writer, under the same account, sequence and id.
2. *Only after a success.* Event n+1 of an account is sent after a 2xx for n: one that this process received, or one that a cursor
   tells of.
3. *A cursor follows a success.* It is noted after the 2xx and written after that. It may be lost or late, and is never ahead.

By induction over n ("n+1" is the next event of one ledger): when anybody begins to send n+1, the endpoint has accepted n already. So the
first delivery of n comes before the first delivery of n+1; every other delivery of n is a duplicate with the same id, which the receiver
knows by its id.

What goes wrong without them, and why it does not with them:

- *The zombie.* Site A is cut off from the other databases but not from merchants; its dispatcher has read events 5 to 9 and goes on
  sending. B's database becomes the writer, B's dispatcher takes the seat there and sends 5, too. Both send 5 before 6 and wait for
  their own 2xx, so whoever is first at any number comes after somebody's 2xx for the number before. The merchant sees, say,
  5 5 6 6 7 7: duplicates. Without rule 2, A sends 5 and 6 side by side, B is at 5: the merchant has 6 before 5, and refunds an order that
  was never placed.
- *The zombie's own payments.* Before A is fenced it commits payment 10, which no follower has. Without rule 1 A tells the merchant, who
  ships; B's ledger never has the payment, and gives sequence 10 to another one.
- *The zombie's cursor.* A wakes and writes "9" where B has written "12": `outbox.advance` only moves up, and a fenced A refuses. Where B
  has "7", A's "9" is true: the merchant did accept 8 and 9 from A.
- *The waived member.* C alone had confirmed 8 and 9, which were sent; C cannot be read, an operator waives it, and B is elected at 7. B's
  own 8 and 9 are other events of a later epoch. So a cursor names the epoch too: what was noted of the first 8 and 9 neither keeps the
  second from being sent nor moves B's cursor.
- *The cursor that was lost.* B was elected without A's last cursor, sends 5 to 9 again, in order: duplicates. Without rule 3, A writes
  "9" before it sends, dies, and B begins at 10: the merchant never hears of 5 to 9.
- *The late packet.* A's attempt of 5 hangs in the network while B delivers 5 to 9, and arrives then: a duplicate of 5. After five minutes
  receivers refuse it as stale, so they need to remember ids no longer than that and the time they take themselves.
- *The answer that was lost.* The merchant accepted 5, its answer did not arrive: unknown counts as a failure, 5 is sent again.
"""

from collections.abc import Awaitable, Callable, Sequence
from datetime import timedelta
from typing import Protocol

from workload.webhooks.cursors import Cursors
from workload.webhooks.model import NOWHERE, Event, Reply, Trip

Posting = Callable[[Event], Awaitable[Reply]]
"""One attempt. Never raises for anything that an endpoint or the way to it does."""


class Carry(Protocol):
    """How one account's events are carried; `carry` below, and the rule-breakers of the negative proofs."""

    async def __call__(
        self,
        events: Sequence[Event],
        *,
        post: Posting,
        cursors: Cursors,
        may_go_on: Callable[[], bool],
        monotonic: Callable[[], float],
    ) -> Trip:
        """Send what can be sent, and say what became of it."""


async def carry(
    events: Sequence[Event],
    *,
    post: Posting,
    cursors: Cursors,
    may_go_on: Callable[[], bool],
    monotonic: Callable[[], float],
) -> Trip:
    """Send the events of one account in order; ends with the first failure, or when `may_go_on` says so."""
    delivered, slowest = 0, timedelta(0)
    # Looked up once: what this trip notes may be written and forgotten while it goes on.
    told, reached = (cursors.noted(events[0].account), events[0].delivered) if events else (NOWHERE, 0)
    for event in events:
        if event.place <= told:
            reached = event.sequence
            continue
        if delivered and not may_go_on():
            break
        if event.sequence != reached + 1:
            return Trip(delivered=delivered, failure=_gap(event, reached), slowest=slowest)
        began = monotonic()
        reply = await post(event)
        slowest = max(slowest, timedelta(seconds=monotonic() - began))
        if not reply.is_accepted:
            return Trip(delivered=delivered, failure=reply, slowest=slowest, stopped_at=event.sequence)
        cursors.note(event)
        delivered, reached = delivered + 1, event.sequence
    return Trip(delivered=delivered, failure=None, slowest=slowest)


def _gap(event: Event, reached: int) -> Reply:
    """A person deleted an undelivered event by hand: to send the next one would hide that from everybody, also from the merchant."""
    why = f"event {reached + 1} of the account is missing from the outbox, so {event.sequence} is not sent"
    return Reply(is_accepted=False, why=why)
