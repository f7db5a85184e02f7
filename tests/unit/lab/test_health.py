"""Health checks turn answers at each vendor's own pace, and never turn all of them off."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lab.clouds.health import PACES, Standing, answerable, judged, question, questions, well
from lab.clouds.zone import Record
from lab.vendors import AUTHORITIES


def record(site: int, name: str = "pay.test.", health: str | None = "/beacon") -> Record:
    return Record(name=name, type="A", ttl=2, values=(f"192.0.2.{site}",), set_identifier=str(site), weight=1, health=health)


def down(*sites: int) -> dict[str, Standing]:
    return {f"http://192.0.2.{site}/beacon": Standing(healthy=False) for site in sites}


def after(results: str, authority: str) -> Standing:
    """The standing after these answers: `x` is a failure."""
    standing = Standing()
    for result in results:
        standing = judged(standing, result != "x", PACES[authority])
    return standing


@pytest.mark.parametrize(("authority", "fails"), [("route53", 3), ("azuredns", 4), ("clouddns", 2)])
def test_so_many_failures_in_a_row_and_not_one_less(authority: str, fails: int) -> None:
    """Each vendor's documented threshold; a success in between starts the count anew."""
    assert after("x" * (fails - 1), authority).healthy
    assert not after("x" * fails, authority).healthy
    assert after("x" * (fails - 1) + "." + "x" * (fails - 1), authority).healthy


@pytest.mark.parametrize(("authority", "successes"), [("route53", 3), ("azuredns", 1), ("clouddns", 2)])
def test_so_many_successes_bring_it_back(authority: str, successes: int) -> None:
    """A site that answers once is not back at once, but for Traffic Manager."""
    dead = "x" * 5
    assert not after(dead + "." * (successes - 1), authority).healthy
    assert after(dead + "." * successes, authority).healthy


@given(st.lists(st.booleans()), st.sampled_from(AUTHORITIES))
def test_only_a_run_of_equal_answers_turns_a_standing(results: list[bool], authority: str) -> None:
    """Whatever the order of answers, a standing turns only behind a run of the length that the vendor asks for."""
    pace, standing = PACES[authority], Standing()
    for number, ok in enumerate(results, start=1):
        before, standing = standing, judged(standing, ok, pace)
        if standing.healthy != before.healthy:
            needed = pace.successes if standing.healthy else pace.failures
            assert results[number - needed : number] == [ok] * needed


def test_an_unhealthy_record_is_not_answered() -> None:
    """Only that one: another name's record of the same site is asked about, and left out, on its own."""
    zone = [record(1), record(2), record(1, name="other.test.", health=None)]
    assert answerable(zone, down(1)) == (zone[1], zone[2])


def test_when_all_are_unhealthy_all_are_answered() -> None:
    """No authority ever answers nothing because of its health checks; each name is judged for itself."""
    zone = [record(1), record(2), record(1, name="alone.test.")]
    assert answerable(zone, down(1, 2)) == tuple(zone)
    assert answerable(zone, down(1)) == (zone[1], zone[2])


def test_what_has_no_check_is_always_answered() -> None:
    """The zone's own records among them."""
    zone = [Record(name="test.", type="SOA", ttl=900, values=("ns.test. host.test. 1 2 3 4 60",)), record(1, health=None)]
    assert answerable(zone, down(1)) == tuple(zone)
    assert questions(zone) == frozenset()


def test_a_path_is_asked_at_the_records_own_address() -> None:
    """A whole URL is asked as it stands."""
    assert question(record(1)) == "http://192.0.2.1/beacon"
    assert question(record(1, health="http://192.0.2.9/x")) == "http://192.0.2.9/x"


def test_every_authority_has_a_pace_and_none_is_faster_than_its_vendor_allows() -> None:
    """Seconds that can be bought: 10, 10 and 30."""
    assert {name: pace.interval for name, pace in PACES.items()} == {"route53": 10, "azuredns": 10, "clouddns": 30}
    assert set(PACES) == set(AUTHORITIES)


@pytest.mark.parametrize(
    ("status", "route53", "others"),
    [(200, True, True), (204, True, False), (302, True, False), (404, False, False), (503, False, False)],
)
def test_what_counts_as_well_is_the_vendors_rule(status: int, route53: bool, others: bool) -> None:
    """Route 53: 200 to 399. Traffic Manager, unless told otherwise, and Google's health checks: 200."""
    assert {name: well(status, pace) for name, pace in PACES.items()} == {
        "route53": route53,
        "azuredns": others,
        "clouddns": others,
    }
