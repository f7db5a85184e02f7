"""What must exist before the first epoch: roles, the database, the node schema, the first streams.

Split by who may do it. `admin_statements` need the vendor's administrator once (in the clouds the Pulumi program's role); everything
else is done by the control role, which owns the database and has no more than the vendors allow.
"""

from collections.abc import Mapping
from datetime import timedelta
from importlib import resources

from psycopg import sql

from controller.core import naming
from controller.core.model import Epoch, Site
from controller.postgres.errors import translated
from controller.postgres.node import Node
from controller.postgres.session import Statement
from controller.postgres.slots import keep_spares

FIRST = Epoch(1)


def admin_statements(service: str, passwords: Mapping[str, str]) -> tuple[sql.Composed, ...]:
    """Roles and database of a service, for the administrator; passwords by role name. Whoever is named beside the three roles of every
    service is a login of another process of it, which may connect and then has what the service's own schema grants it.

    Logins of processes read by default on every node and write only by saying BEGIN READ WRITE: a courtesy to people with
    psql, no fence. Their transactions may not idle: one that is cut off half-way would hold up a fence.
    """
    app, control, stream = naming.app_role(service), naming.control_role(service), naming.stream_role(service)
    processes = (app, *sorted(passwords.keys() - {app, control, stream}))

    def role(name: str, attributes: str) -> sql.Composed:
        text = sql.SQL("CREATE ROLE {} LOGIN PASSWORD {} " + attributes)
        return text.format(sql.Identifier(name), sql.Literal(passwords[name]))

    def bound(setting: str) -> tuple[sql.Composed, ...]:
        return tuple(sql.SQL("ALTER ROLE {} SET " + setting).format(sql.Identifier(name)) for name in processes)

    database = sql.Identifier(naming.database(service))
    connecting = sql.SQL(", ").join(map(sql.Identifier, (*processes, stream)))
    return (
        *(role(name, "") for name in processes),
        role(control, "REPLICATION IN ROLE pg_create_subscription, pg_signal_backend, pg_monitor"),
        role(stream, "REPLICATION"),
        *bound("default_transaction_read_only = on"),
        *bound("idle_in_transaction_session_timeout = '1s'"),
        sql.SQL("CREATE DATABASE {} OWNER {}").format(database, sql.Identifier(control)),
        sql.SQL("REVOKE ALL ON DATABASE {} FROM PUBLIC").format(database),
        sql.SQL("GRANT CONNECT ON DATABASE {} TO {}").format(database, connecting),
    )


def admin_grants(service: str) -> tuple[sql.Composed, ...]:
    """Rights inside the service's database that only its vendor's administrator can give; the clouds give them to their admin role."""
    control = sql.Identifier(naming.control_role(service))
    return tuple(
        sql.SQL("GRANT EXECUTE ON FUNCTION pg_catalog.{} TO {}").format(sql.SQL(function), control)
        for function in ("pg_replication_origin_progress(text, boolean)",)
    )


async def install_node(node: Node) -> None:
    """Node schema and steps; may be repeated after an upgrade. Run before the service's own schema."""
    folder = resources.files("controller.postgres")
    for script in ("node.sql", "streams.sql"):
        await _script(node, folder.joinpath(script).read_text())
    await node.run("grant", *grants(node.service))


def grants(service: str) -> tuple[Statement, ...]:
    """What the service and the streams may do with the node schema."""
    app, stream = naming.app_role(service), naming.stream_role(service)
    return (
        (f"GRANT USAGE ON SCHEMA trimaran TO {app}, {stream}", ()),
        (f"GRANT SELECT ON trimaran.node TO {app}", ()),
        (f"GRANT SELECT ON trimaran.marker TO {stream}", ()),
        ("REVOKE EXECUTE ON ALL FUNCTIONS IN SCHEMA trimaran FROM PUBLIC", ()),
        # Of everything this role makes later in this database. With IN SCHEMA it would change nothing: what everybody may do by
        # default is granted globally, and privileges per schema can only add to that.
        ("ALTER DEFAULT PRIVILEGES REVOKE EXECUTE ON FUNCTIONS FROM PUBLIC", ()),
        (
            "GRANT EXECUTE ON FUNCTION trimaran.identity(), trimaran.admit(), trimaran.guard(), trimaran.barrier(),"
            f" trimaran.await_barrier(bigint, pg_lsn, interval) TO {app}",
            (),
        ),
    )


async def install_service(node: Node, schema: str, tables: tuple[str, ...]) -> None:
    """The service's own schema, and the publication of its tables with the markers. TRUNCATE is left out on purpose: a reseed
    empties a follower, and nobody who is attached to it later may follow it in that."""
    await _script(node, schema)
    listed = ", ".join((*tables, "trimaran.marker"))
    name = naming.publication(node.service)
    rows = await node.run("publish", ("SELECT 1 FROM pg_publication WHERE pubname = %s", (name,)))
    if not rows[0]:
        publish = "publish = 'insert, update, delete'"
        await node.run("publish", (f"CREATE PUBLICATION {name} FOR TABLE {listed} WITH ({publish})", ()))


async def found_node(node: Node, *, writer: Site, followers: frozenset[Site]) -> None:
    """Give the node its first role. The first writer counts every follower from its first payment on."""
    is_writer = node.site == writer
    slots = [node.slot_for(FIRST, follower) for follower in sorted(followers)] if is_writer else []
    await node.run(
        "found",
        (
            """INSERT INTO trimaran.node (service, site, role, epoch, ack_slots, system_identifier, timeline)
               SELECT %s, %s, %s, %s, %s, i.system_identifier, i.timeline FROM trimaran.identity() AS i
               ON CONFLICT DO NOTHING""",
            (node.service, node.site, "writer" if is_writer else "follower", FIRST, slots),
        ),
    )


async def found_streams(nodes: Mapping[Site, Node], *, writer: Site) -> None:
    """First streams and spare slots, on empty ledgers: slots on the writer, subscriptions, spare slots, then the first marker."""
    followers = sorted(site for site in nodes if site != writer)
    create = "SELECT pg_create_logical_replication_slot(%s, 'pgoutput')"
    for follower in followers:
        await nodes[writer].run("found", (create, (nodes[writer].slot_for(FIRST, follower),)))
    for holder in followers:
        for sibling in followers:
            if sibling != holder:
                spare = naming.spare_stream(nodes[holder].service, FIRST, holder, sibling)
                await nodes[holder].run("found", (create, (spare,)))
    for follower in followers:
        node = nodes[follower]
        stream = node.stream_from(FIRST, writer)
        conninfo = node.publishers[writer].conninfo(application_name=stream, connect_timeout=2)
        await node.run("found", ("SELECT trimaran.follow(0, %s, %s, %s, false)", (FIRST, stream, conninfo)))
    await nodes[writer].run(
        "found",
        (
            "INSERT INTO trimaran.marker (id, kind, epoch, site) VALUES (gen_random_uuid(), 'epoch', %s, %s)",
            (FIRST, writer),
        ),
    )
    for site, node in nodes.items():
        await keep_spares(node, FIRST, frozenset(followers) - {site})


async def _script(node: Node, text: str) -> None:
    with translated(node.site, "install"):
        async with node.sessions.lease() as session:
            await session.run_script(text, timedelta(seconds=30))
