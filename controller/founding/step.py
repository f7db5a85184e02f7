"""What founding is made of: steps as data, without a secret in them, so that a plan can be shown to anybody."""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from uuid import UUID

from controller.core import naming
from controller.core.model import Site
from controller.founding.schemas import Schema

VERIFIER = ":verifier"
"""Stands for the password of a step's role, as the server keeps it: no password is sent, and none can be in a server's log."""


class Login(StrEnum):
    """As whom, and in which database."""

    ADMINISTRATOR = "administrator"
    WITHIN = "administrator within"
    """In the service's database."""
    CONTROL = "control"
    """Who owns it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Dial:
    """How a follower's server dials a publisher: with the stream's password, so it is put in only where it is sent."""

    publisher: Site
    stream: str


Statement = tuple[str, Sequence[object]]
"""SQL and its parameters; a `Dial` among them becomes text when it is sent."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """One thing to be done at one site."""

    site: Site
    login: Login
    does: str
    run: str
    parameters: tuple[object, ...] = ()
    """Of `run`; without any it may be a script of several statements, which take place all or not at all."""
    done: Statement | None = None
    """Answers a row when nothing is left to be done; None: repeating it changes nothing."""
    role: str | None = None
    """Whose password `VERIFIER` stands for."""
    alone: bool = False
    """It can be in no transaction with anything else."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Stage:
    """What may be done when the stages before it are: sites at the same time, each site's steps in order."""

    name: str
    steps: tuple[Step, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Account:
    """One that is opened with the service, for test payments."""

    id: UUID
    currency: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """What is to be founded."""

    schema: Schema
    writer: Site
    canaries: tuple[Account, ...] = ()
    """Of payments."""

    @property
    def service(self) -> str:
        """Its name, after which everything is called."""
        return self.schema.service

    @property
    def processes(self) -> tuple[str, ...]:
        """Logins that look, and write by saying so."""
        return (naming.app_role(self.service), *self.schema.logins)

    @property
    def roles(self) -> tuple[str, ...]:
        """Every login."""
        return (*self.processes, naming.control_role(self.service), naming.stream_role(self.service))
