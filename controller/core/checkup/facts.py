"""What one database server and one database on it said about themselves. Facts, no opinions; None: it does not say."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta

from controller.core.checkup.finding import Unasked
from controller.core.model import NodeFacts, Site


@dataclass(frozen=True, slots=True, kw_only=True)
class Parameter:
    """One parameter as a new session of ours would have it, in the server's own unit."""

    value: str
    restarts: bool = False
    """Is it taken up only when the server starts again?"""
    pending: bool = False
    """Does another value wait for that?"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Override:
    """A role or a database that has a parameter otherwise than the server."""

    role: str
    name: str
    value: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Server:
    """One PostgreSQL server, as the control role of one service sees it."""

    cloud: str | None
    version: int
    """As in server_version_num: 170010."""
    parameters: Mapping[str, Parameter]
    overrides: tuple[Override, ...]
    system: str | None
    """System identifier."""
    offset: timedelta
    """Its wall clock less this machine's."""
    uncertainty: timedelta
    """Half of the round trip in which that was asked."""
    encrypted: bool | None
    """Is our own session?"""
    tls: str
    """Version of TLS; empty without."""
    slots: int
    """Replication slots there are, of all databases."""
    senders: int
    workers: int
    """Apply workers that run."""
    connections: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Door:
    """How a server is reached."""

    local: bool
    """It listens on this machine's loopback: nobody is in between."""
    mode: str
    """sslmode that the settings ask for; empty: none, which lets the server choose."""
    streams: Mapping[Site, str]
    """The same for each publisher as this site's own server dials it."""
    takes_plain: bool | Unasked
    """Does it go on with a login that is not encrypted? No password was shown."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Login:
    """One role beside the control role, as the catalogue has it."""

    name: str
    login: bool
    superuser: bool
    replication: bool
    connects: bool
    powers: tuple[str, ...]
    """What it can do and must not, in words."""
    lacks: tuple[str, ...]
    """What it cannot do and must, in words."""
    reads_by_default: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Rights:
    """Who may do what."""

    user: str
    superuser: bool
    lacks: tuple[str, ...]
    """What the control role cannot do and must, in words."""
    stream: Login | None
    app: Login | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Table:
    """One published table."""

    name: str
    identity: str
    """relreplident: d by its key, f by all columns, i by an index, n by nothing."""
    key: bool
    """Has it a primary key?"""
    guarded: bool
    """Does the guard fire for clients' inserts, updates and deletes, and not for the apply worker?"""
    numbered: tuple[str, ...]
    """Columns that a sequence fills."""
    narrowed: bool
    """Are some of its rows or columns not published?"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Ledger:
    """What is published."""

    published: bool
    """Is there the publication?"""
    all_tables: bool
    operations: frozenset[str]
    """Of insert, update, delete, truncate."""
    tables: tuple[Table, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Tap:
    """One subscription's settings; how far it is stands in the node's facts."""

    name: str
    synchronous_commit: str
    origin: str
    streaming: str
    errors: int
    """Transactions that could not be applied, since the counters began."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Streams:
    """What replication of this database runs with."""

    taps: tuple[Tap, ...]
    spares: frozenset[str]
    """Spare subscriptions that know every published table."""
    plain: tuple[str, ...]
    """Streams that leave this server without encryption."""
    unseen: tuple[str, ...]
    """Streams of which the server does not tell whether they are."""
    sent: int
    """Streams that leave this server from this database."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Database:
    """One service's database at one site, asked in one pass."""

    server: Server | Unasked
    door: Door | Unasked
    rights: Rights | Unasked
    ledger: Ledger | Unasked
    node: NodeFacts | Unasked | None
    """None: nothing is installed yet."""
    streams: Streams | Unasked
    login: Unasked | None = None
    """None: the control role was let in."""
    stream_login: Unasked | None = None


def silent(because: Unasked, door: Door | None = None) -> Database:
    """A database of which nothing was heard."""
    return Database(
        server=because,
        door=door or because,
        rights=because,
        ledger=because,
        node=because,
        streams=because,
        login=because,
        stream_login=because,
    )
