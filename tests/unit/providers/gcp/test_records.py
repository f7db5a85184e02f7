"""Record sets of Cloud DNS: whose they are, what they weigh, and the change that makes them weigh otherwise."""

import json
from typing import Any

import pytest

from controller.core.model import Group, Site
from controller.errors import Refused
from controller.providers.gcp.records import MOST_BYTES, MOST_PARTS, changes, edit, parents, shares
from controller.providers.records import GroupRecords, WeightedName

AWS, AZURE, GCP = Site("aws"), Site("azure"), Site("gcp")
ADDRESSES = {AWS: "192.0.2.1", AZURE: "192.0.2.2", GCP: "192.0.2.3"}
PAY = Group("pay")
FAST, SLOW = WeightedName(name="pay.g.example.test", ttl=2), WeightedName(name="pay-slow.g.example.test", ttl=30)
RECORDS = GroupRecords(names=(FAST, SLOW), addresses=ADDRESSES)
HEALTH = "https://www.googleapis.com/compute/v1/projects/p/global/healthChecks/beacon"
EQUAL = {AWS: 80, AZURE: 80, GCP: 80}
DRAINED = {AWS: 120, AZURE: 0, GCP: 120}


def weighted(name: WeightedName, weights: dict[Site, float], **more: Any) -> dict[str, Any]:
    """A weighted record set as the API lists it."""
    items = [{"weight": weight, "rrdatas": [ADDRESSES[site]]} for site, weight in weights.items()]
    record = {"kind": "dns#resourceRecordSet", "name": name.absolute, "type": "A", "ttl": 7}
    return {**record, "routingPolicy": {"wrr": {"items": items}}, **more}


def zone(weights: dict[Site, float]) -> dict[str, dict[str, Any]]:
    """Both names, weighing the same."""
    return {name.absolute: weighted(name, weights) for name in (FAST, SLOW)}


def test_ratios_do_not_depend_on_what_the_weights_add_up_to() -> None:
    """Weights that somebody else chose are read as the shares that they mean."""
    assert shares(RECORDS, zone({AWS: 3.0, AZURE: 0.0, GCP: 1.0})) == {AWS: 0.75, AZURE: 0.0, GCP: 0.25}
    assert shares(RECORDS, {}) == {}


def test_a_change_deletes_exactly_what_was_read_and_keeps_all_but_the_weights() -> None:
    """TTL, health check and unknown fields survive; the deletion is the record set as it was read, to the byte."""
    present = weighted(FAST, {AWS: 1.0, AZURE: 1.0, GCP: 1.0}, signatureRrdatas=["s"], later="kept")
    present["routingPolicy"]["healthCheck"] = HEALTH
    one = edit(PAY, GroupRecords(names=(FAST,), addresses=ADDRESSES), {FAST.absolute: present}, DRAINED)
    assert one.deletions == (present,)
    (made,) = one.additions
    assert made["ttl"] == 7
    assert made["later"] == "kept"
    assert "signatureRrdatas" not in made
    assert made["routingPolicy"]["healthCheck"] == HEALTH
    assert [item["weight"] for item in made["routingPolicy"]["wrr"]["items"]] == [120, 0, 120]
    assert one.after == {AWS: 0.5, AZURE: 0.0, GCP: 0.5}


def test_what_stands_is_not_sent() -> None:
    """Other weights of the same shares are no reason for a change; one name left behind is, and only that one is sent."""
    assert edit(PAY, RECORDS, zone({AWS: 1.0, AZURE: 1.0, GCP: 1.0}), EQUAL).additions == ()
    behind = zone({AWS: 1.0, AZURE: 1.0, GCP: 1.0}) | {SLOW.absolute: weighted(SLOW, {AWS: 1.0, AZURE: 0.0, GCP: 1.0})}
    assert [record["name"] for record in edit(PAY, RECORDS, behind, EQUAL).additions] == [SLOW.absolute]


def test_a_missing_record_set_is_made_and_a_site_that_is_not_named_is_drained() -> None:
    """A name without a record set gets one with its own TTL; a site that the ratios leave out weighs nothing."""
    made = edit(PAY, RECORDS, {}, EQUAL)
    assert made.deletions == ()
    assert [(record["name"], record["ttl"]) for record in made.additions] == [(FAST.absolute, 2), (SLOW.absolute, 30)]
    assert edit(PAY, RECORDS, zone({AWS: 1.0, AZURE: 1.0}), {AWS: 240}).after == {AWS: 1.0, AZURE: 0.0}


