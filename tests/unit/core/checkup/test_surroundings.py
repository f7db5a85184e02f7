"""Providers, zone, certificates and etcd: each thing that can be wrong is found, and silence is a third answer."""

from collections.abc import Iterable, Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from controller.core import naming
from controller.core.checkup import papers, providers, zone
from controller.core.checkup.catalogue import AREA, Area, Check
from controller.core.checkup.finding import Finding, Unasked, Verdict
from controller.core.checkup.papers import Certificate
from controller.core.checkup.streams import Nodes
from controller.core.model import Epoch, Group, Posture, ProviderFacts, Site
from controller.core.policy import Policy
from tests.unit.core.checkup.sound import AWS, AZURE, GCP, SERVICE, SITES, Trio, trio, with_node, with_part
from tests.unit.core.checkup.test_databases import OF_DATABASES

GOOD, WARNING, BAD, UNKNOWN = Verdict.GOOD, Verdict.WARNING, Verdict.BAD, Verdict.UNKNOWN
MUTE = Unasked(because="it did not answer")
TURNED_AWAY = Unasked(because="no such permission", refused=True)
NOW = datetime(2026, 5, 1, tzinfo=UTC)
SOUND = ProviderFacts(
    highly_available=True, synchronous_standby=True, storage_free=0.8, maintenance=None, replica_of=None, state="available"
)
PAY = Group("everywhere")
WANTED: Mapping[Site, float] = {AWS: 1.0, AZURE: 0.0, GCP: 1.0}
HELD: Mapping[Site, float] = {AWS: 0.5, AZURE: 0.0, GCP: 0.5}
DELEGATED = frozenset({"ns-1.awsdns-02.org", "ns1-03.azure-dns.com", "ns-cloud-a1.googledomains.com"})
POSTURE = Posture(
    service=SERVICE,
    epoch=Epoch(3),
    writer=AZURE,
    reign=Epoch(3),
    must_cut=frozenset({AWS, GCP}),
    weights=dict.fromkeys(SITES, 1.0),
)


def one(findings: Iterable[Finding], check: Check, subject: str | None = None) -> Finding:
    (found,) = [finding for finding in findings if finding.check is check and subject in (None, finding.subject)]
    assert bool(found.way_out) is (found.verdict is not GOOD)
    return found


def of_server(asked: ProviderFacts | Unasked | None, check: Check) -> Verdict:
    return one(providers.server("payments at aws", asked, NOW), check).verdict


@pytest.mark.parametrize(
    ("check", "changes", "verdict"),
    [
        (Check.STANDBY, {}, GOOD),
        (Check.STANDBY, {"synchronous_standby": False}, BAD),
        (Check.STANDBY, {"synchronous_standby": None}, UNKNOWN),
        (Check.STANDBY, {"synchronous_standby": None, "highly_available": False}, GOOD),
        (Check.HIGH_AVAILABILITY, {}, GOOD),
        (Check.HIGH_AVAILABILITY, {"highly_available": False}, WARNING),
        (Check.HIGH_AVAILABILITY, {"highly_available": None}, UNKNOWN),
        (Check.STORAGE, {"storage_free": 0.25}, GOOD),
        (Check.STORAGE, {"storage_free": 0.24}, WARNING),
        (Check.STORAGE, {"storage_free": 0.09}, BAD),
        (Check.STORAGE, {"storage_free": None}, UNKNOWN),
        (Check.SERVER_STATE, {}, GOOD),
        (Check.SERVER_STATE, {"state": "storage-full"}, WARNING),
        (Check.SERVER_STATE, {"maintenance": NOW + timedelta(hours=23)}, WARNING),
        (Check.SERVER_STATE, {"maintenance": NOW + timedelta(days=8)}, GOOD),
        (Check.SERVER_STATE, {"replica_of": "payments-aws"}, BAD),
    ],
)
def test_what_a_provider_says_about_a_server_is_judged(check: Check, changes: Mapping[str, object], verdict: Verdict) -> None:
    """An asynchronous standby can lose the very position that an election went by."""
    assert of_server(replace(SOUND, **changes), check) is verdict  # type: ignore[arg-type]


@pytest.mark.parametrize("check", [Check.STANDBY, Check.HIGH_AVAILABILITY, Check.STORAGE, Check.SERVER_STATE])
def test_a_provider_that_says_nothing_is_unknown_and_a_server_that_is_gone_is_bad(check: Check) -> None:
    """So is one that the settings do not name: nobody looked at it."""
    assert of_server(MUTE, check) is UNKNOWN
    assert of_server(providers.UNNAMED, check) is UNKNOWN
    assert of_server(None, check) is BAD


def test_missing_permission_is_no_silence() -> None:
    """Whoever is turned away while everything is calm is turned away in the outage."""
    verdicts = {True: BAD, False: UNKNOWN}
    for asked in (MUTE, TURNED_AWAY):
        assert of_server(asked, Check.PROVIDER_ACCESS) is verdicts[asked.refused]
        found = one(providers.instances("payments at aws", asked, 4), Check.PROVIDER_ACCESS)
        assert found.verdict is verdicts[asked.refused]
    assert of_server(SOUND, Check.PROVIDER_ACCESS) is GOOD


