"""`trimaran schema ...`: what a service's tables are, how they change, and what is removed from them.

They reach the databases themselves, by a controller's settings and the passwords in the environment; the controllers need not be asked:
each database refuses what would be wrong on it.
"""

import asyncio
import json
import os
import sys
from collections.abc import Awaitable, Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, TypeVar

import typer

from controller.cli.exits import Ended, Exit
from controller.cli.options import Json, leave

if TYPE_CHECKING:
    from controller.settings import Settings
    from workload.schema.migration import Migration
    from workload.schema.node import Door, NodeSession

T = TypeVar("T")

app = typer.Typer(help="A service's tables: migrations, fingerprints, labels.", no_args_is_help=True)

SettingsFile = Annotated[Path, typer.Option("--settings", metavar="FILE", help="Settings of a controller, TOML.")]
ServiceName = Annotated[str, typer.Option("--service", metavar="NAME", help="Whose tables.")]
Package = Annotated[
    str | None, typer.Option("--package", metavar="NAME", help="Whose migrations, when the service bears another name.")
]
UpTo = Annotated[int | None, typer.Option("--up-to", metavar="NUMBER", min=1, help="The last one to be carried out.")]
Places = Annotated[
    list[str] | None, typer.Option("--place", metavar="SITE=PLACE", help="Where a site is, when its region's name does not tell.")
]


@app.callback()
def _group() -> None:
    """A service's tables."""


@app.command()
def plan(settings: SettingsFile, service: ServiceName, package: Package = None, as_json: Json = False) -> None:
    """Show what is pending, in which order it would reach the nodes, and what holds it back. Changes nothing."""

    async def work(nodes: "Mapping[str, NodeSession]", migrations: "tuple[Migration, ...]", sites: frozenset[str]) -> Any:
        from workload.schema import outlook, rollout, rules
        from workload.schema.step import Pace

        rules.check(migrations, service)
        states = await rollout.look(nodes, Pace())
        refusals = [*outlook.objections(migrations, states, sites)]
        if not refusals:
            refusals += [one for pending in outlook.pending(migrations, states) for one in outlook.unseeded(pending, states)]
        steps = [
            {"file": one.file, "statement": index + 1, "of": len(one.statements), "site": site}
            for one, index, site in outlook.steps(migrations, states, sites)
        ]
        return {"steps": steps, "refusals": list(map(str, refusals))}

    told = _with_nodes(settings, service, package, work, as_json=as_json)
    if as_json:
        print(json.dumps(told, indent=2))
        return
    for step in told["steps"]:
        print(f"{step['file']} {step['statement']}/{step['of']} {step['site']}")
    print("\n".join(told["refusals"]) or (f"{len(told['steps'])} steps" if told["steps"] else "nothing is pending"))


@app.command()
def apply(
    settings: SettingsFile, service: ServiceName, package: Package = None, up_to: UpTo = None, as_json: Json = False
) -> None:
    """Carry out what is pending: additions on followers first, removals on the writer first.

    Begun again after anything that stopped it, it goes on where the nodes stand.
    """

    def tell(line: str) -> None:
        print(line, file=sys.stderr if as_json else sys.stdout, flush=True)

    async def work(nodes: "Mapping[str, NodeSession]", migrations: "tuple[Migration, ...]", sites: frozenset[str]) -> Any:
        from workload.schema.rollout import Rollout

        rollout = Rollout(service=service, sites=sites, nodes=nodes, migrations=migrations, tell=tell)
        return {"applied": list(await rollout.apply(up_to))}

    told = _with_nodes(settings, service, package, work, as_json=as_json)
    print(json.dumps(told, indent=2) if as_json else f"{len(told['applied'])} migrations carried out")


