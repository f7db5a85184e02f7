"""`trimaran bootstrap`: from three empty databases of each service to a writer and its followers, from empty places to filled ones."""

import asyncio
import json
import os
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from controller.cli import bootstrap_secrets as secrets
from controller.cli.exits import Ended, Exit
from controller.cli.options import Json, leave
from controller.cli.settings import Environment, Organization, Outputs, Project

if TYPE_CHECKING:
    from controller.core.model import Site
    from controller.founding.doors import Administrator
    from controller.founding.step import Stage, Step, Wanted
    from controller.founding.visit import Door
    from controller.settings import ServiceSettings, Settings

SettingsFile = Annotated[Path, typer.Option("--settings", metavar="FILE", help="Settings of a controller, TOML.")]
Services = Annotated[
    list[str] | None,
    typer.Option("--service", metavar="NAME", help="Whose databases; again for each. Default: all of the settings."),
]
DryRun = Annotated[
    bool, typer.Option("--dry-run", help="Show every statement and every place that would be filled, and change nothing.")
]
Only = Annotated[
    Literal["databases", "secrets"] | None,
    typer.Option("--only", metavar="PART", help="databases or secrets. Default: databases; when stacks are named, both."),
]


def bootstrap(
    settings: SettingsFile,
    service: Services = None,
    only: Only = None,
    outputs: Outputs = None,
    environment: Environment = None,
    organization: Organization = "organization",
    project: Project = "trimaran",
    authority: secrets.AuthorityPlace = None,
    given: secrets.GivenPlace = None,
    renew: secrets.Renew = False,
    rotate: secrets.Rotate = None,
    replace: secrets.Replace = None,
    restarted: secrets.Restarted = False,
    dry_run: DryRun = False,
    as_json: Json = False,
) -> None:
    """Make roles, schemas, publications and streams on three empty databases, and fill the places for secrets that the sites' stacks
    made. The same command again goes on where it ended; a database that is not empty and not ours is refused, exit 3, and what is in a
    place stays there.

    In the environment: TRIMARAN_SERVICE_SITE_ADMINISTRATOR, "user=... password=..." of who may make roles there, and for each role
    TRIMARAN_SERVICE_ROLE_PASSWORD: control, stream, app, and of payments webhooks.
    """
    asked = secrets.Given(
        outputs=tuple(outputs or ()),
        environment=environment,
        organization=organization,
        project=project,
        authority=authority,
        given=given,
        renew=renew,
        rotate=tuple(rotate or ()),
        replace=tuple(replace or ()),
        restarted=restarted,
    )
    with _left_in_order(as_json=as_json):
        filling = _filling(settings, asked, only)
        orders = _orders(settings, service) if only != "secrets" else []
        with secrets.alone(None if dry_run else filling):
            told = asyncio.run(_told(orders, filling, dry_run=dry_run, quiet=as_json))
    _tell(told, dry_run=dry_run, as_json=as_json)


@contextmanager
def _left_in_order(*, as_json: bool) -> Iterator[None]:
    """Whatever stops it ends the command with a status and a line."""
    from controller.errors import Refused, SettingsError, TrimaranError

    try:
        yield
    except (SettingsError, ValueError) as error:
        leave(Ended(Exit.USAGE, str(error)), as_json=as_json)
    except Refused as refused:
        leave(Ended(Exit.REFUSED, str(refused)), as_json=as_json)
    except (TrimaranError, OSError) as error:
        leave(Ended(Exit.UNDONE, f"{error}. What is done stays done; the same command goes on from there."), as_json=as_json)
    except KeyboardInterrupt:
        leave(Ended(Exit.STOPPED, ""), as_json=as_json)


SECRETS = "secrets"
"""Beside the services' names in what is told."""


def _filling(settings: Path, asked: secrets.Given, only: str | None) -> secrets.Filling | None:
    """None: no secrets are filled. Raises Refused, SettingsError, ValueError."""
    if only != "databases" and asked.names_stacks:
        return secrets.prepared(settings, asked)
    if only == SECRETS:
        raise ValueError("--only secrets: expected --environment NAME, of live stacks, or --outputs STACK=FILE for each stack")
    if asked.unasked:
        raise ValueError(f"{', '.join(asked.unasked)}: about secrets, which need --environment NAME or --outputs STACK=FILE")
    return None


async def _told(orders: "list[_Order]", filling: secrets.Filling | None, *, dry_run: bool, quiet: bool) -> dict[str, Any]:
    """Whatever can refuse refuses before anything is changed."""
    wanted = await secrets.decided(filling) if filling is not None else ()
    told = await (_looked(orders) if dry_run else _founded(orders, quiet=quiet))
    if filling is not None:
        told[SECRETS] = secrets.shown(wanted) if dry_run else await secrets.filled(filling, wanted, quiet=quiet)
    return told


def _tell(told: Mapping[str, Any], *, dry_run: bool, as_json: bool) -> None:
    if as_json:
        print(json.dumps(told, indent=2))
    elif dry_run:
        _show(told)
    else:
        _sum_up(told)


