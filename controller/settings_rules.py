"""What the tables of a settings file say about each other.

Rules for changing this file: it reads the raw document, where anything may be missing or of the wrong kind, so that a mistake in
one table hides no mistake in another; what is missing altogether has been told already by the shapes.
"""

from collections.abc import Iterator, Mapping

from controller.settings_names import taken
from controller.settings_token import is_loopback

Problem = tuple[str, str]
"""Dotted key, and what was expected there."""


def contradictory(document: Mapping[str, object]) -> Iterator[Problem]:
    """Every pair of tables that cannot both be meant."""
    sites = frozenset(_table(document, "sites"))
    site = document.get("site")
    if sites and isinstance(site, str) and site not in sites:
        yield "site", f"one of the sites of this file: {_names(sites)}, not {site!r}"
    listen = _table(document, "listen")
    host = listen.get("host")
    if isinstance(host, str) and not is_loopback(host) and "token_file" not in listen:
        yield "listen.token_file", f"a file with the token that requests must carry; {host} is reached from other machines"
    urls = _table(document, "etcd").get("endpoints")
    if isinstance(urls, list) and len(set(map(str, urls))) < len(urls):
        yield "etcd.endpoints", "every member once"
    services = {name: given for name, given in _table(document, "services").items() if isinstance(given, dict)}
    for name, service in services.items():
        yield from ((f"services.{name}", expected) for expected in taken(name))
        if sites:
            yield from _of_service(f"services.{name}", service, sites)
    yield from _of_weighted_names(services)


def _of_service(key: str, service: Mapping[str, object], sites: frozenset[str]) -> Iterator[Problem]:
    writer = service.get("writer")
    if isinstance(writer, str) and writer not in sites:
        yield f"{key}.writer", f"one of the sites of this file: {_names(sites)}, not {writer!r}"
    yield from _exactly(
        f"{key}.databases", service.get("databases"), sites, "every site's database, as seen from this controller"
    )
    yield from _of_addresses(f"{key}.databases", service.get("databases"))
    yield from _of_streams(f"{key}.streams", service.get("streams"), sites)
    yield from _among(f"{key}.shares", service.get("shares"), sites)
    policy = _table(service, "policy")
    yield from _among(f"{key}.policy.capacities", policy.get("capacities"), sites)
    canary = _table(service, "canary")
    if canary.get("debtor") is not None and canary.get("debtor") == canary.get("creditor"):
        yield f"{key}.canary.creditor", "another account than the debtor's"
    route53 = _table(_table(service, "dns"), "route53")
    if route53:
        yield from _exactly(f"{key}.dns.route53.addresses", route53.get("addresses"), sites, "the address of every site's edge")


def _of_streams(key: str, streams: object, sites: frozenset[str]) -> Iterator[Problem]:
    """One address for every ordered pair: after a failover anybody may have to follow anybody."""
    if not isinstance(streams, dict):
        return
    yield from _exactly(key, streams, sites, "one table for every follower")
    for follower, publishers in streams.items():
        if follower in sites:
            others = sites - {follower}
            yield from _exactly(
                f"{key}.{follower}", publishers, others, f"every other site's database as {follower}'s server dials it"
            )
            yield from _of_addresses(f"{key}.{follower}", publishers)


def _of_addresses(key: str, databases: object) -> Iterator[Problem]:
    """Every site's database somewhere else.

    1. gcp's address is aws's, by a slip. 2. Whatever is asked of gcp is answered by aws: two members confirm, and both are one disk.
    3. The writer dies, both are cut and read, and nobody notices that gcp never was.
    """
    seen: dict[tuple[str, int], str] = {}
    for site, given in databases.items() if isinstance(databases, dict) else ():
        host, port = (given.get("host"), given.get("port")) if isinstance(given, dict) else (None, None)
        if isinstance(host, str) and isinstance(port, int):
            first = seen.setdefault((host.lower().rstrip("."), port), site)
            if first != site:
                yield f"{key}.{site}", f"another host or port than {first}'s"


def _of_weighted_names(services: Mapping[str, Mapping[str, object]]) -> Iterator[Problem]:
    """Every weighted name once in its zone, as Route 53 compares names.

    1. Two services weigh the same name. 2. Each marks its own records and leaves the other's alone. 3. One drains a dead site, the
    other's record still draws its clients there.
    """
    seen: dict[tuple[str, str], str] = {}
    for service, given in services.items():
        route53 = _table(_table(given, "dns"), "route53")
        names = route53.get("names")
        for place, one in enumerate(names if isinstance(names, list) else ()):
            name = one.get("name") if isinstance(one, dict) else None
            if isinstance(name, str):
                key = f"services.{service}.dns.route53.names.{place}.name"
                first = seen.setdefault((str(route53.get("zone")), name.lower().rstrip(".")), key)
                if first != key:
                    yield key, f"a name that nothing else weighs, not {name!r}, which is {first} already"


def _exactly(key: str, table: object, wanted: frozenset[str], what: str) -> Iterator[Problem]:
    if not isinstance(table, dict):
        return
    for missing in sorted(wanted - set(table)):
        yield f"{key}.{missing}", f"{what}; it is missing"
    for strange in sorted(set(table) - wanted):
        yield f"{key}.{strange}", f"one of {_names(wanted)}"


def _among(key: str, table: object, sites: frozenset[str]) -> Iterator[Problem]:
    if isinstance(table, dict):
        for strange in sorted(set(table) - sites):
            yield f"{key}.{strange}", f"one of {_names(sites)}"


def _table(document: Mapping[str, object], name: str) -> dict[str, object]:
    found = document.get(name)
    return found if isinstance(found, dict) else {}


def _names(sites: frozenset[str]) -> str:
    return ", ".join(sorted(sites))
