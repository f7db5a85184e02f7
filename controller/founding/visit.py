"""Sessions of one founding at one site: its administrator's, the same within the service's database, and the control role's.

Plain sessions whose deadlines really fire (`controller.postgres.session`); nothing is remembered between two foundings.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import timedelta

from psycopg.sql import Literal

from controller.core import naming
from controller.core.model import Site
from controller.errors import Transient
from controller.founding.step import VERIFIER, Dial, Login, Step
from controller.postgres.errors import translated
from controller.postgres.session import Address, Row, Session

PATIENCE = timedelta(seconds=15)
"""For one statement, and for a login."""
SCRIPT = timedelta(seconds=60)
"""For a whole schema."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Door:
    """How one site's server is reached."""

    administrator: Address
    """In the database that every server has."""
    publishers: Mapping[Site, Address]
    """Every other site's server as this site's server dials it; user, password and database are put in here."""


@dataclass(slots=True, kw_only=True)
class Visit:
    """One site during one founding."""

    site: Site
    service: str
    door: Door
    passwords: Mapping[str, str] = field(repr=False)
    """By role."""
    sessions: dict[Login, Session] = field(default_factory=dict)

    async def ask(self, login: Login, query: str, parameters: Sequence[object] | Mapping[str, object]) -> list[Row]:
        """Rows of one question. Raises Transient, Denied."""
        with translated(self.site, "survey"):
            session = await self._session(login)
            return (await session.run((query, parameters), deadline=PATIENCE))[0]

    async def is_done(self, step: Step) -> bool:
        """Does the server say that nothing is left to do?"""
        if step.done is None:
            return False
        with translated(self.site, step.does):
            session = await self._session(step.login)
            return bool((await session.run(step.done, deadline=PATIENCE))[0])

    async def carry_out(self, step: Step) -> None:
        """Send it. Raises Transient, Denied, Conflict, Stuck; whether it took place is for `is_done` to say."""
        with translated(self.site, step.does):
            session = await self._session(step.login)
            text = step.run if step.role is None else self._with_verifier(step, session)
            if step.alone:
                # The session's own time limit has been told by an earlier statement: told with this one it would make a transaction of it.
                await session.run(("SELECT 1", ()), deadline=PATIENCE)
            if step.parameters or step.alone:
                await session.run((text, [self._sent(one) for one in step.parameters]), deadline=PATIENCE)
            else:
                await session.run_script(text, SCRIPT)

    async def close(self) -> None:
        """End every session."""
        for session in self.sessions.values():
            await session.close()
        self.sessions.clear()

    async def _session(self, login: Login) -> Session:
        found = self.sessions.get(login)
        if found is None:
            found = await Session.connect(self._address(login), PATIENCE, dialled=self.site)
            self.sessions[login] = found
        elif not found.alive:
            # Not a new one: what keeps a second founding out went with the old one.
            raise Transient(f"{self.site}: the session as {login} has ended")
        return found

    def _address(self, login: Login) -> Address:
        own, database = self.door.administrator, naming.database(self.service)
        match login:
            case Login.ADMINISTRATOR:
                return own
            case Login.WITHIN:
                return replace(own, database=database)
            case Login.CONTROL:
                control = naming.control_role(self.service)
                return replace(own, database=database, user=control, password=self.passwords[control])

    def _with_verifier(self, step: Step, session: Session) -> str:
        assert step.role is not None, "asked for steps of a role only"
        verifier = session.verifier(step.role, self.passwords[step.role])
        return step.run.replace(VERIFIER, Literal(verifier).as_string(None))

    def _sent(self, parameter: object) -> object:
        if isinstance(parameter, list | tuple):
            return [self._sent(one) for one in parameter]
        if not isinstance(parameter, Dial):
            return parameter
        stream = naming.stream_role(self.service)
        dialled = replace(
            self.door.publishers[parameter.publisher],
            database=naming.database(self.service),
            user=stream,
            password=self.passwords[stream],
        )
        return dialled.conninfo(application_name=parameter.stream, connect_timeout=2)