def test_a_site_that_joins_a_checked_record_set_is_checked_too() -> None:
    """Under a health check the new item names a checked endpoint; an unchecked one would be answered while its site is dead."""
    present = weighted(FAST, {})
    present["routingPolicy"] = {"healthCheck": HEALTH, "wrr": {"items": [checked(AWS)]}}
    one = edit(PAY, GroupRecords(names=(FAST,), addresses=ADDRESSES), {FAST.absolute: present}, {AWS: 120, GCP: 120})
    items = one.additions[0]["routingPolicy"]["wrr"]["items"]
    assert items == [{**checked(AWS), "weight": 120}, {**checked(GCP), "weight": 120}]


def checked(site: Site) -> dict[str, Any]:
    """An item whose endpoint is health-checked."""
    return {"weight": 1, "healthCheckedTargets": {"externalEndpoints": [ADDRESSES[site]]}}


@pytest.mark.parametrize(
    ("record", "wrong"),
    [
        ({"name": FAST.absolute, "type": "A", "ttl": 5, "rrdatas": ["198.51.100.9"]}, "plain"),
        ({"name": FAST.absolute, "type": "A", "ttl": 5, "routingPolicy": {"geo": {"items": []}}}, "geo"),
        ({"name": FAST.absolute, "type": "A", "ttl": 5, "routingPolicy": {"primaryBackup": {}}}, "primaryBackup"),
        (
            weighted(FAST, {AWS: 1.0}) | {"routingPolicy": {"wrr": {"items": [{"weight": 1, "rrdatas": ["198.51.100.9"]}]}}},
            "198.51.100.9",
        ),
        (
            weighted(FAST, {}) | {"routingPolicy": {"wrr": {"items": [{"weight": 1, "rrdatas": list(ADDRESSES.values())}]}}},
            "192.0.2.1, 192.0.2.2",
        ),
        (weighted(FAST, {}) | {"routingPolicy": {"wrr": {"items": [checked(AWS), checked(AWS)]}}}, "192.0.2.1"),
    ],
)
def test_a_record_set_of_another_shape_is_refused_by_name(record: dict[str, Any], wrong: str) -> None:
    """Record sets carry no mark of their owner: what is not exactly ours is named with what is wrong, and never replaced."""
    for attempt in (lambda: shares(RECORDS, {FAST.absolute: record}), lambda: edit(PAY, RECORDS, {FAST.absolute: record}, EQUAL)):
        with pytest.raises(Refused) as refusal:
            attempt()
        assert refusal.value.guard == "owned-record"
        assert FAST.name in refusal.value.value and wrong in refusal.value.value
        assert refusal.value.way_out


def test_a_site_without_an_address_is_refused() -> None:
    """A site that is to serve, with no record and no address, is named; it cannot be answered."""
    with pytest.raises(Refused) as refusal:
        edit(PAY, RECORDS, {}, {Site("oci"): 240})
    assert refusal.value.guard == "known-site"
    assert "oci" in refusal.value.value


def test_many_groups_travel_in_as_few_changes_as_the_limits_allow() -> None:
    """A thousand groups stay under the vendor's limits in every change, none is torn apart, none is left out."""
    edits = []
    for number in range(1000):
        names = tuple(WeightedName(name=f"{kind}{number}.g.example.test", ttl=2) for kind in "ab")
        found = {name.absolute: weighted(name, {AWS: 1.0, AZURE: 1.0, GCP: 1.0}) for name in names}
        edits.append(edit(Group(f"g{number}"), GroupRecords(names=names, addresses=ADDRESSES), found, DRAINED))
    sent = list(changes(edits))
    assert [one.group for change in sent for one in change.edits] == [f"g{number}" for number in range(1000)]
    for change in sent:
        assert len(change.body["additions"]) + len(change.body["deletions"]) <= MOST_PARTS
        assert len(json.dumps(change.body)) <= 100_000
        assert len(json.dumps(change.body)) > MOST_BYTES / 2 or change is sent[-1]
    assert list(changes([])) == []


def test_the_vendors_index_leads_back_to_the_group() -> None:
    """The third addition is the second group's, when each group has two names."""
    edits = [edit(Group(name), RECORDS, {}, EQUAL) for name in ("one", "two")]
    (change,) = changes(edits)
    blamed = change.blame("additions", 2)
    assert blamed is not None and blamed.group == "two"
    assert change.blame("deletions", 0) is None


def test_names_are_asked_for_by_their_parent() -> None:
    """Names below one domain are found by one question."""
    assert parents([SLOW.absolute, FAST.absolute, "x.example.test."]) == {
        "g.example.test.": [SLOW.absolute, FAST.absolute],
        "example.test.": ["x.example.test."],
    }
