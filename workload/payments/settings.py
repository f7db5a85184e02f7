"""Reads the settings file and the environment once, into frozen values; reports every problem at once.

Durations in the file are seconds.
"""

import tomllib
from collections.abc import Mapping
from datetime import timedelta
from pathlib import Path
from typing import Annotated, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

PASSWORD_VARIABLE = "PAYMENTS_APP_PASSWORD"

Port = Annotated[int, Field(ge=1, le=65535)]
Seconds = Annotated[timedelta, Field(gt=timedelta(0), le=timedelta(seconds=30))]
SiteName = Annotated[str, Field(pattern=r"^[a-z][a-z0-9-]*$")]


class SettingsError(Exception):
    """The settings cannot be used. `problems` holds one `file: key: expectation` line for each thing to mend."""

    def __init__(self, problems: tuple[str, ...]) -> None:
        super().__init__("\n".join(problems))
        self.problems = problems


class _Table(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Address(_Table):
    """Where something listens, as seen from this process."""

    host: Annotated[str, Field(min_length=1)]
    port: Port


class Tuning(_Table):
    """Bounds and deadlines; the defaults are those of the design."""

    sessions: Annotated[int, Field(ge=1, le=64)] = 8
    """Warm payment sessions per site."""
    lanes: Annotated[int, Field(ge=1, le=16)] = 4
    """Barrier polls that may be under way at once, each on a session of its own, per site."""
    statement_deadline: Seconds = timedelta(seconds=0.4)
    connect_deadline: Seconds = timedelta(seconds=2)
    """Eight round trips, each up to a quarter of a second in noise. Connections are made ahead; nobody waits for one."""
    finder_interval: Seconds = timedelta(seconds=0.075)
    session_patience: Seconds = timedelta(seconds=0.1)
    """How long a request may wait for a free session before it is refused."""
    barrier_patience: Seconds = timedelta(seconds=0.1)
    """How long one poll may wait inside the database."""
    neighbour_patience: Seconds = timedelta(seconds=0.03)
    """How long the follower of one's own site may take to have a payment, before the writer's barrier is asked."""
    barrier_deadline: Seconds = timedelta(seconds=0.8)
    request_deadline: Seconds = timedelta(seconds=0.9)
    """Everything together; below the clients' own deadline, so that they hear `outcome-unknown` instead of nothing."""
    max_in_flight: Annotated[int, Field(ge=1, le=10_000)] = 256
    freshness: Seconds = timedelta(seconds=1)
    """A payment made durable within this time is proof enough that the write path works."""

    @model_validator(mode="after")
    def _deadlines_nest(self) -> Self:
        if self.statement_deadline > self.request_deadline:
            raise ValueError("statement_deadline must not exceed request_deadline")
        if self.barrier_patience >= self.barrier_deadline:
            raise ValueError("barrier_patience must be below barrier_deadline")
        return self


class Settings(_Table):
    """Everything one process of the payments service needs to know, except its password."""

    site: SiteName
    service: Literal["payments"]
    listen: Address
    databases: Annotated[dict[SiteName, Address], Field(min_length=1)]
    """Every site's database, also the far ones: any of them may become the writer."""
    tuning: Tuning = Tuning()

    @model_validator(mode="after")
    def _home_is_listed(self) -> Self:
        if self.site not in self.databases:
            raise ValueError(f"databases must name this site too: [databases.{self.site}]")
        return self


def read_settings(path: Path, environ: Mapping[str, str]) -> tuple[Settings, str]:
    """The settings in `path` and the password in the environment. Raises SettingsError with every problem at once."""
    problems: list[str] = []
    password = environ.get(PASSWORD_VARIABLE, "")
    if not password:
        problems.append(f"environment: {PASSWORD_VARIABLE}: expected the password of the role payments_app")
    try:
        content = tomllib.loads(path.read_text(encoding="utf-8"))
        settings = Settings.model_validate(content)
    except OSError as error:
        problems.append(f"{path}: (file): expected a readable file: {error.strerror}")
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        problems.append(f"{path}: (file): expected TOML: {error}")
    except ValidationError as error:
        for item in error.errors(include_url=False, include_context=False):
            key = ".".join(str(part) for part in item["loc"] if part != "[key]") or "(file)"
            problems.append(f"{path}: {key}: {item['msg'].removeprefix('Value error, ')}")
    if problems:
        raise SettingsError(tuple(problems))
    return settings, password
