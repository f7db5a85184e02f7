"""Finds the writer: asks every site's node over a warm session, and the highest epoch wins.

No site waits for another: each has its own loop and its own deadline, so a black hole delays only the news about itself. A node tells that
it has changed, so that nobody has to ask all the time; it is asked now and then all the same, because a dead session tells nothing.
"""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from datetime import timedelta
from functools import partial

import psycopg

from workload.durable.session import Lost, Session, Unreachable


@dataclass(frozen=True, slots=True, kw_only=True)
class View:
    """What one site's node said it is."""

    role: str
    epoch: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Writer:
    """Where payments go."""

    site: str
    epoch: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Outlook:
    """Where payments go, and the highest epoch any writer was ever seen in: there is no way back below it."""

    writer: Writer | None = None
    floor: int = 0


def judge(before: Outlook, views: Mapping[str, View | None]) -> Outlook:
    """The outlook after these views; None is a site that could not be asked.

    Unknown is not "no longer the writer": while its site is silent the last known writer stays, and its sessions' deadlines
    decide. A writer of an epoch below the floor is a ghost: A is thawed after B opened the next epoch, says it writes, and
    every payment sent there would wait for confirmations that no follower gives any more.
    """
    claims = [Writer(site=site, epoch=view.epoch) for site, view in sorted(views.items()) if view and view.role == "writer"]
    floor = max([before.floor, *(claim.epoch for claim in claims)])
    best = [claim for claim in claims if claim.epoch == floor]
    if len(best) == 1:
        return Outlook(writer=best[0], floor=floor)
    if not best and before.writer is not None and views.get(before.writer.site) is None:
        return before
    return Outlook(writer=None, floor=floor)


async def _ask_node(connection: psycopg.AsyncConnection, *, site: str) -> View | None:
    """What the node says it is; None when it is another site's, because an address in the settings is wrong."""
    cursor = await connection.execute("SELECT role, epoch FROM trimaran.node WHERE site = %s", [site], prepare=True)
    row = await cursor.fetchone()
    return View(role=row[0], epoch=row[1]) if row else None


async def _listen(connection: psycopg.AsyncConnection, *, heard: Callable[[], None]) -> None:
    """Be told from now on when the node changes; before it is asked, so that no change falls in between.

    What the node tells beside an answer is read with it: nothing is left on the line then that would wake anybody, and the answer is from
    before the change. So it is heard where it is read, too.
    """
    connection.add_notify_handler(lambda _: heard())
    await connection.execute("LISTEN trimaran_node")


RETRY = timedelta(seconds=0.1)
"""Before a site that could not be asked is asked again."""


class Finder:
    """Keeps the outlook up to date."""

    def __init__(
        self,
        openers: Mapping[str, Callable[[], Awaitable[Session]]],
        *,
        interval: timedelta,
        deadline: timedelta,
        on_change: Callable[[Outlook, Outlook], None] = lambda before, after: None,
    ) -> None:
        self._openers = openers
        self._interval = interval
        self._deadline = deadline
        self._on_change = on_change
        self._outlook = Outlook()
        self._views: dict[str, View | None] = dict.fromkeys(openers)

    @property
    def writer(self) -> Writer | None:
        """The site to send payments to now, or None when no site is known to write."""
        return self._outlook.writer

    @property
    def views(self) -> Mapping[str, View | None]:
        """The latest word of every site; None is unknown."""
        return self._views

    def learn(self, site: str, view: View | None) -> None:
        """Take in one site's latest word."""
        self._views[site] = view
        before = self._outlook
        self._outlook = judge(before, self._views)
        if self._outlook != before:
            self._on_change(before, self._outlook)

    async def watch(self, site: str) -> None:
        """Ask `site` for ever: at once when it has something to tell, and every interval."""
        session: Session | None = None
        ask, heard = partial(_ask_node, site=site), asyncio.Event()
        try:
            while True:
                try:
                    if session is None or session.broken:
                        session = await self._listening(site, heard.set)
                    heard.clear()
                    self.learn(site, await session.run(ask, self._deadline))
                    await self._told(session, heard)
                except (Lost, Unreachable, psycopg.Error):
                    self.learn(site, None)
                    await asyncio.sleep(min(self._interval, RETRY).total_seconds())
        finally:
            if session:
                session.shut()

    async def _listening(self, site: str, heard: Callable[[], None]) -> Session:
        """A new session that is told of changes. One that could not be told is none: it would be asked every interval for as long as it
        lives, and a failover that it sees half a second late is half a second longer."""
        session = await self._openers[site]()
        try:
            await session.run(partial(_listen, heard=heard), self._deadline)
        except BaseException:
            session.shut()
            raise
        return session

    async def _told(self, session: Session, heard: asyncio.Event) -> None:
        """Return when something was heard, or the session has something to read, the server's goodbye too, or the interval is over."""
        session.watch(heard.set)
        try:
            async with asyncio.timeout(self._interval.total_seconds()):
                await heard.wait()
        except TimeoutError:
            pass
        finally:
            session.unwatch()
