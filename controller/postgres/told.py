"""A server's JSON, understood as facts. Raises LookupError, TypeError or ValueError for what cannot be."""

from collections.abc import Mapping
from datetime import timedelta
from typing import Any

from controller.core.checkup.facts import Ledger, Login, Override, Parameter, Rights, Server, Streams, Table, Tap
from controller.core.model import NodeFacts, Site
from controller.postgres.database import understood

Said = Mapping[str, Any]


def server(said: Said, *, cloud: str | None, system: str | None, offset: timedelta, uncertainty: timedelta) -> Server:
    """One server."""
    tls = said["tls"] or {}
    return Server(
        cloud=cloud,
        version=int(said["version"]),
        parameters={
            name: Parameter(value=str(one["value"]), restarts=bool(one["restarts"]), pending=bool(one["pending"]))
            for name, one in said["parameters"].items()
        },
        overrides=tuple(Override(role=one["role"], name=one["name"], value=one["value"]) for one in said["overrides"]),
        system=system,
        offset=offset,
        uncertainty=uncertainty,
        encrypted=tls.get("encrypted"),
        tls=str(tls.get("version") or ""),
        slots=int(said["slots"]),
        senders=int(said["senders"]),
        workers=int(said["workers"]),
        connections=None if said["connections"] is None else int(said["connections"]),
    )


def rights(said: Said, *, stream: str, app: str) -> Rights:
    """Who may do what."""
    return Rights(
        user=str(said["user"]),
        superuser=bool(said["superuser"]),
        lacks=tuple(said["lacks"]),
        stream=_login(stream, said["roles"].get(stream)),
        app=_login(app, said["roles"].get(app)),
    )


def _login(name: str, said: Said | None) -> Login | None:
    if said is None:
        return None
    return Login(
        name=name,
        login=bool(said["login"]),
        superuser=bool(said["superuser"]),
        replication=bool(said["replication"]),
        connects=bool(said["connects"]),
        powers=tuple(said["powers"]),
        lacks=tuple(said["lacks"]),
        reads_by_default=bool(said["reads"]),
    )


def ledger(said: Said) -> Ledger:
    """What is published."""
    publication = said["publication"]
    operations = ("insert", "update", "delete", "truncate")
    return Ledger(
        published=publication is not None,
        all_tables=publication is not None and bool(publication["all_tables"]),
        operations=frozenset(one for one in operations if publication is not None and publication[one]),
        tables=tuple(
            Table(
                name=str(one["name"]),
                identity=str(one["identity"]),
                key=bool(one["key"]),
                guarded=bool(one["guarded"]),
                numbered=tuple(one["numbered"]),
                narrowed=bool(one["narrowed"]),
            )
            for one in said["tables"]
        ),
    )


def node(site: Site, said: Any) -> NodeFacts | None:
    """Who the node says it is; None: its row is not there yet."""
    return None if said is None else understood(site, [[(said,)]])


def streams(said: Said) -> Streams:
    """What replication runs with."""
    senders = said["senders"]
    return Streams(
        taps=tuple(
            Tap(
                name=str(one["name"]),
                synchronous_commit=str(one["synchronous_commit"]),
                origin=str(one["origin"]),
                streaming=str(one["streaming"]),
                errors=int(one["errors"]),
            )
            for one in said["taps"]
        ),
        spares=frozenset(map(str, said["spares"])),
        plain=tuple(sorted(str(one["name"]) for one in senders if one["encrypted"] is False)),
        unseen=tuple(sorted(str(one["name"]) for one in senders if one["encrypted"] is None)),
        sent=len(senders),
    )
