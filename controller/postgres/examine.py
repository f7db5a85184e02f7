"""Asks one database everything that a check-up wants to know, in one pass that changes nothing.

Safe in production at any time: the session is read-only, takes no lock that anybody waits for, and has a deadline on the server, too.
Each part is asked by itself, so that a right that is missing for one hides nothing of the others.
"""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import timedelta
from typing import Any, TypeVar

import psycopg
from psycopg.conninfo import conninfo_to_dict

from controller.core import naming
from controller.core.checkup.facts import Database, Door, Ledger, Rights, Server, Streams, silent
from controller.core.checkup.finding import Unasked
from controller.core.checkup.parameters import NAMES, OVERRIDDEN
from controller.core.model import NodeFacts, Site
from controller.errors import Denied, TrimaranError
from controller.ports import Clock
from controller.postgres import told
from controller.postgres.door import takes_plain
from controller.postgres.errors import translated
from controller.postgres.examine_sql import INSTALLED, LEDGER, RIGHTS, SERVER, STREAMS, SYSTEM
from controller.postgres.session import Address, Session
from controller.settings_token import is_loopback

T = TypeVar("T")

READ_ONLY = (
    ("SET SESSION CHARACTERISTICS AS TRANSACTION READ ONLY", ()),
    ("SET lock_timeout = '250ms'", ()),
)
"""Should a question come to wait for somebody's lock after all, it is given up before anybody queues behind it."""

NOW = ("SELECT extract(epoch FROM clock_timestamp())::float8", ())


@dataclass(frozen=True, slots=True, kw_only=True)
class Examiner:
    """Who looks at one service's database at one site."""

    service: str
    site: Site
    cloud: str | None
    control: Address
    stream: Address
    """The same database, as the stream role."""
    dialled: Mapping[Site, Address] = field(default_factory=dict)
    """Other sites' databases as this site's server dials them."""
    clock: Clock

    async def examine(self, deadline: timedelta) -> Database:
        """Everything that could be asked; `deadline` bounds each of the questions. Never raises for what the server does."""
        door = await self._door(deadline)
        stream_login = await _asked(lambda: self._log_in(self.stream, deadline))
        session = await _asked(lambda: self._session(self.control, deadline))
        if isinstance(session, Unasked):
            return replace(silent(session, door), stream_login=stream_login)
        look = _Look(examiner=self, session=session, deadline=deadline)
        try:
            return Database(
                server=await _asked(look.server),
                door=door,
                rights=await _asked(look.rights),
                ledger=await _asked(look.ledger),
                node=await _asked(look.node),
                streams=await _asked(look.streams),
                stream_login=stream_login,
            )
        finally:
            await session.close()

    async def _door(self, deadline: timedelta) -> Door:
        host, port = self.control.host, self.control.port
        local = is_loopback(host)
        plain: bool | Unasked = Unasked(because="on the loopback nobody asks")
        if not local:
            plain = await _asked(
                lambda: takes_plain(host, port, database=self.control.database, user=self.control.user, deadline=deadline)
            )
        streams = {site: _mode(address) for site, address in self.dialled.items()}
        return Door(local=local, mode=_mode(self.control), streams=streams, takes_plain=plain)

    async def _session(self, address: Address, deadline: timedelta) -> Session:
        with translated(self.site, f"login of {address.user}"):
            try:
                session = await Session.connect(address, deadline, dialled=self.site)
            except psycopg.OperationalError as error:
                # Of a login that fails libpq tells no state, but whether a password was asked for: whoever turned us away after that
                # is there, and it is the role, its password or the database that is wrong.
                if error.pgconn is not None and error.pgconn.used_password:
                    raise Denied(f"login of {address.user} on {self.site}: {_told(error)}") from None
                raise
            await session.run(*READ_ONLY, deadline=deadline)
        return session

    async def _log_in(self, address: Address, deadline: timedelta) -> None:
        session = await self._session(address, deadline)
        await session.close()


@dataclass(frozen=True, slots=True, kw_only=True)
class _Look:
    """One pass over one database, by a session that is open."""

    examiner: Examiner
    session: Session
    deadline: timedelta

    async def server(self) -> Server:
        """The server and its clock."""
        clock = self.examiner.clock
        began, wall = clock.monotonic(), clock.now()
        there = float(await self._one("clock", *NOW))
        took = clock.monotonic() - began
        said = await self._one("server", SERVER, (list(NAMES), list(OVERRIDDEN)))
        system = await _asked(lambda: self._one("identity", SYSTEM, ()))
        offset = timedelta(seconds=there - wall.timestamp()) - took / 2
        return told.server(
            said,
            cloud=self.examiner.cloud,
            system=None if isinstance(system, Unasked) else str(system),
            offset=offset,
            uncertainty=took / 2,
        )

    async def rights(self) -> Rights:
        """Who may do what."""
        service = self.examiner.service
        stream, app = naming.stream_role(service), naming.app_role(service)
        said = await self._one("rights", RIGHTS, {"stream": stream, "app": app, "publication": naming.publication(service)})
        return told.rights(said, stream=stream, app=app)

    async def ledger(self) -> Ledger:
        """What is published."""
        return told.ledger(await self._one("ledger", LEDGER, {"publication": naming.publication(self.examiner.service)}))

    async def node(self) -> NodeFacts | None:
        """Who the node says it is; None: nothing is installed."""
        if not await self._one("installed", INSTALLED, ()):
            return None
        return told.node(self.examiner.site, await self._one("facts", "SELECT trimaran.facts()", ()))

    async def streams(self) -> Streams:
        """What replication runs with."""
        return told.streams(await self._one("streams", STREAMS, ()))

    async def _one(self, step: str, text: str, parameters: Sequence[object] | Mapping[str, object]) -> Any:
        with translated(self.examiner.site, step):
            rows = await self.session.run((text, parameters), deadline=self.deadline)
        return rows[0][0][0]


async def _asked(ask: Callable[[], Awaitable[T]]) -> T | Unasked:
    """An answer, or why there is none."""
    try:
        return await ask()
    except Denied as error:
        return Unasked(because=str(error), refused=True)
    except TrimaranError as error:
        return Unasked(because=str(error))
    except (LookupError, TypeError, ValueError) as error:
        return Unasked(because=f"an answer that nobody understands: {type(error).__name__}: {error}")


def _told(error: psycopg.Error) -> str:
    """The server's own words, without where it was dialled."""
    return str(error).strip().rpartition("FATAL:")[2].strip()


def _mode(address: Address) -> str:
    return str(conninfo_to_dict(address.options).get("sslmode") or "")
