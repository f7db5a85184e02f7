"""Founding as a plan: every statement, where, as whom, and how to see that it was done. Pure.

Each step may be repeated: its answer was lost, its session ended half-way, or somebody gave the command again. The last thing is the marker
of the first epoch: until it stands nobody has begun, and everything is looked at anew; once it stands nothing is founded again, because
by then somebody else may write.
"""

from collections.abc import Iterable, Iterator, Mapping
from importlib import resources

from controller.core import naming
from controller.core.model import Epoch, Site
from controller.errors import Refused
from controller.founding import administration
from controller.founding.ground import Ground, objections
from controller.founding.step import Dial, Login, Stage, Step, Wanted

FIRST = Epoch(1)


def plan(wanted: Wanted, grounds: Mapping[Site, Ground]) -> tuple[Stage, ...]:
    """What is to be done on these servers, as they were found. Raises Refused with every reason why nothing can be."""
    if reasons := list(objections(wanted.service, naming.control_role(wanted.service), wanted.writer, grounds)):
        raise Refused(
            guard="bootstrap",
            value="; ".join(reasons),
            limit="servers that are empty, or were begun by this command",
            way_out="Nothing was changed.",
        )
    if any(ground.within and ground.within.marked for ground in grounds.values()):
        return _stages(("accounts", _accounts(wanted, _present_writer(grounds))))
    followers = tuple(site for site in sorted(grounds) if site != wanted.writer)
    sites = (wanted.writer, *followers)
    return _stages(
        ("roles and databases", (step for site in sites for step in administration.steps(wanted, grounds[site]))),
        ("schemas", (step for site in sites for step in _schemas(wanted, site, followers))),
        ("slots", (step for site in sites for step in _slots(wanted, site, followers))),
        ("streams", (_stream(wanted, site) for site in followers)),
        ("spare subscriptions", (_spares(wanted, site, followers) for site in sites)),
        ("first epoch", (_marker(wanted),)),
        ("accounts", _accounts(wanted, wanted.writer)),
    )


def _stages(*named: tuple[str, Iterable[Step]]) -> tuple[Stage, ...]:
    made = tuple(Stage(name=name, steps=tuple(steps)) for name, steps in named)
    return tuple(stage for stage in made if stage.steps)


def _present_writer(grounds: Mapping[Site, Ground]) -> Site:
    """Who writes in the highest epoch; somebody does, or it would have been refused."""
    found = {site: ground.within.epoch for site, ground in grounds.items() if ground.within and ground.within.role == "writer"}
    return max(found, key=lambda site: found[site])


def _schemas(wanted: Wanted, site: Site, followers: tuple[Site, ...]) -> Iterator[Step]:
    service, publication = wanted.service, naming.publication(wanted.service)
    folder = resources.files("controller.postgres")
    scripts = [folder.joinpath(script).read_text(encoding="utf-8") for script in ("node.sql", "streams.sql")]
    yield _control(
        site,
        "node schema",
        # Each time: half of a fleet that was founded by one release, and half by the next, would differ in a function's text for ever.
        "\n".join([*scripts, grants(service)]),
    )
    published = f"CREATE PUBLICATION {publication} FOR TABLE {', '.join((*wanted.schema.tables, 'trimaran.marker'))}"
    yield _control(
        site,
        f"schema and publication of {service}",
        # Without TRUNCATE: a reseed empties a follower, and nobody who is attached to it later may follow it in that.
        f"{wanted.schema.script}\n{published} WITH (publish = 'insert, update, delete');",
        done=("SELECT 1 FROM pg_publication WHERE pubname = %s", (publication,)),
    )
    is_writer = site == wanted.writer
    # The first writer counts every follower from its first payment on.
    slots = [naming.stream(service, FIRST, site, follower) for follower in followers] if is_writer else []
    yield _control(
        site,
        f"{'writer' if is_writer else 'follower'} of epoch {FIRST}, pinned to this server",
        """INSERT INTO trimaran.node (service, site, role, epoch, ack_slots, system_identifier, timeline)
           SELECT %s, %s, %s, %s, %s, i.system_identifier, i.timeline FROM trimaran.identity() AS i ON CONFLICT DO NOTHING""",
        (service, site, "writer" if is_writer else "follower", FIRST, slots),
        done=("SELECT 1 FROM trimaran.node", ()),
    )


