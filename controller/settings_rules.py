"""What the tables of a settings file say about each other.

Rules for changing this file: it reads the raw document, where anything may be missing or of the wrong kind, so that a mistake in
one table hides no mistake in another; what is missing altogether has been told already by the shapes.
"""

from collections.abc import Iterator, Mapping

from controller import settings_notify
from controller.settings_audit import of_audit
from controller.settings_names import taken
from controller.settings_token import is_loopback

Problem = tuple[str, str]
"""Dotted key, and what was expected there."""

ASKS_CLOUD = ("capacity", "replicas", "servers")
"""Tables of a service, by site, whose rows are asked of that site's cloud."""


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
    yield from _of_etcd(_table(document, "etcd"))
    services = {name: given for name, given in _table(document, "services").items() if isinstance(given, dict)}
    for name, service in services.items():
        yield from ((f"services.{name}", expected) for expected in taken(name))
        if sites:
            yield from _of_service(f"services.{name}", service, sites)
    if "tokens" in document and "identity" not in document:
        yield "identity", "a certificate; the access token that [tokens] asks for is bound to it"
    yield from _of_open_doors(document)
    yield from _of_names(document)
    yield from _of_groups(document, sites)
    yield from _of_clouds(document)
    yield from of_audit(document, sites)
    yield from settings_notify.contradictory(document)


def _of_etcd(etcd: Mapping[str, object]) -> Iterator[Problem]:
    """Whoever shows a certificate means to be known, and to know whom it speaks to: an address without TLS beside it is a slip, and what
    is asked there is answered by whoever listens."""
    urls = etcd.get("endpoints")
    if "identity" in etcd and any(not str(url).startswith("https://") for url in (urls if isinstance(urls, list) else ())):
        yield "etcd.endpoints", "https:// addresses alone, since there is [etcd.identity]"


def _of_open_doors(document: Mapping[str, object]) -> Iterator[Problem]:
    """A token goes to no edge in the open: whoever reads it on the way may show it where certificates are not asked for."""
    if "tokens" not in document:
        return
    for site, given in _table(document, "sites").items():
        edge = given.get("edge") if isinstance(given, dict) else None
        if isinstance(edge, str) and not edge.startswith("https://"):
            yield f"sites.{site}.edge", "an https:// address; the access token of [tokens] is sent there"


def _of_names(document: Mapping[str, object]) -> Iterator[Problem]:
    """Who names an edge's certificate means to be shown one."""
    sites = _table(document, "sites")
    for site in sites:
        given = _table(sites, site)
        edge = given.get("edge")
        if isinstance(edge, str) and not edge.startswith("https://") and "edge_name" in given:
            yield f"sites.{site}.edge", "an https:// address, since there is edge_name"


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
    if ("canary" in service) == ("readiness" in service):
        yield f"{key}.canary", "either two accounts for test payments, or readiness: by what else a serving site is proven"
    canary = _table(service, "canary")
    if canary.get("debtor") is not None and canary.get("debtor") == canary.get("creditor"):
        yield f"{key}.canary.creditor", "another account than the debtor's"
    for kind in ASKS_CLOUD:
        yield from _among(f"{key}.{kind}", service.get(kind), sites)


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


def _of_groups(document: Mapping[str, object], sites: frozenset[str]) -> Iterator[Problem]:
    """Every lead one of the services, every address there, and every weighted name once, as authorities compare names.

    1. Two groups weigh the same name. 2. Each steers it after its own lead. 3. One drains a dead site, the other gives it its traffic
    back, and its clients are sent there in turns.
    """
    services, seen = frozenset(_table(document, "services")), dict[str, str]()
    for group, given in _table(document, "groups").items():
        if not isinstance(given, dict):
            continue
        key, lead = f"groups.{group}", given.get("lead")
        if isinstance(lead, str) and services and lead not in services:
            yield f"{key}.lead", f"one of the services of this file: {_names(services)}, not {lead!r}"
        if sites:
            yield from _exactly(f"{key}.addresses", given.get("addresses"), sites, "the address of every site's edge")
        names = given.get("names")
        for place, one in enumerate(names if isinstance(names, list) else ()):
            name = one.get("name") if isinstance(one, dict) else None
            if isinstance(name, str):
                first = seen.setdefault(name.lower().rstrip("."), f"{key}.names.{place}.name")
                if first != f"{key}.names.{place}.name":
                    yield f"{key}.names.{place}.name", f"a name that nothing else weighs, not {name!r}, which is {first} already"


SERVED_BY: Mapping[str, str] = {"route53": "aws", "azure": "azure", "clouddns": "gcp"}
"""Whose API an authority answers to."""


def _of_clouds(document: Mapping[str, object]) -> Iterator[Problem]:
    """Whatever asks a cloud's API needs to know how it is reached; what an identity needs, it has in full."""
    clouds = _table(document, "clouds")
    for authority in sorted(SERVED_BY.keys() & _table(document, "authorities").keys()):
        if SERVED_BY[authority] not in clouds:
            yield f"clouds.{SERVED_BY[authority]}", f"how that cloud is reached; authorities.{authority} asks it"
    sites = _table(document, "sites")
    for service, given in _table(document, "services").items():
        for kind in ASKS_CLOUD:
            for site in sorted(_table(given, kind)) if isinstance(given, dict) else ():
                cloud = _table(sites, site).get("cloud", site)
                if site in sites and isinstance(cloud, str) and cloud not in clouds:
                    yield f"clouds.{cloud}", f"how that cloud is reached; services.{service}.{kind}.{site} asks it"
    for cloud, needed in FEDERATED.items():
        identity = _table(_table(clouds, cloud), "identity")
        if cloud in clouds and identity.get("kind", "ambient" if cloud == "aws" else "federated") == "federated":
            for missing in sorted(needed - identity.keys()):
                yield f"clouds.{cloud}.identity.{missing}", "what federation needs; it is missing"


FEDERATED: Mapping[str, frozenset[str]] = {
    "aws": frozenset({"role", "token_file"}),
    "azure": frozenset({"tenant", "client", "token_file"}),
    "gcp": frozenset({"project_number", "pool", "provider", "service_account"}),
}
"""What each cloud's federation cannot do without."""


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
