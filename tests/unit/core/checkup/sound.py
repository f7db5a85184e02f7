"""Three databases of one service, as they should be, to be spoilt one thing at a time."""

from dataclasses import replace
from datetime import timedelta

from controller.core import naming
from controller.core.checkup.facts import Database, Door, Ledger, Login, Parameter, Rights, Server, Streams, Table, Tap
from controller.core.checkup.parameters import RULES
from controller.core.model import Epoch, Lsn, NodeFacts, Role, Site, Slot, Subscription, Token

AWS, AZURE, GCP = SITES = (Site("aws"), Site("azure"), Site("gcp"))
SERVICE, EPOCH, WRITER = "payments", Epoch(3), AZURE
FOLLOWERS = (AWS, GCP)
NUMBERS = {
    "max_worker_processes": "30",
    "max_logical_replication_workers": "16",
    "max_replication_slots": "30",
    "max_wal_senders": "30",
    "max_connections": "150",
}

Trio = dict[Site, Database]


def server(site: Site) -> Server:
    """One that has everything."""
    values = {str(check): rule.set_to.strip("'") for check, rule in RULES.items()} | NUMBERS
    return Server(
        cloud=str(site),
        version=170_010,
        parameters={name: Parameter(value=value) for name, value in values.items()},
        overrides=(),
        system=f"system of {site}",
        offset=timedelta(seconds=0.1),
        uncertainty=timedelta(seconds=0.01),
        encrypted=True,
        tls="TLSv1.3",
        slots=4,
        senders=2,
        workers=1,
        connections=20,
    )


def login(name: str, *, replication: bool, reads: bool = False) -> Login:
    """A role that can what it must, and no more."""
    return Login(
        name=name,
        login=True,
        superuser=False,
        replication=replication,
        connects=True,
        powers=(),
        lacks=(),
        reads_by_default=reads,
    )


def table(name: str) -> Table:
    """One with a key and a guard."""
    return Table(name=name, identity="d", key=True, guarded=name != "trimaran.marker", numbered=(), narrowed=False)


def node(site: Site) -> NodeFacts:
    """The node's own word."""
    streams = [naming.stream(SERVICE, EPOCH, WRITER, follower) for follower in FOLLOWERS]
    spares = [naming.spare_stream(SERVICE, EPOCH, site, other) for other in FOLLOWERS if other != site]
    own = naming.stream(SERVICE, EPOCH, WRITER, site)
    writes = site == WRITER
    return NodeFacts(
        site=site,
        role=Role.WRITER if writes else Role.FOLLOWER,
        epoch=EPOCH,
        token=Token(9),
        ack_slots=tuple(streams) if writes else (),
        pinned=True,
        flushed=Lsn(1000),
        marked=EPOCH,
        schema="0123456789abcdef",
        subscriptions=() if writes else (Subscription(name=own, enabled=True, running=True, seeded=True, position=Lsn(1000)),),
        slots=tuple(
            Slot(name=name, active=writes, confirmed=Lsn(1000), retained_bytes=1 << 20, lost=False)
            for name in (streams if writes else spares)
        ),
    )


def taps(site: Site) -> Streams:
    """Its subscriptions and what leaves it."""
    own = naming.stream(SERVICE, EPOCH, WRITER, site)
    running = Tap(name=own, synchronous_commit="on", origin="any", streaming="f", errors=0)
    return Streams(
        taps=() if site == WRITER else (running,),
        spares=frozenset(naming.spare_stream(SERVICE, EPOCH, other, site) for other in FOLLOWERS if other != site),
        plain=(),
        unseen=(),
        sent=2 if site == WRITER else 0,
    )


def database(site: Site) -> Database:
    """All of one site's."""
    return Database(
        server=server(site),
        door=Door(
            local=False,
            mode="verify-full",
            streams={other: "require" for other in SITES if other != site},
            takes_plain=False,
        ),
        rights=Rights(
            user="payments_control",
            superuser=False,
            lacks=(),
            stream=login("payments_stream", replication=True),
            app=login("payments_app", replication=False, reads=True),
        ),
        ledger=Ledger(
            published=True,
            all_tables=False,
            operations=frozenset({"insert", "update", "delete"}),
            tables=(table("ledger.payment"), table("trimaran.marker")),
        ),
        node=node(site),
        streams=taps(site),
    )


def trio(**changed: Database) -> Trio:
    """All three, some of them otherwise."""
    return {site: changed.get(str(site)) or database(site) for site in SITES}


def with_server(site: Site, **changes: object) -> Trio:
    """One server otherwise."""
    return trio(**{str(site): replace(database(site), server=replace(server(site), **changes))})  # type: ignore[arg-type]


def with_parameter(name: str, value: str | None, site: Site = AWS) -> Trio:
    """One parameter otherwise; None: the server does not tell it."""
    told = dict(server(site).parameters)
    if value is None:
        del told[name]
    else:
        told[name] = Parameter(value=value)
    return with_server(site, parameters=told)


def with_node(at: Site, /, **changes: object) -> Trio:
    """One node otherwise."""
    return trio(**{str(at): replace(database(at), node=replace(node(at), **changes))})  # type: ignore[arg-type]


def with_part(site: Site, **parts: object) -> Trio:
    """Parts of one database otherwise."""
    return trio(**{str(site): replace(database(site), **parts)})  # type: ignore[arg-type]