def grants(service: str) -> str:
    """What the service and the streams may do with the node schema."""
    app, stream = naming.app_role(service), naming.stream_role(service)
    called = "trimaran.identity(), trimaran.admit(), trimaran.guard(), trimaran.barrier()"
    # Default privileges of everything this role makes later in this database. With IN SCHEMA they would change nothing: what everybody may
    # do by default is granted globally, and privileges per schema can only add to that.
    lines = (
        f"GRANT USAGE ON SCHEMA trimaran TO {app}, {stream}",
        f"GRANT SELECT ON trimaran.node TO {app}",
        f"GRANT SELECT ON trimaran.marker TO {stream}",
        "REVOKE EXECUTE ON ALL FUNCTIONS IN SCHEMA trimaran FROM PUBLIC",
        "ALTER DEFAULT PRIVILEGES REVOKE EXECUTE ON FUNCTIONS FROM PUBLIC",
        f"GRANT EXECUTE ON FUNCTION {called}, trimaran.await_barrier(bigint, pg_lsn, interval) TO {app}",
    )
    return "".join(f"{line};\n" for line in lines)


def _slots(wanted: Wanted, site: Site, followers: tuple[Site, ...]) -> Iterator[Step]:
    """The writer's for its followers; a follower's spare ones for its siblings."""
    for other in followers:
        if other != site:
            name = naming.stream if site == wanted.writer else naming.spare_stream
            yield _slot(site, name(wanted.service, FIRST, site, other))


def _slot(site: Site, name: str) -> Step:
    """Done when it has a position: one that is still being made would get its first one behind the marker, and its follower would never
    see that."""
    return _control(
        site,
        f"slot {name}",
        """SELECT pg_create_logical_replication_slot(%s, 'pgoutput')
           WHERE NOT EXISTS (SELECT FROM pg_replication_slots WHERE slot_name = %s)""",
        (name, name),
        done=("SELECT 1 FROM pg_replication_slots WHERE slot_name = %s AND confirmed_flush_lsn IS NOT NULL", (name,)),
    )


def _stream(wanted: Wanted, follower: Site) -> Step:
    """Its server dials the writer's."""
    name = naming.stream(wanted.service, FIRST, wanted.writer, follower)
    return _control(
        follower,
        f"subscription {name}",
        "SELECT trimaran.follow(0, %s, %s, %s, false)",
        (FIRST, name, Dial(publisher=wanted.writer, stream=name)),
        done=("SELECT 1 FROM trimaran.subscriptions() WHERE name = %s AND enabled", (name,)),
    )


def _spares(wanted: Wanted, site: Site, followers: tuple[Site, ...]) -> Step:
    siblings = [other for other in followers if other != site]
    names = [naming.spare_stream(wanted.service, FIRST, sibling, site) for sibling in siblings]
    dialled = [Dial(publisher=sibling, stream=name) for sibling, name in zip(siblings, names, strict=True)]
    return _control(
        site,
        f"spare subscriptions {', '.join(names) or '(none)'}",
        "SELECT trimaran.keep_spares(%s, %s::text[], %s::text[])",
        (FIRST, names, dialled),
    )


def _marker(wanted: Wanted) -> Step:
    """The writer's first published transaction."""
    return _control(
        wanted.writer,
        f"epoch {FIRST} begins",
        """INSERT INTO trimaran.marker (id, kind, epoch, site) SELECT gen_random_uuid(), 'epoch', %s, %s
           WHERE NOT EXISTS (SELECT FROM trimaran.marker WHERE kind = 'epoch' AND epoch = %s)""",
        (FIRST, wanted.writer, FIRST),
        done=("SELECT 1 FROM trimaran.marker WHERE kind = 'epoch' AND epoch = %s", (FIRST,)),
    )


def _accounts(wanted: Wanted, writer: Site) -> Iterator[Step]:
    for account in wanted.canaries:
        yield _control(
            writer,
            f"account {account.id} for canaries",
            "SELECT ledger.open_account(%s, %s, 0, true)",
            (account.id, account.currency),
            done=("SELECT 1 FROM ledger.account WHERE id = %s", (account.id,)),
        )


def _control(
    site: Site, does: str, run: str, parameters: tuple[object, ...] = (), *, done: tuple[str, tuple[object, ...]] | None = None
) -> Step:
    return Step(site=site, login=Login.CONTROL, does=does, run=run, parameters=parameters, done=done)