@pytest.mark.parametrize(
    ("asked", "verdict"), [(2, GOOD), (0, WARNING), (None, BAD), (MUTE, UNKNOWN), (providers.UNNAMED, UNKNOWN)]
)
def test_instances_are_counted(asked: int | Unasked | None, verdict: Verdict) -> None:
    """A service that is not there cannot be given traffic."""
    found = one(providers.instances("payments at aws", asked, 4), Check.INSTANCES)
    assert found.verdict is verdict
    assert "4" in found.limit or asked is None


@pytest.mark.parametrize(("required", "verdict"), [(1.0, GOOD), (1.5, BAD)])
def test_whoever_is_left_has_to_carry_the_load(required: float, verdict: Verdict) -> None:
    """Without the largest of three, half the capacity of the whole is left."""
    policy = Policy(required_capacity=required, capacities={AWS: 1.0, AZURE: 0.5, GCP: 0.5})
    found = providers.survivors(SERVICE, policy, frozenset(SITES))
    assert (found.verdict, found.value) == (verdict, "1 without aws")


def of_zone(check: Check, subject: str, **changes: object) -> Verdict:
    authorities = tuple(
        zone.Authority(name=name, ratios={PAY: HELD}, named={PAY: frozenset({AWS, GCP})})
        for name in ("route53", "azure", "clouddns")
    )
    given = {"wanted": {PAY: WANTED}, "authorities": authorities, "delegated": DELEGATED} | changes
    return one(zone.judge(zone.Zone(**given)), check, subject).verdict  # type: ignore[arg-type]


def route53(ratios: object, named: object = frozenset({AWS, GCP})) -> tuple[zone.Authority, ...]:
    told = named if isinstance(named, Unasked) else {PAY: named}
    held = ratios if isinstance(ratios, Unasked) else {PAY: ratios} if ratios else {}
    others = (zone.Authority(name="azure", ratios={PAY: HELD}, named={PAY: frozenset({AWS})}),)
    return (zone.Authority(name="route53", ratios=held, named=told), *others)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("check", "subject", "changes", "verdict"),
    [
        (Check.ZONE_DRIFT, "route53", {}, GOOD),
        (Check.ZONE_DRIFT, "route53", {"authorities": route53({AWS: 0.4, AZURE: 0.2, GCP: 0.4})}, BAD),
        (Check.ZONE_DRIFT, "route53", {"authorities": route53(None)}, BAD),
        (Check.ZONE_DRIFT, "azure", {"authorities": route53(None)}, GOOD),
        (Check.ZONE_DRIFT, "route53", {"authorities": route53(MUTE)}, UNKNOWN),
        (Check.ZONE_DRIFT, "route53", {"wanted": {PAY: MUTE}}, UNKNOWN),
        (Check.NAME_SERVERS, "route53", {}, GOOD),
        (Check.NAME_SERVERS, "route53", {"authorities": route53(HELD, frozenset({AWS, AZURE}))}, BAD),
        (Check.NAME_SERVERS, "route53", {"authorities": route53(HELD, MUTE)}, UNKNOWN),
        (Check.PROVIDER_ACCESS, "zone at route53", {}, GOOD),
        (Check.PROVIDER_ACCESS, "zone at route53", {"authorities": route53(TURNED_AWAY)}, BAD),
        (Check.PROVIDER_ACCESS, "zone at route53", {"authorities": route53(MUTE)}, UNKNOWN),
        (Check.AUTHORITY, "the zone", {}, GOOD),
        (Check.AUTHORITY, "the zone", {"authorities": route53(HELD)[:1]}, WARNING),
        (Check.DELEGATION, "the zone", {}, GOOD),
        (Check.DELEGATION, "the zone", {"delegated": frozenset({"ns-1.awsdns-02.org", "ns1-03.azure-dns.com"})}, BAD),
        (Check.DELEGATION, "the zone", {"delegated": frozenset()}, BAD),
        (Check.DELEGATION, "the zone", {"delegated": frozenset({"ns1.example.test"})}, UNKNOWN),
        (Check.DELEGATION, "the zone", {"delegated": MUTE}, UNKNOWN),
    ],
)
def test_what_is_wrong_with_the_zone_is_found(check: Check, subject: str, changes: dict[str, object], verdict: Verdict) -> None:
    """At the authority where it is; an authority that is silent neither agrees nor drifts."""
    assert of_zone(check, subject, **changes) is verdict


def test_nothing_is_said_of_a_zone_that_nobody_steers() -> None:
    """No groups, no findings."""
    assert tuple(zone.judge(zone.Zone(wanted={}))) == ()


