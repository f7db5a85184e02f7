"""Who may do what on a database: enough for every step of a failover, and nothing that goes round a safeguard."""

from collections.abc import Mapping

from controller.core.checkup.catalogue import Check
from controller.core.checkup.facts import Login, Rights
from controller.core.checkup.finding import Judge, Said, bad, good, warning

BOOTSTRAP = "`trimaran bootstrap` makes and grants it."


def control_role(rights: Rights) -> Said:
    """The controllers' role can take every step, without being able to do anything at all."""
    limit = "every right that a failover needs, and no superuser's"
    if rights.lacks:
        way_out = f"Grant it as the vendor's administrator; {BOOTSTRAP} A failover stops at the first step that lacks one."
        return bad(f"{rights.user} cannot {'; '.join(rights.lacks)}", limit, way_out)
    if rights.superuser:
        return warning(f"{rights.user} is a superuser", limit, "Log in as a role with less: a slip of ours would have no bounds.")
    return good(f"{rights.user} has them", limit)


def stream_role(rights: Rights) -> Said:
    """The role inside subscriptions reads what is published and changes nothing."""
    limit = "logs in, replicates, reads every published table, and nothing more"
    return _login(rights.stream, limit, replicates=True)


def app_role(rights: Rights) -> Said:
    """The service's role cannot go round the guard, and reads by default.

    An app role that may set session_replication_role, or owns its tables and drops the trigger, pays into a follower: the row is in no
    other ledger, and the stream that brings its key stops there for good.
    """
    limit = "logs in, reads by default, and cannot go round the guard"
    said = _login(rights.app, limit, replicates=False)
    if rights.app is not None and said.verdict == "good" and not rights.app.reads_by_default:
        way_out = f"ALTER ROLE {rights.app.name} SET default_transaction_read_only = on: a courtesy to people with psql."
        return warning(f"{rights.app.name} writes by default", limit, way_out)
    return said


def _login(role: Login | None, limit: str, *, replicates: bool) -> Said:
    if role is None:
        return bad("there is no such role", limit, BOOTSTRAP)
    lacks = [
        *(() if role.login else ("log in",)),
        *(() if role.connects else ("connect to the database",)),
        *(("replicate",) if replicates and not role.replication else ()),
        *role.lacks,
    ]
    powers = [
        *(("is a superuser",) if role.superuser else ()),
        *(("may replicate",) if role.replication and not replicates else ()),
        *role.powers,
    ]
    if not lacks and not powers:
        return good(f"{role.name} is so", limit)
    cannot = f"{role.name} cannot {'; '.join(lacks)}" if lacks else ""
    can = f"{role.name} {'; '.join(powers)}" if powers else ""
    way_out = " ".join(
        filter(None, (f"Grant what is missing; {BOOTSTRAP}" if lacks else "", "Revoke what is too much." if powers else ""))
    )
    return bad("; ".join(filter(None, (cannot, can))), limit, way_out)


JUDGES: Mapping[Check, Judge[Rights]] = {
    Check.CONTROL_ROLE: control_role,
    Check.STREAM_ROLE: stream_role,
    Check.APP_ROLE: app_role,
}
