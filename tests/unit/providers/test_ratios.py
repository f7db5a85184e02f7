"""Ratios become whole weights and back, and what cannot be meant is refused by name."""

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from controller.core.model import Group, Site
from controller.errors import Refused
from controller.providers.ratios import average_shares, superseded, to_shares, to_weights, usable

AWS, AZURE, GCP = Site("aws"), Site("azure"), Site("gcp")
ONE, TWO, THREE = Group("one"), Group("two"), Group("three")
SITES = st.sampled_from([AWS, AZURE, GCP, Site("d"), Site("e")])


@pytest.mark.parametrize(
    ("ratios", "weights"),
    [
        ({AWS: 1, AZURE: 1, GCP: 1}, {AWS: 80, AZURE: 80, GCP: 80}),
        ({AWS: 1, AZURE: 0, GCP: 0}, {AWS: 240, AZURE: 0, GCP: 0}),
        ({AWS: 1, AZURE: 3}, {AWS: 60, AZURE: 180}),
        ({AWS: 0.0001, AZURE: 1, GCP: 1}, {AWS: 1, AZURE: 119, GCP: 120}),
        ({AWS: 1e308, AZURE: 1e308}, {AWS: 120, AZURE: 120}),
        ({AWS: 5e-324, AZURE: 0}, {AWS: 240, AZURE: 0}),
    ],
)
def test_ratios_become_weights_of_one_total(ratios: dict[Site, float], weights: dict[Site, int]) -> None:
    """They follow the ratios as closely as whole numbers can, and never drain a site that is to serve."""
    assert to_weights(ratios, 240) == weights


@given(st.dictionaries(SITES, st.floats(0, 1e6), min_size=1), st.sampled_from([240, 1000]))
def test_weights_follow_any_ratios(ratios: dict[Site, float], total: int) -> None:
    """One total, 0 for 0 and only for 0, a larger ratio never weighs less, and nobody is off by more than one per site."""
    if not any(ratios.values()):
        with pytest.raises(Refused):
            to_weights(ratios, total)
        return
    weights, whole = to_weights(ratios, total), sum(ratios.values())
    assert sum(weights.values()) == total
    assert all((weights[site] == 0) == (ratio == 0) for site, ratio in ratios.items())
    ordered = sorted(ratios, key=lambda site: ratios[site])
    assert all(weights[a] <= weights[b] for a, b in pairwise(ordered) if ratios[a] < ratios[b])
    assert all(abs(weights[site] - ratio / whole * total) <= len(ratios) for site, ratio in ratios.items())


@given(st.dictionaries(SITES, st.floats(0, 1e308), min_size=1))
def test_shares_add_up_to_one_whatever_the_scale(weights: dict[Site, float]) -> None:
    """Large weights do not overflow; all 0 stays all 0."""
    shares = to_shares(weights)
    assert sum(shares.values()) == pytest.approx(1.0 if any(weights.values()) else 0.0)


def test_a_name_left_behind_shows_in_the_mean() -> None:
    """Two names, one of them still sends payers to azure."""
    assert average_shares([{AWS: 1, AZURE: 0}, {AWS: 1, AZURE: 1}]) == {AWS: 0.75, AZURE: 0.25}


def test_what_can_be_meant_is_kept_in_order_beside_what_cannot() -> None:
    """The first asked is the first steered; the others are told with the way out."""
    good, bad = usable({TWO: {AWS: 1}, THREE: {AWS: 0}, ONE: {AWS: 1}, Group("none"): {AWS: 1}}, {ONE, TWO, THREE})
    assert list(good) == [TWO, ONE]
    assert bad.keys() == {THREE, "none"}
    assert "no-orphan-drain" in bad[THREE] and "Name a site" in bad[THREE]
    with pytest.raises(Refused, match="known-group"):
        usable({Group("none"): {AWS: 1}}, {ONE})


def test_only_groups_asked_for_otherwise_are_superseded() -> None:
    """By name, with both wishes."""
    late = superseded({ONE: 1, TWO: 2}, {ONE: 1, TWO: 3, THREE: 4})
    assert late == {TWO: "two: gave up 2: 3 was asked for meanwhile"}
