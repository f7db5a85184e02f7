"""One server by itself: its version, its clock, how it is reached, and what room it has left."""

from collections.abc import Mapping
from datetime import timedelta

from controller.core.checkup.catalogue import Check
from controller.core.checkup.facts import Door, Server
from controller.core.checkup.finding import Judge, Said, Unasked, bad, good, unknown, warning
from controller.core.checkup.parameters import how_to_set, number

OLDEST, NEWEST = 16, 18
"""Major versions: subscriptions of an origin and roles that may subscribe came with 16; the protocol was run up to 18."""

MENDED: Mapping[int, int] = {16: 6, 17: 2}
"""Minor versions from which a slot's restart position does not go backwards any more (of 2024-11-21)."""

CLOCK_NOTICED, CLOCK_LIMIT = timedelta(seconds=2), timedelta(seconds=10)
"""No decision reads a wall clock; access tokens are shown until 10 s before their end (`probing.bearer`)."""

SLOTS_OF_A_MOVE = 6
"""Streams and spare slots of the next epoch, two each, and two of a copy, while the earlier ones are not dropped yet."""

WORKERS_OF_A_MOVE = 3
"""One that applies, two that copy."""

FULL = 0.8
"""Share of the connections beyond which little is left for a rush."""

WEAK = frozenset({"", "disable", "allow", "prefer"})
"""Modes of libpq that go on in the open when the other side wishes so; empty is libpq's own, `prefer`."""

LOCAL = "loopback: nothing leaves this machine"


def version(server: Server) -> Said:
    """The protocol was run on it."""
    major, minor = divmod(server.version, 10_000)
    limit = f"{OLDEST} to {NEWEST}, and at least " + " or ".join(f"{one}.{least}" for one, least in MENDED.items())
    value = f"{major}.{minor}"
    if major < OLDEST:
        return bad(value, limit, "Upgrade: an older one has no subscription that passes on what it got from others.")
    if minor < MENDED.get(major, 0):
        return warning(value, limit, "Take the vendor's newest minor version: in this one a slot may fall back.")
    if major > NEWEST:
        return warning(value, limit, "The protocol was never run on it; run tests/protocol on it first.")
    return good(value, limit)


def clock(server: Server) -> Said:
    """The server's wall clock is this machine's, as far as the round trip lets it be seen."""
    apart = max(abs(server.offset) - server.uncertainty, timedelta())
    value = f"{server.offset.total_seconds():+.3f} s, give or take {server.uncertainty.total_seconds():.3f} s"
    limit = f"within {CLOCK_NOTICED.total_seconds():g} s of this machine"
    if apart <= CLOCK_NOTICED:
        return good(value, limit)
    way_out = "Look whose clock is wrong, the server's or this machine's, and have it follow the vendor's time service."
    return (bad if apart > CLOCK_LIMIT else warning)(
        value, limit, f"{way_out} Tokens, certificates and the record's times rest on it."
    )


def slot_room(server: Server) -> Said:
    """A failover makes slots before it can drop any."""
    return _room(server, "max_replication_slots", server.slots, SLOTS_OF_A_MOVE)


def sender_room(server: Server) -> Said:
    """Every stream that leaves the server needs a sender."""
    return _room(server, "max_wal_senders", server.senders, SLOTS_OF_A_MOVE)


def worker_room(server: Server) -> Said:
    """A follower of the next epoch needs a worker to apply with, and more to copy with."""
    return _room(server, "max_logical_replication_workers", server.workers, WORKERS_OF_A_MOVE)


def _room(server: Server, name: str, used: int, needed: int) -> Said:
    limit, most = f"{needed} free, for a move", number(server, name)
    if most is None:
        return unknown(f"the server does not tell {name}", limit, "Let the control role read it (pg_read_all_settings).")
    value = f"{most - used} of {most} free"
    if most - used >= needed:
        return good(value, limit)
    way_out = how_to_set(server, name, str(used + 2 * needed))
    return bad(value, limit, f"Drop what nobody uses, or: {way_out} Without it the next failover stops half-way.")


def connections(server: Server) -> Said:
    """There is room for a rush of clients, and for the controllers among them."""
    most, limit = number(server, "max_connections"), f"at most {FULL:.0%} of max_connections"
    if most is None or server.connections is None:
        return unknown("the server does not tell", limit, "Grant the control role pg_monitor.")
    value = f"{server.connections} of {most}"
    if server.connections <= FULL * most:
        return good(value, limit)
    return warning(value, limit, "Lower the sizes of the services' pools, or raise max_connections and restart at a quiet time.")


JUDGES: Mapping[Check, Judge[Server]] = {
    Check.VERSION: version,
    Check.CLOCK: clock,
    Check.SLOT_ROOM: slot_room,
    Check.SENDER_ROOM: sender_room,
    Check.WORKER_ROOM: worker_room,
    Check.CONNECTIONS: connections,
}


def tls_reached(server: Server | Unasked, door: Door | Unasked) -> Said:
    """Our own session is encrypted."""
    limit = "TLS 1.2 or newer"
    if isinstance(door, Door) and door.local:
        return good(LOCAL, limit)
    if isinstance(server, Unasked) or server.encrypted is None:
        because = server.because if isinstance(server, Unasked) else "the server does not tell"
        return unknown(because, limit, "Ask again when it answers.")
    if server.encrypted and server.tls in {"TLSv1.2", "TLSv1.3"}:
        return good(server.tls, limit)
    return bad(server.tls or "no TLS", limit, 'Set options = "sslmode=verify-full sslrootcert=..." for this database.')


def tls_verified(door: Door) -> Said:
    """Controllers know whom they talk to; for the servers' own streams, being encrypted has to do."""
    limit = "sslmode=verify-full from here, at least require between servers"
    if door.local:
        return good(LOCAL, limit)
    asked = [("here", door.mode), *sorted(door.streams.items())]
    value = ", ".join(f"from {place} {mode or 'nothing'}" for place, mode in asked)
    if door.mode in WEAK or any(mode in WEAK for mode in door.streams.values()):
        return bad(value, limit, "Set sslmode in the options of databases and streams: who sits in between can turn TLS off.")
    if door.mode == "verify-full":
        return good(value, limit)
    return warning(
        value, limit, "Set sslmode=verify-full with the vendor's authority in sslrootcert: anybody may answer for it now."
    )


def tls_forced(door: Door) -> Said:
    """The server turns away who comes without TLS."""
    limit = "a login without TLS is turned away"
    if door.local:
        return good(LOCAL, limit)
    if isinstance(door.takes_plain, Unasked):
        return unknown(door.takes_plain.because, limit, "Ask again when it answers.")
    if not door.takes_plain:
        return good("turned away", limit)
    way_out = "Force TLS: rds.force_ssl = 1, require_secure_transport = on, or sslMode ENCRYPTED_ONLY of the instance."
    return bad("it goes on with such a login", limit, way_out)