def _sum_up(told: Mapping[str, Any]) -> None:
    for name, done in told.items():
        if name == SECRETS:
            print(
                f"{name}: {done['filled']} places filled, {done['replaced']} replaced, {done['found_filled']} were filled before"
            )
        else:
            print(f"{name}: {done['carried_out']} steps carried out, {done['found_done']} were done already")


@dataclass(frozen=True, slots=True, kw_only=True)
class _Order:
    """One service to be founded: what, where, and with which passwords."""

    wanted: "Wanted"
    doors: "Mapping[Site, Door]"
    passwords: Mapping[str, str] = field(repr=False)


def _orders(path: Path, named: list[str] | None) -> list[_Order]:
    """Every service that is asked for. Raises SettingsError with everything that is missing, ValueError."""
    from controller.errors import SettingsError, SettingsProblem
    from controller.founding.schemas import SCHEMAS
    from controller.settings import ENVIRONMENT, read_settings

    given = read_settings(path, os.environ)
    names = named or sorted(given.services)
    if unknown := [name for name in names if name not in given.services or name not in SCHEMAS]:
        known = ", ".join(sorted(given.services.keys() & SCHEMAS))
        raise ValueError(f"--service: expected of the settings' services one of {known}, not {', '.join(unknown)}")
    problems: list[SettingsProblem] = []

    def missing(variable: str, expected: str) -> None:
        problems.append(SettingsProblem(file=ENVIRONMENT, key=variable, expected=expected))

    orders = [_order(given, given.services[name], missing) for name in names]
    if problems:
        raise SettingsError(problems)
    return orders


def _order(given: "Settings", service: "ServiceSettings", missing: Any) -> _Order:
    import uuid

    from controller.founding.doors import doors
    from controller.founding.schemas import SCHEMAS
    from controller.founding.step import Account, Wanted
    from controller.settings import Canary, password_variable

    canary = service.canary
    accounts = (canary.debtor, canary.creditor) if isinstance(canary, Canary) else ()
    currency = canary.currency if isinstance(canary, Canary) else ""
    wanted = Wanted(
        schema=SCHEMAS[service.name](),
        writer=service.writer,
        canaries=tuple(Account(id=uuid.UUID(one), currency=currency) for one in accounts),
    )
    passwords = {}
    for role in wanted.roles:
        variable = password_variable(service.name, role.removeprefix(f"{service.name}_"))
        if not (found := os.environ.get(variable)):
            missing(variable, "the password that the role is to have; it is not set")
        passwords[role] = found or ""
    administrators = {site: _administrator(service.name, site, missing) for site in given.sites}
    return _Order(wanted=wanted, doors=doors(service, administrators), passwords=passwords)


def _administrator(service: str, site: str, missing: Any) -> "Administrator":
    from psycopg import ProgrammingError
    from psycopg.conninfo import conninfo_to_dict

    from controller.founding.doors import Administrator

    variable = f"TRIMARAN_{service}_{site}_ADMINISTRATOR".upper()
    try:
        told = conninfo_to_dict(os.environ.get(variable, ""))
    except ProgrammingError:
        told = {}
    if not told.get("user") or not told.get("password") or told.keys() - {"user", "password"}:
        missing(variable, '"user=... password=..." of who may make roles on that server')
    return Administrator(user=str(told.get("user", "")), password=str(told.get("password", "")))


async def _founded(orders: list[_Order], *, quiet: bool) -> dict[str, Any]:
    from controller.founding.found import found

    told: dict[str, Any] = {}
    for order in orders:
        service = order.wanted.service

        def tell(stage: "Stage", step: "Step", was_done: bool, service: str = service) -> None:
            line = f"{service} {step.site}: {step.does}{' (done already)' if was_done else ''}"
            print(line, file=sys.stderr if quiet else sys.stdout, flush=True)

        outcome = await found(order.wanted, order.doors, order.passwords, tell)
        told[service] = {"carried_out": outcome.carried_out, "found_done": outcome.found_done}
    return told


async def _looked(orders: list[_Order]) -> dict[str, Any]:
    from controller.founding.found import look

    return {
        order.wanted.service: [
            {"stage": stage.name, "site": step.site, "login": str(step.login), "does": step.does, "sql": _shown(step)}
            for stage, step in await look(order.wanted, order.doors, order.passwords)
        ]
        for order in orders
    }


def _shown(step: "Step") -> str:
    """The statement with its parameters. A plan has no secret in it: passwords are put in where statements are sent."""
    return step.run + (f"\n-- with {', '.join(map(str, step.parameters))}" if step.parameters else "")


def _show(told: Mapping[str, Any]) -> None:
    for name, steps in told.items():
        for step in steps:
            if name == SECRETS:
                print(f"-- {name} {step['site']}:{step['place']}: {step['deed']}: {step['from']}")
            else:
                print(f"-- {name} {step['site']}, as {step['login']}: {step['does']}\n{step['sql'].rstrip(';')};\n")
        done = all(step.get("deed") == "leave" for step in steps)
        print(
            f"-- {name}: nothing is left to be done"
            if done
            else f"-- {name}: {len(steps)} {'places' if name == SECRETS else 'steps'}"
        )
