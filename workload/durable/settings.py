"""Settings of a service with a database, and how a settings file is read: once, into frozen values, every problem at once.

Durations in the file are seconds.
"""

import tomllib
from collections.abc import Mapping, Sequence
from datetime import timedelta
from pathlib import Path
from typing import Annotated, Self, TypeVar

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

Port = Annotated[int, Field(ge=1, le=65535)]
Seconds = Annotated[timedelta, Field(gt=timedelta(0), le=timedelta(seconds=30))]
SiteName = Annotated[str, Field(pattern=r"^[a-z][a-z0-9-]*$")]


class SettingsError(Exception):
    """The settings cannot be used. `problems` holds one `file: key: expectation` line for each thing to mend."""

    def __init__(self, problems: tuple[str, ...]) -> None:
        super().__init__("\n".join(problems))
        self.problems = problems


class Table(BaseModel):
    """A table of a settings file: nothing in it may be unknown, nothing in it changes."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class Address(Table):
    """Where something listens, as seen from this process."""

    host: Annotated[str, Field(min_length=1)]
    port: Port


class Tuning(Table):
    """Bounds and deadlines; the defaults are those of the design."""

    sessions: Annotated[int, Field(ge=1, le=64)] = 8
    """Warm sessions per site, beside those of the barrier."""
    lanes: Annotated[int, Field(ge=1, le=16)] = 4
    """Barrier polls that may be under way at once, each on a session of its own, per site."""
    statement_deadline: Seconds = timedelta(seconds=0.4)
    late_answers: Annotated[timedelta, Field(ge=timedelta(0), le=timedelta(seconds=30))] = timedelta(seconds=1)
    """How long after its statement's deadline a warm session stays open, so that the late answer can be read, thrown away, and the session
    used again. Zero: it is shut at the deadline, and made anew."""
    connect_deadline: Seconds = timedelta(seconds=2)
    """Eight round trips, each up to a quarter of a second in noise. Connections are made ahead; nobody waits for one."""
    finder_interval: Seconds = timedelta(seconds=0.5)
    """Every site's node is asked so often who it is. It says itself when that changes; this is for what it could not say."""
    session_patience: Seconds = timedelta(seconds=0.1)
    """How long a request may wait for a free session before it is refused."""
    barrier_patience: Seconds = timedelta(seconds=0.1)
    """How long one poll may wait inside the database."""
    neighbour_patience: Seconds = timedelta(seconds=0.03)
    """How long the follower of one's own site may take to have a payment, before the writer's barrier is asked."""
    barrier_deadline: Seconds = timedelta(seconds=0.8)
    request_deadline: Seconds = timedelta(seconds=0.9)
    """Everything together; below the clients' own deadline, so that they hear `outcome-unknown` instead of nothing."""
    freshness: Seconds = timedelta(seconds=1)
    """Anything made durable within this time is proof enough that the write path works."""

    @model_validator(mode="after")
    def _deadlines_nest(self) -> Self:
        if self.statement_deadline > self.request_deadline:
            raise ValueError("statement_deadline must not exceed request_deadline")
        if self.barrier_patience >= self.barrier_deadline:
            raise ValueError("barrier_patience must be below barrier_deadline")
        return self


class DurableSettings(Table):
    """What every process of a service with a database needs to know."""

    site: SiteName
    listen: Address
    databases: Annotated[dict[SiteName, Address], Field(min_length=1)]
    """Every site's database, also the far ones: any of them may become the writer."""
    tuning: Tuning = Tuning()

    @model_validator(mode="after")
    def _home_is_listed(self) -> Self:
        if self.site not in self.databases:
            raise ValueError(f"databases must name this site too: [databases.{self.site}]")
        return self


S = TypeVar("S", bound=Table)


def read_settings(
    path: Path, shape: type[S], environ: Mapping[str, str], secrets: Mapping[str, str]
) -> tuple[S, Mapping[str, str]]:
    """The settings in `path`, and the values of the environment's variables that `secrets` names, with what each is for.

    Raises SettingsError with every problem at once.
    """
    problems = [f"environment: {name}: expected {what}" for name, what in secrets.items() if not environ.get(name)]
    try:
        settings = shape.model_validate(tomllib.loads(path.read_text(encoding="utf-8")))
    except OSError as error:
        problems.append(f"{path}: (file): expected a readable file: {error.strerror}")
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        problems.append(f"{path}: (file): expected TOML: {error}")
    except ValidationError as error:
        problems += _told(path, error)
    if problems:
        raise SettingsError(tuple(problems))
    return settings, {name: environ[name] for name in secrets}


def _told(path: Path, error: ValidationError) -> Sequence[str]:
    """One line for each thing that is wrong."""
    lines = []
    for item in error.errors(include_url=False, include_context=False):
        key = ".".join(str(part) for part in item["loc"] if part != "[key]") or "(file)"
        lines.append(f"{path}: {key}: {item['msg'].removeprefix('Value error, ')}")
    return lines
