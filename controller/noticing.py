"""Journals what stands and what stands no more (`core.conditions`), so that people can be told of it from the journal alone.

One controller does: the first by name of those that etcd knows to live. Two that see different things, because the way to a member of etcd
is broken for one of them, would otherwise contradict each other in the journal for ever. That it is one alone rests on no belief: what is
written is compared with what is kept, and whoever comes second has written nothing.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import timedelta
from typing import Protocol

import structlog

from controller.chronicler import PAGE, Chronicler, Place
from controller.core.circumstances import circumstances
from controller.core.conditions import Condition, Sight, conditions
from controller.core.deliveries import Cursor
from controller.core.notices import NOTICE, News, Patience, news, noticed, watch
from controller.core.policy import Moment
from controller.errors import LostOwnership, TrimaranError
from controller.loop import Loop, View
from controller.observe import running
from controller.ports import Clock, Draft
from controller.telling_ports import Desk

log = structlog.get_logger()

NOTICES = "notices"
"""Under this name its own place in the journal is kept, beside those of the channels."""


class Members(Protocol):
    """Who knows which members of etcd answer."""

    def silent(self) -> Mapping[str, str]:
        """Those that do not, and what came instead."""


@dataclass(slots=True, kw_only=True)
class Noticer:
    """One controller's, for one service."""

    controller: str
    loop: Loop
    desk: Desk
    chronicler: Chronicler
    clock: Clock
    members: Members | None = None
    tries: Mapping[str, int] = field(default_factory=dict)
    """The teller's: channels that have not taken what is next."""
    every: timedelta = timedelta(seconds=0.5)
    retained_limit: int = 1 << 30
    _patience: Patience = field(default_factory=Patience)
    _place: Place | None = None
    _read: object = None
    """What the view rested on when the journal was read."""
    _written: int = 0
    """How many notices had been written by then."""

    async def run(self) -> None:
        """Look until cancelled; whatever fails ends this look and nothing else."""
        while True:
            try:
                await self.look()
            except LostOwnership:
                pass  # somebody else was first; the next look reads what they wrote
            except TrimaranError as error:
                log.warning("notice", service=self.loop.service, error=str(error))
            except Exception:
                log.exception("notice", service=self.loop.service)
            await self.clock.sleep(self.every)

    async def look(self) -> None:
        """Journal what is due, if it is this controller's turn. Raises TrimaranError."""
        view = self._fresh()
        if view is None or not self._mine(view):
            self._patience, self._place, self._read = Patience(), None, None
            return
        if not await self._read_journal(view):
            return
        assert self._place is not None, "the journal was read"
        standing, now = self._place.situation.standing, self.clock.monotonic()
        holds = self._conditions(view, frozenset(standing))
        self._patience = watch(self._patience, holds, standing.keys(), now)
        found = news(self._patience, holds, standing.keys(), now)
        if found:
            await self._journal(found, {key: one.said for key, one in standing.items()})

    def _fresh(self) -> View | None:
        view = self.loop.view
        if view is None or self.clock.monotonic() - view.at > self.loop.policy.freshness:
            return None
        return view

    def _mine(self, view: View) -> bool:
        return bool(view.control.sessions) and min(view.control.sessions) == self.controller

    async def _read_journal(self, view: View) -> bool:
        """Know what stands, by the journal up to what the view rests on."""
        if self._read is not None and self._read == view.control.as_of:
            return True
        kept = (await self.desk.telling(self.loop.service)).record.cursors.get(NOTICES)
        if self._place is None and kept is not None:
            self._place = Place(sequence=kept.sequence, digest=kept.digest, situation=kept.situation)
        place, entries = await self.chronicler.read_on(self._place)
        self._place = entries[-1].place if entries else place
        if len(entries) >= PAGE - 1:
            return False
        self._read, self._written = view.control.as_of, _count(kept)
        return True

    def _conditions(self, view: View, standing: frozenset[str]) -> tuple[Condition, ...]:
        moment = Moment(wall=self.clock.now(), monotonic=self.clock.monotonic())
        seen = circumstances(view.snapshot, self.loop.policy, (), running(view.control), moment)
        return conditions(
            Sight(
                seen=seen,
                decision=view.decision,
                living=frozenset(view.control.sessions),
                silent_members=self.members.silent() if self.members is not None else {},
                standing=standing,
                tries=self.tries,
                retained_limit=self.retained_limit,
            )
        )

    async def _journal(self, found: News, said: Mapping[str, str]) -> None:
        """In one write with the count of notices: whoever wrote one since the journal was read here has moved it, and what stands is read
        anew."""
        assert self._place is not None, "the journal was read"
        kept = await self.desk.telling(self.loop.service)
        if _count(kept.record.cursors.get(NOTICES)) != self._written:
            self._read = None
            return
        place = self._place
        mine = Cursor(sequence=place.sequence, digest=place.digest, situation=place.situation, tries=self._written + 1)
        record = replace(kept.record, cursors={**kept.record.cursors, NOTICES: mine})
        self._read = None
        await self.desk.tell(self.loop.service, kept, record, [Draft(kind=NOTICE, body=noticed(found, said))])


def _count(kept: Cursor | None) -> int:
    """Notices written so far; it stands where a channel counts its failures."""
    return kept.tries if kept is not None else 0
