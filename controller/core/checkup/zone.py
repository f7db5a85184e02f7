"""The zone: who serves it, whether they hold what the posture wants, and whether the world is told of all of them."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from controller.core.checkup.catalogue import Check
from controller.core.checkup.finding import Finding, Said, Unasked, bad, good, of, unknown, warning
from controller.core.checkup.providers import access
from controller.core.drift import Consistency, Reading, compare
from controller.core.model import Group, Site

NAMED_LIKE: Mapping[str, str] = {"route53": ".awsdns-", "azure": ".azure-dns.", "clouddns": ".googledomains.com"}
"""What the name servers of an authority have in their names."""

ENOUGH = 2
"""Authorities: with fewer, one outage leaves nobody who answers."""

Ratios = Mapping[Site, float]


@dataclass(frozen=True, slots=True, kw_only=True)
class Authority:
    """One authority, asked once."""

    name: str
    ratios: Mapping[Group, Ratios] | Unasked
    """By its API."""
    named: Mapping[Group, frozenset[Site]] | Unasked
    """Whom its name servers send clients to."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Zone:
    """Everything that was heard about the zone."""

    wanted: Mapping[Group, Ratios | Unasked]
    """By the postures of the groups' leads."""
    authorities: tuple[Authority, ...] = ()
    delegated: frozenset[str] | Unasked = field(default=Unasked(because="nobody was asked"))
    """Name servers that a resolver is told of, in lower case without a dot at the end."""


def judge(zone: Zone) -> Iterator[Finding]:
    """Every finding about the zone; none when nothing is steered."""
    if not zone.wanted:
        return
    yield of("the zone", Check.AUTHORITY, _enough(zone))
    yield of("the zone", Check.DELEGATION, _delegation(zone))
    wanted = {group: ratios for group, ratios in zone.wanted.items() if not isinstance(ratios, Unasked)}
    for one in zone.authorities:
        yield access(f"zone at {one.name}", one.ratios)
        found = compare(wanted, [_reading(one)])
        yield of(one.name, Check.ZONE_DRIFT, _drift(zone, one, found))
        yield of(one.name, Check.NAME_SERVERS, _name_servers(zone, one, found))


def _reading(one: Authority) -> Reading:
    return Reading(
        authority=one.name,
        ratios=None if isinstance(one.ratios, Unasked) else one.ratios,
        named={} if isinstance(one.named, Unasked) else one.named,
    )


def _enough(zone: Zone) -> Said:
    limit, names = f"at least {ENOUGH} authorities", ", ".join(one.name for one in zone.authorities)
    if len(zone.authorities) >= ENOUGH:
        return good(names, limit)
    return warning(names or "none", limit, "Serve the zone from another vendor too, and name it in [authorities].")


def _delegation(zone: Zone) -> Said:
    limit = "name servers of every authority, named at the registrar"
    if isinstance(zone.delegated, Unasked):
        return unknown(zone.delegated.because, limit, "Ask where a resolver can be reached: dig NS, for the zone.")
    told = ", ".join(sorted(zone.delegated)) or "none"
    absent = [
        one.name for one in zone.authorities if not any(NAMED_LIKE.get(one.name, one.name) in name for name in zone.delegated)
    ]
    if zone.delegated and len(absent) == len(zone.authorities):
        return unknown(
            told, limit, "These are nobody's names that are known here: compare them with what each authority's zone says."
        )
    if absent:
        way_out = f"Name the servers of {', '.join(absent)} at the registrar, and in the zone: without them nobody asks there."
        return bad(f"{told}; none of {', '.join(absent)}", limit, way_out)
    return good(f"{len(zone.delegated)} of {len(zone.authorities)} authorities", limit)


def _drift(zone: Zone, one: Authority, found: Consistency) -> Said:
    limit = "the shares that the posture wants"
    if found.drifts:
        way_out = "Look again in 15 s: controllers reconcile it. If it stays, trimaran status says what keeps them from it."
        return bad("; ".join(map(str, found.drifts)), limit, way_out)
    return _unless_silent(zone, one.ratios, f"{len(zone.wanted)} groups as wanted", limit)


def _name_servers(zone: Zone, one: Authority, found: Consistency) -> Said:
    limit = "answers that send nobody to a drained site"
    if found.misdirections:
        way_out = "Its API says otherwise, or has not told its servers yet: look again in a minute, then ask the vendor."
        return bad("; ".join(map(str, found.misdirections)), limit, way_out)
    return _unless_silent(zone, one.named, "send clients where they should", limit)


def _unless_silent(zone: Zone, asked: object | Unasked, value: str, limit: str) -> Said:
    silent = [*(ratios.because for ratios in zone.wanted.values() if isinstance(ratios, Unasked))]
    if isinstance(asked, Unasked):
        silent.insert(0, asked.because)
    return unknown("; ".join(dict.fromkeys(silent)), limit, "Ask again when it answers.") if silent else good(value, limit)
