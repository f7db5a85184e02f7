"""`python -m workload.webhooks register`: where an account's events go, said once and kept by more than one cloud before it is answered.

A registration that is lost makes no noise: its merchant's payments make no event from then on, and who is to be told is read from the
very table that lacks the row. So it is acknowledged as a payment is, by the barrier, and never by a COMMIT alone.
"""

import argparse
import asyncio
import logging
import sys
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from enum import IntEnum
from pathlib import Path
from uuid import UUID

import structlog
from yarl import URL

from workload.durable.answers import Answers
from workload.durable.database import Database, Tenant
from workload.durable.errors import NothingHappened, Rejected, Unanswered
from workload.durable.evidence import Reign
from workload.durable.settings import SettingsError, read_settings
from workload.metrics import ServiceMetrics
from workload.webhooks.addresses import objection
from workload.webhooks.outbox import write
from workload.webhooks.settings import Settings
from workload.webhooks.signing import SecretsError, read_secrets

VERB = "register"
REGISTER = "SELECT epoch, system_identifier, timeline FROM outbox.register(%s, %s, %s, %s)"
PASSWORD_VARIABLE = "TRIMARAN_PAYMENTS_CONTROL_PASSWORD"  # noqa: S105  the name of a variable, not a password
PAUSE = timedelta(seconds=0.2)
"""Between two attempts."""


class Exit(IntEnum):
    """How the command ended; the numbers mean what they mean of `trimaran`."""

    DONE = 0
    USAGE = 2
    REFUSED = 3
    NOBODY = 4
    UNKNOWN = 6


@dataclass(frozen=True, slots=True, kw_only=True)
class Endpoint:
    """Where an account's events go."""

    account: UUID
    url: str
    secret: str
    """Name of the secret that signs."""
    is_enabled: bool
    """False: events are recorded and wait."""


class Unkept(Exception):
    """The order is not known to be durable when its time is over. The message says what was seen last."""

    def __init__(self, why: str, status: Exit) -> None:
        super().__init__(why)
        self.status = status


async def register(
    answers: Answers,
    endpoint: Endpoint,
    *,
    within: timedelta,
    monotonic: Callable[[], float] = time.monotonic,
    rest: Callable[[float], Awaitable[None]] = asyncio.sleep,
) -> Reign:
    """Returns when it is durable, with the reign that keeps it; tries again until then, because the same order twice is one. Raises Unkept
    after `within`, and at once when the database refuses the order as it is."""
    end, status = monotonic() + within.total_seconds(), Exit.NOBODY
    while True:
        try:
            values = (endpoint.account, endpoint.url, endpoint.secret, endpoint.is_enabled)
            return (await write(answers, REGISTER, values))[0]
        except Rejected as error:
            raise Unkept(str(error), Exit.REFUSED if status is Exit.NOBODY else status) from error
        except Unanswered as error:
            if not isinstance(error, NothingHappened):
                status = Exit.UNKNOWN
            if monotonic() >= end:
                raise Unkept(str(error), status) from error
        await rest(PAUSE.total_seconds())


def owners_database(settings: Settings, password: str, service: str | None = None) -> Database:
    """The service's databases as the role that owns the tables reaches them, not yet running. The dispatcher's own login cannot do this:
    whoever takes a dispatcher over must not be able to send a merchant's news somewhere else."""
    name = service or settings.service
    tenant = Tenant(
        service=name,
        password=password,
        role=f"{name}_control",
        name="webhooks-register",
        await_held="SELECT '{}'::uuid[]",
    )
    return Database(settings, tenant, ServiceMetrics("webhooks"))


def problem(settings: Settings, endpoint: Endpoint) -> str | None:
    """What speaks against this order before anybody is asked; None: nothing. Raises SecretsError."""
    try:
        found = objection(URL(endpoint.url), plain_http=settings.plain_http)
    except ValueError:
        return "--url: expected a URL"
    if found is not None:
        return f"--url: {found}"
    if endpoint.secret not in read_secrets(settings.secrets):
        return f"--secret: there is no secret {endpoint.secret} in {settings.secrets}: every event would wait"
    return None


def main(argv: Sequence[str], environ: Mapping[str, str]) -> Exit:
    """Carry the order out and tell of it in one line."""
    status, line = _ordered(argv, environ)
    print(line, file=sys.stderr if status else sys.stdout)
    return status


def _ordered(argv: Sequence[str], environ: Mapping[str, str]) -> tuple[Exit, str]:
    given = _parser().parse_args(argv)
    endpoint = Endpoint(account=given.account, url=given.url, secret=given.secret, is_enabled=not given.hold)
    try:
        settings, secrets = read_settings(
            given.settings, Settings, environ, {PASSWORD_VARIABLE: "the password of the role payments_control"}
        )
        wrong = problem(settings, endpoint)
    except (SettingsError, SecretsError) as error:
        wrong = str(error)
    if wrong is not None:
        return Exit.USAGE, wrong
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.WARNING))
    try:
        reign = asyncio.run(_carry_out(settings, secrets[PASSWORD_VARIABLE], endpoint, timedelta(seconds=given.timeout)))
    except Unkept as error:
        return error.status, f"{SAID[error.status]}: {error}"
    goes = f"events go to {endpoint.url}" if endpoint.is_enabled else "events are recorded, and not sent"
    return Exit.DONE, f"{endpoint.account}: {goes}; {reign.site} keeps it in epoch {reign.epoch}, and another cloud too"


SAID: Mapping[Exit, str] = {
    Exit.REFUSED: "refused, nothing was changed",
    Exit.NOBODY: "nothing was changed, try again",
    Exit.UNKNOWN: "not known to be kept: it may be, or be lost with the writer; the same order again settles it",
}


async def _carry_out(settings: Settings, password: str, endpoint: Endpoint, within: timedelta) -> Reign:
    database = owners_database(settings, password)
    async with database.running():
        return await register(database.answers, endpoint, within=within)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog=f"python -m workload.webhooks {VERB}",
        description="Say where an account's events go. Answers when more than one cloud has it.",
    )
    parser.add_argument("--settings", type=Path, required=True, metavar="FILE", help="those of a dispatcher")
    parser.add_argument("--account", type=UUID, required=True, metavar="UUID")
    parser.add_argument("--url", required=True)
    parser.add_argument(
        "--secret", required=True, metavar="NAME", help="of the secret in the dispatchers' files, never the secret"
    )
    parser.add_argument("--hold", action="store_true", help="record events, and send none until it is registered without this")
    parser.add_argument("--timeout", type=float, default=10.0, metavar="SECONDS")
    return parser