@pytest.mark.parametrize(
    ("lives", "left", "verdict"),
    [
        (365, 31, GOOD),
        (365, 30, WARNING),
        (365, 8, WARNING),
        (365, 7, BAD),
        (365, -1, BAD),
        (90, 19, GOOD),
        (90, 18, WARNING),
        (90, 4.5, BAD),
        (1, 0.3, GOOD),
        (1, 0.2, WARNING),
        (1, 0.05, BAD),
    ],
)
def test_a_certificate_is_told_before_its_end(lives: float, left: float, verdict: Verdict) -> None:
    """In days. One that lives for a year is told a month before, one that lives for a day some hours before."""
    ends = NOW + timedelta(days=left)
    shown = Certificate(begins=ends - timedelta(days=lives), ends=ends)
    assert papers.certificate("edge of aws", shown, NOW).verdict is verdict


def test_a_certificate_that_is_not_believed_or_not_shown() -> None:
    """Somebody else's is bad however long it lasts; one that could not be looked at is unknown."""
    shown = Certificate(begins=NOW - timedelta(days=1), ends=NOW + timedelta(days=300))
    assert papers.certificate("edge of aws", shown, NOW).verdict is GOOD
    mistrusted = replace(shown, mistrusted="Hostname mismatch")
    assert papers.certificate("edge of aws", mistrusted, NOW).verdict is BAD
    assert papers.certificate("edge of aws", shown, NOW - timedelta(days=2)).verdict is BAD, "not valid yet"
    assert papers.certificate("edge of aws", MUTE, NOW).verdict is UNKNOWN


def test_whoever_has_to_renew_is_told_how() -> None:
    """Where that is known, with whatever is wrong; who has nothing to do is told nothing."""
    shown = Certificate(begins=NOW - timedelta(days=360), ends=NOW + timedelta(days=40))
    soon, late, ended = (NOW + timedelta(days=days) for days in (20, 35, 41))
    for asked, now in ((shown, soon), (shown, late), (replace(shown, mistrusted="certificate has expired"), ended)):
        assert papers.certificate("edge of aws", asked, now, "By hand.").way_out.endswith(" By hand.")
        assert papers.certificate("the issuer", asked, now).way_out.endswith((".", "?"))
    assert "By hand" not in papers.certificate("edge of aws", shown, NOW, "By hand.").way_out


def test_the_issuer_and_etcd() -> None:
    """To be turned away is bad, to hear nothing is unknown."""
    assert [papers.issuer(asked).verdict for asked in (None, MUTE, TURNED_AWAY)] == [GOOD, UNKNOWN, BAD]
    assert [papers.etcd({SERVICE: asked}).verdict for asked in (POSTURE, None, MUTE, TURNED_AWAY)] == [GOOD, GOOD, UNKNOWN, BAD]


def of_posture(asked: Posture | Unasked | None, given: Trio) -> Verdict:
    found = papers.posture(SERVICE, asked, Nodes(service=SERVICE, databases=given))
    assert bool(found.way_out) is (found.verdict is not GOOD)
    return found.verdict


def test_the_posture_is_held_against_the_nodes() -> None:
    """A member that may confirm and would not be cut loses what only it confirmed."""
    assert of_posture(POSTURE, trio()) is GOOD
    assert of_posture(replace(POSTURE, must_cut=frozenset({AWS, GCP, AZURE})), trio()) is GOOD, "a superset"
    assert of_posture(replace(POSTURE, must_cut=frozenset({AWS})), trio()) is BAD
    assert of_posture(replace(POSTURE, writer=GCP), trio()) is BAD
    assert of_posture(replace(POSTURE, reign=Epoch(2)), trio()) is BAD
    assert of_posture(replace(POSTURE, writer=GCP), with_part(GCP, node=MUTE)) is UNKNOWN, "the silent one may be it"
    assert of_posture(POSTURE, with_node(AZURE, ack_slots=(naming.stream(SERVICE, Epoch(3), AZURE, AWS),))) is GOOD
    assert of_posture(POSTURE, with_part(AZURE, node=MUTE)) is UNKNOWN
    assert of_posture(None, trio()) is WARNING
    assert of_posture(MUTE, trio()) is UNKNOWN


def test_every_prerequisite_has_a_check_and_every_check_a_judge() -> None:
    """A check that nobody makes would be a promise of the catalogue's only."""
    surroundings = {
        *(found.check for found in providers.server("", SOUND, NOW)),
        *(found.check for found in providers.instances("", 1, 1)),
        *(found.check for found in zone.judge(zone.Zone(wanted={PAY: WANTED}, authorities=route53(HELD)))),
        papers.certificate("", MUTE, NOW).check,
        papers.issuer(None).check,
        papers.etcd({}).check,
        papers.posture(SERVICE, None, Nodes(service=SERVICE, databases=trio())).check,
        providers.survivors(SERVICE, Policy(), frozenset(SITES)).check,
    }
    assert OF_DATABASES | surroundings == frozenset(Check) == AREA.keys()
    assert set(AREA.values()) == set(Area)


def test_every_check_is_on_the_page() -> None:
    """Who reads a finding at night finds its name in docs/doctor.md, under its area."""
    page = (Path(__file__).parents[4] / "docs" / "doctor.md").read_text(encoding="utf-8")
    rows = {cells[1].strip(): cells[2] for line in page.splitlines() if len(cells := line.split("|")) == 4}
    for check, area in AREA.items():
        assert f"`{check}`" in rows[str(area)], check
