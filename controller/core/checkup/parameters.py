"""What every server must run with: one rule per parameter, each with what goes wrong without it.

Rules for changing this file: a rule says what is needed in words, tests it on the text that the server tells, and says the harm. Where a
vendor has no such parameter, or keeps it for itself, a rule must hold for the vendor's value too, or be optional.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial

from controller.core.checkup.catalogue import Check
from controller.core.checkup.facts import Server
from controller.core.checkup.finding import Judge, Said, bad, good, unknown, warning

LARGEST_KEPT = 1024
"""Megabytes that a slot may hold back before the caretaker drops it (`caretaker.retained_limit`); a server that dropped slots sooner would
drop one that counts."""

SLOWEST_STREAM = 10_000
"""Milliseconds."""

SLOWEST_RETRY = 5_000
"""Milliseconds; Azure's own value, which cannot be changed there."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """What one parameter must be."""

    wanted: str
    met: Callable[[str], bool]
    set_to: str
    """What it is to be set to."""
    harm: str
    """What happens otherwise, for the person who is told to change it."""
    grave: bool = True
    """Does a promise break, or is it only worse?"""
    optional: bool = False
    """Not every version has it."""


def _is(value: str) -> Callable[[str], bool]:
    return lambda found: found.lower() == value


def _among(*values: str) -> Callable[[str], bool]:
    return lambda found: found.lower() in values


def _within(low: int, high: int) -> Callable[[str], bool]:
    return lambda found: found.lstrip("-").isdecimal() and low <= int(found) <= high


def _keeps_enough(found: str) -> bool:
    return found == "-1" or (found.isdecimal() and int(found) >= LARGEST_KEPT)


def _on(harm: str, *, grave: bool = True) -> Rule:
    return Rule(wanted="on", met=_is("on"), set_to="on", harm=harm, grave=grave)


def _timely(harm: str) -> Rule:
    return Rule(wanted=f"1 to {SLOWEST_STREAM} ms", met=_within(1, SLOWEST_STREAM), set_to="5000", harm=harm, grave=False)


RULES: Mapping[Check, Rule] = {
    Check.WAL_LEVEL: Rule(wanted="logical", met=_is("logical"), set_to="logical", harm="nobody can follow this server"),
    Check.FSYNC: _on("an acknowledged payment may not survive a power cut"),
    Check.FULL_PAGE_WRITES: _on("a torn page after a power cut takes acknowledged payments with it"),
    Check.SYNCHRONOUS_COMMIT: Rule(
        wanted="on, or another value that waits for the own disk",
        met=_among("on", "local", "remote_write", "remote_apply"),
        set_to="on",
        harm="COMMIT returns before the log is written, and the barrier asks about a position before the payment",
    ),
    Check.DEFAULT_TRANSACTION_ISOLATION: Rule(
        wanted="read committed",
        met=_is("read committed"),
        set_to="'read committed'",
        harm="the guard refuses every payment: a stricter one reads the node's row as it was before a fence",
    ),
    Check.DEFAULT_TRANSACTION_READ_ONLY: Rule(
        wanted="off",
        met=_is("off"),
        set_to="off",
        harm="no step of a failover can be taken here; a vendor sets it when the disk is nearly full",
    ),
    Check.SESSION_REPLICATION_ROLE: Rule(
        wanted="origin", met=_is("origin"), set_to="origin", harm="no trigger fires for clients, so a follower takes payments"
    ),
    Check.MAX_SLOT_WAL_KEEP_SIZE: Rule(
        wanted=f"-1, or at least {LARGEST_KEPT} MB",
        met=_keeps_enough,
        set_to="-1",
        harm="the server gives up a slot whose confirmation counts, and its follower has to be copied anew",
    ),
    Check.IDLE_REPLICATION_SLOT_TIMEOUT: Rule(
        wanted="0",
        met=_is("0"),
        set_to="0",
        harm="spare slots are idle by design; without them a third node is copied anew after a failover",
        optional=True,
    ),
    Check.WAL_RECEIVER_STATUS_INTERVAL: Rule(
        wanted="1 to 10 s",
        met=_within(1, 10),
        set_to="10",
        harm="at 0 a follower confirms nothing by itself, and payments wait at the barrier until they time out",
    ),
    Check.WAL_SENDER_TIMEOUT: _timely("a stream that hangs keeps its slot busy long after its follower was replaced"),
    Check.WAL_RECEIVER_TIMEOUT: _timely("a follower waits for a dead writer long after another one was elected"),
    Check.WAL_RETRIEVE_RETRY_INTERVAL: Rule(
        wanted=f"1 to {SLOWEST_RETRY} ms",
        met=_within(1, SLOWEST_RETRY),
        set_to="5000",
        harm="a broken stream is begun again so much later, and payments wait for it",
        grave=False,
    ),
    Check.PASSWORD_ENCRYPTION: Rule(
        wanted="scram-sha-256",
        met=_is("scram-sha-256"),
        set_to="scram-sha-256",
        harm="new passwords are kept in a form that whoever reads it can log in with",
    ),
    Check.SSL_MIN_PROTOCOL_VERSION: Rule(
        wanted="TLSv1.2 or TLSv1.3",
        met=_among("tlsv1.2", "tlsv1.3"),
        set_to="TLSv1.2",
        harm="somebody in between may talk both ends into a version that is broken",
    ),
    Check.TRACK_COMMIT_TIMESTAMP: _on("nobody can tell afterwards when a row came", grave=False),
    Check.LOG_ERROR_VERBOSITY: Rule(
        wanted="terse", met=_is("terse"), set_to="terse", harm="errors quote rows in a log that others read", grave=False
    ),
    Check.LOG_MIN_ERROR_STATEMENT: Rule(
        wanted="panic",
        met=_among("panic", "fatal"),
        set_to="panic",
        harm="failed statements stand in the log with their values",
        grave=False,
    ),
    Check.LOG_STATEMENT: Rule(
        wanted="none or ddl",
        met=_among("none", "ddl"),
        set_to="none",
        harm="statements stand in the log with values",
        grave=False,
    ),
}