@app.command()
def status(settings: SettingsFile, service: ServiceName, package: Package = None, as_json: Json = False) -> None:
    """Show each node's fingerprint, migrations, versions in use, and what it has otherwise than the writer."""

    async def work(nodes: "Mapping[str, NodeSession]", migrations: "tuple[Migration, ...]", sites: frozenset[str]) -> Any:
        from workload.schema import outlook, rollout
        from workload.schema.step import Pace

        states = await rollout.look(nodes, Pace())
        uses, differing = outlook.uses_of(tuple(states.values())), outlook.differences(states)
        return {
            "sites": {
                site: {
                    "role": states[site].role,
                    "fingerprint": states[site].fingerprint,
                    "done": {one.file: f"{states[site].done(one.number)}/{len(one.statements)}" for one in migrations},
                    "differs": list(differing.get(site, ())),
                }
                if site in states
                else None
                for site in sorted(sites)
            },
            "versions_in_use": sorted(uses.versions),
            "of_unknown_version": sorted(uses.unknown),
        }

    told = _with_nodes(settings, service, package, work, as_json=as_json)
    if as_json:
        print(json.dumps(told, indent=2))
        return
    for site, said in told["sites"].items():
        if said is None:
            print(f"{site}: no answer")
            continue
        print(f"{site}: {said['role']}, schema {said['fingerprint']}")
        for name, done in said["done"].items():
            print(f"  {name} {done}")
        for line in said["differs"]:
            print(f"  {line.splitlines()[0]}")
    print(f"versions in use: {', '.join(map(str, told['versions_in_use'])) or 'none seen'}")
    if told["of_unknown_version"]:
        print(f"sessions that tell no version: {', '.join(told['of_unknown_version'])}")


@app.command()
def labels(
    settings: SettingsFile, service: ServiceName, package: Package = None, place: Places = None, as_json: Json = False
) -> None:
    """Show what every table holds, how long and where it may lie; exit 3 when a table says nothing or lies where it may not."""
    places = _places(_settings(settings, as_json=as_json), place or [], as_json=as_json)

    async def work(nodes: "Mapping[str, NodeSession]", migrations: "tuple[Migration, ...]", sites: frozenset[str]) -> Any:
        from workload.schema import retention
        from workload.schema.labels import astray, unplaced
        from workload.schema.outlook import writer_of
        from workload.schema.rollout import look
        from workload.schema.step import Pace

        writer = writer_of(await look(nodes, Pace())).site
        found = await retention.labels(nodes[writer], retention.Pace())
        return {
            table: label
            and {
                "retention_days": label.retention.days if label.retention else None,
                "by": label.by,
                "residency": sorted(label.residency),
                "contains": str(label.contains),
                "said": label.said,
                "astray": astray(label, places),
                "unplaced": unplaced(label, sites, places),
            }
            for table, label in found.items()
        }

    told = _with_nodes(settings, service, package, work, as_json=as_json)
    if as_json:
        print(json.dumps(told, indent=2))
    for table, label in told.items() if not as_json else ():
        print(f"{table}: {_label(label)}")
    if any(label is None or label["astray"] for label in told.values()):
        raise typer.Exit(Exit.REFUSED)


@app.command()
def retain(settings: SettingsFile, service: ServiceName, package: Package = None, as_json: Json = False) -> None:
    """Remove rows that were kept long enough, on the writer, a few at a time."""

    def tell(line: str) -> None:
        print(line, file=sys.stderr if as_json else sys.stdout, flush=True)

    async def work(nodes: "Mapping[str, NodeSession]", migrations: "tuple[Migration, ...]", sites: frozenset[str]) -> Any:
        from workload.schema import retention
        from workload.schema.outlook import writer_of
        from workload.schema.rollout import look
        from workload.schema.step import Pace

        writer = writer_of(await look(nodes, Pace())).site
        return {"removed": dict(await retention.carry_out(nodes[writer], retention.Pace(), tell))}

    told = _with_nodes(settings, service, package, work, as_json=as_json)
    if as_json:
        print(json.dumps(told, indent=2))


