"""The databases of one service, each by itself and all held against each other."""

from collections.abc import Iterator, Mapping
from functools import partial

from controller.core.checkup import ledger, parameters, rights, server
from controller.core.checkup.catalogue import Check
from controller.core.checkup.facts import Database, Door, Streams
from controller.core.checkup.finding import Finding, Said, Unasked, bad, good, judged, of, unknown, warning
from controller.core.checkup.streams import Nodes, nodes, subject_of
from controller.core.model import NodeFacts, Role, Site
from controller.core.schema_guard import MIGRATING

AGAIN = "Ask again when it answers."


def databases(service: str, found: Mapping[Site, Database]) -> Iterator[Finding]:
    """Every finding about the databases of one service."""
    for site, one in sorted(found.items()):
        yield from _of_site(subject_of(service, site), one)
    yield from nodes(Nodes(service=service, databases=found))
    for check, judge in _TOGETHER.items():
        yield of(service, check, judge(found))


def _of_site(subject: str, one: Database) -> Iterator[Finding]:
    yield of(subject, Check.LOGIN, login(one.login, "the control role"))
    yield of(subject, Check.STREAM_LOGIN, login(one.stream_login, "the stream role"))
    yield from judged(subject, one.server, {**parameters.JUDGES, **server.JUDGES})
    yield of(subject, Check.TLS_REACHED, server.tls_reached(one.server, one.door))
    yield from judged(subject, one.door, {Check.TLS_VERIFIED: server.tls_verified, Check.TLS_FORCED: server.tls_forced})
    yield from judged(
        subject, one.streams, {Check.TLS_STREAMS: partial(_tls_streams, local=isinstance(one.door, Door) and one.door.local)}
    )
    yield from judged(subject, one.rights, rights.JUDGES)
    yield from judged(subject, one.ledger, ledger.JUDGES)


def login(asked: Unasked | None, role: str) -> Said:
    """Somebody is let in with the password of the settings' environment. To be turned away is an answer, to hear nothing is none."""
    limit = f"{role} is let in"
    if asked is None:
        return good("let in", limit)
    if asked.refused:
        return bad(asked.because, limit, "Mend the password in the environment, or the role: `trimaran bootstrap` sets it anew.")
    return unknown(asked.because, limit, "Is the server up, and is there a way to it from here?")


def _tls_streams(streams: Streams, *, local: bool) -> Said:
    limit = "every stream that leaves is encrypted"
    if local:
        return good(server.LOCAL, limit)
    if streams.plain:
        way_out = "Set sslmode in [services.SERVICE.streams.FOLLOWER.PUBLISHER]; controllers give it to the next subscription."
        return bad(f"in the open: {', '.join(streams.plain)}", limit, way_out)
    if streams.unseen:
        return unknown(", ".join(streams.unseen), limit, "Grant the control role pg_monitor, and ask again.")
    return good(f"{streams.sent} streams", limit)


def one_writer(found: Mapping[Site, Database]) -> Said:
    """One site writes, and everybody else follows its epoch."""
    limit = "one writer, and followers of its epoch"
    if installed := sorted(site for site, one in found.items() if one.node is None):
        return bad(f"nothing is installed at {', '.join(installed)}", limit, "Run `trimaran bootstrap`, which is safe to repeat.")
    known = Nodes(service="", databases=found).known()
    value = "; ".join(f"{site} {one.role} of epoch {one.epoch}" for site, one in sorted(known.items()))
    writers = [one for one in known.values() if one.role is Role.WRITER]
    if len(writers) > 1:
        way_out = "The one of the lower epoch can acknowledge nothing; controllers fence it on contact. If it stays, `trimaran explain`."
        return bad(value, limit, way_out)
    if silent := sorted(found.keys() - known.keys()):
        return unknown(f"{value or 'nothing'}; {', '.join(silent)} not told", limit, AGAIN)
    if not writers:
        return bad(value, limit, "A failover may be under way: trimaran status.")
    if any(one.epoch != writers[0].epoch for one in known.values()):
        return warning(value, limit, "Whoever is behind is brought back by the controllers: trimaran status.")
    return good(value, limit)


def same_version(found: Mapping[Site, Database]) -> Said:
    """All of one major version: a stream between versions is one more thing to prove."""
    limit = "one major version"
    known = {site: one.server.version // 10_000 for site, one in found.items() if not isinstance(one.server, Unasked)}
    value = ", ".join(f"{site} {version}" for site, version in sorted(known.items()))
    if len(set(known.values())) > 1:
        return warning(value, limit, "Upgrade the others, followers first.")
    return _unless_silent(found, known, value, limit)


def same_schema(found: Mapping[Site, Database]) -> Said:
    """Whoever is elected can serve, and whoever follows can apply."""
    limit = "one fingerprint, and no migration under way"
    known = {site: one.node.schema for site, one in found.items() if isinstance(one.node, NodeFacts) and one.node.schema}
    value = ", ".join(f"{site} {schema}" for site, schema in sorted(known.items()))
    if any(schema.endswith(MIGRATING) for schema in known.values()):
        return warning(value, limit, "Let the migration end, and look again.")
    if len(set(known.values())) > 1:
        return bad(
            value, limit, "`trimaran schema status` tells what is otherwise, `trimaran schema apply` finishes a migration."
        )
    return _unless_silent(found, known, value, limit)


def own_server(found: Mapping[Site, Database]) -> Said:
    """Every site has a server of its own. Two names of one server are two members that die together."""
    limit = "a system identifier of its own for every site"
    known = {site: one.server.system for site, one in found.items() if not isinstance(one.server, Unasked) and one.server.system}
    shared = sorted(site for site, system in known.items() if list(known.values()).count(system) > 1)
    if shared:
        return bad(f"{' and '.join(shared)} are one server", limit, "Mend the addresses of databases in the settings.")
    return _unless_silent(found, known, f"{len(known)} servers", limit)


def _unless_silent(found: Mapping[Site, Database], known: Mapping[Site, object], value: str, limit: str) -> Said:
    if silent := sorted(found.keys() - known.keys()):
        return unknown(f"{value or 'nothing'}; {', '.join(silent)} not told", limit, AGAIN)
    return good(value, limit)


_TOGETHER = {
    Check.ONE_WRITER: one_writer,
    Check.SAME_VERSION: same_version,
    Check.SAME_SCHEMA: same_schema,
    Check.OWN_SERVER: own_server,
}
