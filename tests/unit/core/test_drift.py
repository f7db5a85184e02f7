"""Differences between authorities are found, silence is not agreement, and rounding is no difference."""

from collections.abc import Mapping

import pytest
from hypothesis import given
from hypothesis import strategies as st

from controller.core.drift import Consistency, Drift, Misdirection, Reading, alike, compare
from controller.core.model import Group, Site

AWS, AZURE, GCP = Site("aws"), Site("azure"), Site("gcp")
PAY = Group("payments")
WANTED = {PAY: {AWS: 1.0, AZURE: 0.0, GCP: 1.0}}
AS_WANTED = {AWS: 0.5, AZURE: 0.0, GCP: 0.5}
OLD = {AWS: 1 / 3, AZURE: 1 / 3, GCP: 1 / 3}


def reading(authority: str, ratios: Mapping[Site, float] | None, *named: Site, trouble: str = "") -> Reading:
    held = None if ratios is None else {PAY: ratios}
    return Reading(authority=authority, ratios=held, named={PAY: frozenset(named)} if named else {}, trouble=trouble)


def look(*readings: Reading) -> Consistency:
    return compare(WANTED, readings)


def test_three_that_hold_what_is_wanted_are_consistent() -> None:
    """Ratios of any scale; a drained site may be absent or at 0."""
    found = look(reading("route53", AS_WANTED), reading("azure", {AWS: 0.5, GCP: 0.5}, AWS, GCP), reading("clouddns", AS_WANTED))
    assert found.consistent is True
    assert (found.drifts, found.misdirections, found.disagreeing, found.unknown) == ((), (), frozenset(), {})


def test_one_left_behind_is_named_and_disagrees() -> None:
    """The authority that was down during a failover still answers the dead site: it is told by name, with both ratios."""
    found = look(reading("route53", OLD), reading("azure", AS_WANTED))
    assert found.consistent is False
    assert found.drifts == (Drift(authority="route53", group=PAY, wanted=AS_WANTED, found=OLD),)
    assert found.disagreeing == {PAY}
    told = "route53 answers payments by aws 0.33, azure 0.33, gcp 0.33, wanted is aws 0.50, azure 0.00, gcp 0.50"
    assert str(found.drifts[0]) == told


def test_silence_is_neither_agreement_nor_drift() -> None:
    """With one that could not be asked the answer is unknown, and drift of another still shows."""
    assert look(reading("route53", None, trouble="hangs"), reading("azure", AS_WANTED)).consistent is None
    found = look(reading("route53", None, trouble="hangs"), reading("azure", OLD))
    assert found.consistent is False
    assert found.unknown == {"route53": "hangs"}
    assert found.disagreeing == frozenset()


def test_a_missing_record_is_drift() -> None:
    """Somebody deleted it: the authority answers that there is no such name."""
    found = look(Reading(authority="azure", ratios={}), reading("route53", AS_WANTED))
    assert found.drifts == (Drift(authority="azure", group=PAY, wanted=AS_WANTED, found=None),)
    assert "no record" in str(found.drifts[0])


def test_name_servers_that_lag_behind_their_api_are_found() -> None:
    """The API holds what is wanted and its name servers still send clients to the dead site."""
    found = look(reading("route53", AS_WANTED, AWS, AZURE))
    assert found.misdirections == (Misdirection(authority="route53", group=PAY, site=AZURE),)
    assert found.consistent is False
    assert str(found.misdirections[0]) == "name servers of route53 answer payments with azure, which is drained"


def test_groups_nobody_wants_and_wishes_nobody_can_follow_are_passed_over() -> None:
    """An authority may hold other groups; ratios that are all 0 are an error elsewhere, not a drift."""
    other = Reading(authority="route53", ratios={PAY: AS_WANTED, Group("vault"): OLD})
    assert compare(WANTED, [other]).consistent is True
    assert compare({PAY: {AWS: 0.0}}, [other]).consistent is True


@pytest.mark.parametrize(
    ("found", "same"),
    [
        ({AWS: 0.504, GCP: 0.496}, True),
        ({AWS: 0.52, GCP: 0.48}, False),
        ({AWS: 0.498, AZURE: 0.004, GCP: 0.498}, False),
    ],
)
def test_rounding_is_no_difference_and_a_trickle_is_one(found: Mapping[Site, float], same: bool) -> None:
    """Weights are whole numbers; but one in 250 clients sent to a dead site is drift, however small the share."""
    assert alike(AS_WANTED, found) is same


@given(st.lists(st.integers(min_value=0, max_value=1000), min_size=3, max_size=3).filter(any))
def test_what_route_53_can_hold_is_never_drift(weights: list[int]) -> None:
    """Any ratios, rounded to whole weights of which the sites share 255: nothing to repair, or it would be repaired for ever."""
    sites = (AWS, AZURE, GCP)
    wanted = dict(zip(sites, map(float, weights), strict=True))
    whole = [max(1, round(255 * weight / sum(weights))) if weight else 0 for weight in weights]
    held = {site: weight / sum(whole) for site, weight in zip(sites, whole, strict=True)}
    assert compare({PAY: wanted}, [Reading(authority="route53", ratios={PAY: held})]).consistent is True
