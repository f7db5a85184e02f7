"""What each look asks the outbox for, and which of what it answers is sent. Pure: time is passed in.

A look is of one of two kinds. One at *everybody*, every few seconds, costs what there is of merchants and of those that fail. All others
are for whoever was paid lately, has more to be told, or failed and may be tried again, and name no more than `MOST_NAMED` of anything,
and those that came in the way: a look at everybody that takes longer than a statement may, with very many merchants or very many that
fail, is followed by those.

Who comes in the way: ten thousand merchants fail and are paid all the time. None of those that are not named has been told anything for
long, so they come before everybody who is well, and rest. They are named from then on, and the next look reads on beyond its places, twice
as far as such were met: behind sixteen thousand of them whoever is well is found after twenty looks, and not never.

Whoever rests is not looked for. Whoever failed and may be tried again is chosen here, the one that was tried longest ago first; the
outbox is told of those few only.
"""

from collections.abc import Collection, Mapping
from datetime import timedelta
from itertools import groupby, islice
from uuid import UUID

from workload.webhooks.model import Due, Event, Kind, Look
from workload.webhooks.settings import Manners
from workload.webhooks.standings import Standings

WHOLE_INTERVAL = timedelta(seconds=2)
"""Between two looks at everybody."""
MOST_NAMED = 2000
"""Accounts of one sort that a look names, except one at everybody and but for those that came in the way."""
MOST_BEYOND = 1000
"""Accounts that a look reads beyond its places. One event each: what those that rest are owed is read for nothing."""


class Looks:
    """One process's."""

    def __init__(self, manners: Manners, standings: Standings) -> None:
        self._manners, self._standings = manners, standings
        self._whole_at: float | None = None
        self._unfinished: set[UUID] = set()
        self._asked: frozenset[UUID] = frozenset()
        """Those of them that the present look is for; a courier may come back while it is under way."""
        self._met = 0
        """How many came in the way of the last look, as far as it was answered."""

    def begin_anew(self) -> None:
        """What was paid while this process did not look was not paid lately: the next look is at everybody."""
        self._whole_at = None

    def has_more(self, account: UUID) -> None:
        """It may have more to be told than was read."""
        self._unfinished.add(account)

    def next(self, running: Collection[UUID], now: float) -> Look | None:
        """What to ask for now, while these are being sent to; None: no place is free."""
        free = self._free(running)
        if not any(free.values()):
            return None
        is_whole = self._is_time_for_everybody(now)
        if is_whole:
            self._standings.age(now)
        most = None if is_whole else MOST_NAMED
        # Whoever is sent to would not come, which tells nothing of what it has.
        self._asked = frozenset(islice((account for account in self._unfinished if account not in running), most))
        tried = self._standings.to_try(now, running, free[Kind.FAILING])
        return Look(
            failing=tried,
            busy=(self._standings.failed(most) - tried) | set(running),
            slow=self._standings.slow(most),
            known=self._standings.known(MOST_NAMED),
            places=free[Kind.QUICK],
            slow_places=free[Kind.SLOW],
            beyond=0 if is_whole else self._beyond(),
            most=self._manners.most_events,
            also=None if is_whole else self._asked,
        )

    def settle(self, look: Look, due: Due, running: Collection[UUID]) -> Mapping[UUID, tuple[Event, ...]]:
        """The look was answered so. Answers whom to send to; never more of a kind than there are places, whatever the outbox said."""
        self._standings.forget(due.outdated)
        free = self._free(running)
        found = {account: tuple(events) for account, events in groupby(due.events, key=lambda event: event.account)}
        # Nothing is to be told any more to whoever was asked for by name and does not come: another sender was heard, or it is not sent to.
        self._standings.forget(look.failing - found.keys())
        sent: dict[UUID, tuple[Event, ...]] = {}
        places = [account for account in found if account not in look.failing and account not in look.slow]
        kinds = {account: self._standings.of(account).kind for account in found}
        self._meet(look, [account for account in places if kinds[account] is not Kind.QUICK])
        for account, events in found.items():
            kind = kinds[account]
            rests = kind is Kind.FAILING and account not in look.failing
            if not rests and account not in running and free[kind] > 0:
                free[kind] -= 1
                sent[account] = events
        waits = self._asked if len(places) >= look.places + look.beyond else found.keys()
        self._unfinished = self._left(look, sent, waits) | due.outdated
        if sum(kinds[account] is Kind.QUICK for account in places) >= look.places:
            self._whole_at = None  # there may be more of them than there were places
        return sent

    def _meet(self, look: Look, accounts: Collection[UUID]) -> None:
        """These took places of the quick, and were not named: the next look names them. One at everybody names all."""
        if look.also is not None:
            self._met = len(accounts)
        for account in accounts:
            self._standings.meet(account)

    def _beyond(self) -> int:
        """How far to read on. Not twice because of one look: one that reads too far for its deadline is followed by one that does not."""
        met, self._met = self._met, 0
        return min(2 * met, MOST_BEYOND)

    def _left(self, look: Look, sent: Collection[UUID], waits: Collection[UUID]) -> set[UUID]:
        """Who is still to be looked for by name: whoever was not, or may have come behind all that there was room for, and the slow that
        found no place. One of them that takes a second for each event is read anew after every event, and would wait for a look at
        everybody each time."""
        is_full = look.slow_places <= sum(account in look.slow for account in sent)
        return {
            account
            for account in self._unfinished
            if account not in sent
            and (account not in self._asked or account in waits or (is_full and self._standings.of(account).kind is Kind.SLOW))
        }

    def _is_time_for_everybody(self, now: float) -> bool:
        """Noted before it is asked: a look that is not answered in time must not be all that is ever asked."""
        is_time = self._whole_at is None or now - self._whole_at >= WHOLE_INTERVAL.total_seconds()
        if is_time:
            self._whole_at = now
        return is_time

    def _free(self, running: Collection[UUID]) -> dict[Kind, int]:
        free = {
            Kind.QUICK: self._manners.places,
            Kind.SLOW: self._manners.slow_places,
            Kind.FAILING: self._manners.failing_places,
        }
        for account in running:
            free[self._standings.of(account).kind] -= 1
        return {kind: max(number, 0) for kind, number in free.items()}