OVERRIDDEN: Mapping[str, Check] = {
    str(check): check for check in (Check.SYNCHRONOUS_COMMIT, Check.DEFAULT_TRANSACTION_ISOLATION, Check.SESSION_REPLICATION_ROLE)
}
"""Parameters that no role and no database may have otherwise than the server."""

NAMES = (*map(str, RULES), "max_worker_processes", "max_logical_replication_workers", "max_replication_slots", "max_wal_senders",
         "max_connections", "ssl")  # fmt: skip
"""Whatever a server is asked for."""

VENDOR: Mapping[tuple[str, str], str] = {
    ("aws", Check.WAL_LEVEL): "rds.logical_replication = 1",
    ("gcp", Check.WAL_LEVEL): "cloudsql.logical_decoding = on",
}
"""What a vendor calls it."""

PLACE: Mapping[str, str] = {
    "aws": "in the parameter group",
    "azure": "in the server's parameters",
    "gcp": "as a flag of the instance",
}


def _judge(check: Check, rule: Rule, server: Server) -> Said:
    found = server.parameters.get(check)
    if found is None:
        if rule.optional:
            return good("this version has no such parameter", rule.wanted)
        return unknown("the server does not tell it", rule.wanted, f"Let the control role read {check} (pg_read_all_settings).")
    if rule.met(found.value):
        return good(found.value, rule.wanted)
    says = bad if rule.grave else warning
    return says(found.value or "(empty)", rule.wanted, f"{how_to_set(server, check, rule.set_to)} Otherwise {rule.harm}.")


def how_to_set(server: Server, name: str, value: str) -> str:
    """The way to set a parameter, in the words of the server's vendor."""
    named = VENDOR.get((server.cloud or "", name), f"{name} = {value}")
    place = PLACE.get(server.cloud or "", "in postgresql.conf")
    found = server.parameters.get(name)
    restart = ", then restart the server at a quiet time" if found is not None and found.restarts else ""
    return f"Set {named} {place} (infra/postgres.py has it for `pulumi up`){restart}."


def workers(server: Server) -> Said:
    """The launcher and every worker of replication take a place among the server's background processes."""
    limit = "max_logical_replication_workers and one more"
    whole, part = number(server, "max_worker_processes"), number(server, "max_logical_replication_workers")
    if whole is None or part is None:
        return unknown("the server does not tell it", limit, "Let the control role read both (pg_read_all_settings).")
    if whole > part:
        return good(f"{whole}, of which {part} are for replication", limit)
    way_out = how_to_set(server, Check.MAX_WORKER_PROCESSES, str(part + 4))
    return bad(
        f"{whole}, of which {part} are for replication", limit, f"{way_out} Otherwise a follower has no worker to apply with."
    )


def number(server: Server, name: str) -> int | None:
    """A parameter that is a number; None: it is not told."""
    found = server.parameters.get(name)
    return int(found.value) if found is not None and found.value.lstrip("-").isdecimal() else None


def overrides(server: Server) -> Said:
    """What is set for a role or a database goes before what the server is told.

    ALTER ROLE payments_app SET synchronous_commit = off, for a benchmark of last year: the server's own value is right, and every
    payment is acknowledged before its COMMIT is on any disk.
    """
    limit = f"none of {', '.join(OVERRIDDEN)} set otherwise for a role or a database"
    harmful = [one for one in server.overrides if one.name in OVERRIDDEN and not RULES[OVERRIDDEN[one.name]].met(one.value)]
    if not harmful:
        return good("none", limit)
    value = "; ".join(f"{one.role} has {one.name} = {one.value}" for one in harmful)
    return bad(
        value, limit, f"Give ALTER ROLE or ALTER DATABASE ... RESET {' and '.join(sorted({one.name for one in harmful}))}."
    )


def restarts(server: Server) -> Said:
    """A value that waits for a restart is one that nobody runs with."""
    waiting = sorted(name for name, one in server.parameters.items() if one.pending)
    if not waiting:
        return good("none", "no value that waits for a restart")
    way_out = "Restart the server at a quiet time, a follower first; move the writer away before its turn (trimaran switchover)."
    return warning(", ".join(waiting), "no value that waits for a restart", way_out)


JUDGES: Mapping[Check, Judge[Server]] = {
    **{check: partial(_judge, check, rule) for check, rule in RULES.items()},
    Check.MAX_WORKER_PROCESSES: workers,
    Check.OVERRIDES: overrides,
    Check.RESTART_PENDING: restarts,
}