def _with_nodes(
    settings: Path,
    service: str,
    package: str | None,
    work: "Callable[[Mapping[str, NodeSession], tuple[Migration, ...], frozenset[str]], Awaitable[T]]",
    *,
    as_json: bool,
) -> T:
    """Do one command's work with a session at every node that answers; an end becomes its line and its exit status."""
    from workload.schema import rollout
    from workload.schema.errors import Refused, SchemaError, Unfit
    from workload.schema.migration import read_migrations
    from workload.schema.step import Pace

    async def run() -> T:
        migrations = read_migrations(package or service, service)
        async with rollout.sessions(doors, service, Pace()) as nodes:
            return await work(nodes, migrations, frozenset(door.site for door in doors))

    doors = _doors(_settings(settings, as_json=as_json), service, as_json=as_json)
    try:
        return asyncio.run(run())
    except Unfit as error:
        leave(Ended(Exit.USAGE, str(error)), as_json=as_json)
    except Refused as error:
        leave(Ended(Exit.REFUSED, str(error)), as_json=as_json)
    except SchemaError as error:
        leave(Ended(Exit.UNDONE, f"{error}. What is done stays done; the same command goes on from there."), as_json=as_json)
    except KeyboardInterrupt:
        leave(Ended(Exit.STOPPED, ""), as_json=as_json)


def _settings(path: Path, *, as_json: bool) -> "Settings":
    from controller.errors import SettingsError
    from controller.settings import read_settings

    try:
        return read_settings(path, os.environ)
    except SettingsError as error:
        leave(Ended(Exit.USAGE, str(error)), as_json=as_json)


def _doors(given: "Settings", service: str, *, as_json: bool) -> "tuple[Door, ...]":
    """Every node of the service, as its owner reaches it from here."""
    from psycopg.conninfo import make_conninfo

    from controller.core import naming
    from workload.schema.node import Door

    if service not in given.services:
        known = ", ".join(sorted(given.services))
        leave(Ended(Exit.USAGE, f"--service: expected one of the settings' services: {known}"), as_json=as_json)
    found = given.services[service]
    return tuple(
        Door(
            site=str(site),
            conninfo=make_conninfo(
                one.options,
                host=one.host,
                port=one.port,
                dbname=naming.database(service),
                user=naming.control_role(service),
                password=found.control_password,
            ),
        )
        for site, one in sorted(found.databases.items())
    )


def _places(given: "Settings", named: list[str], *, as_json: bool) -> Mapping[str, str]:
    """Where the sites are, as far as it is known: what was said here, else what the region's name tells."""
    from workload.schema.labels import place_of

    clouds = given.clouds
    regions = {"aws": clouds.aws.region if clouds.aws else None, "gcp": clouds.gcp.region if clouds.gcp else None}
    try:
        said = pairs(named, "--place SITE=PLACE")
    except ValueError as error:
        leave(Ended(Exit.USAGE, str(error)), as_json=as_json)
    return {str(site): said.get(str(site)) or place_of(regions.get(seen.cloud or "")) for site, seen in given.sites.items()}


def pairs(given: list[str], form: str) -> Mapping[str, str]:
    """What an option that is given again and again says, each time `NAME=VALUE`. Raises ValueError."""
    found = dict(item.split("=", 1) for item in given if "=" in item)
    if len(found) < len(given) or not all(name and value for name, value in found.items()):
        raise ValueError(f"{form}: expected each once, a name and a value")
    return found


def _label(label: Mapping[str, Any] | None) -> str:
    if label is None:
        return "NO LABEL"
    kept = f"{label['retention_days']} days by {label['by']}" if label["retention_days"] else "for ever, or as its service says"
    where = "" if not label["astray"] else f"; LIES AT {', '.join(label['astray'])}"
    unknown = "" if not label["unplaced"] else f"; nobody said where {', '.join(label['unplaced'])} is"
    return f"{label['contains']}, kept {kept}, in {', '.join(label['residency'])}{where}{unknown}"
