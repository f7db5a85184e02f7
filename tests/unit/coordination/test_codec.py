"""Every value survives etcd; text that would not is refused by the name of its key."""

import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from controller.coordination.codec import Unreadable, canonical, decode, encode
from controller.coordination.records import Head, Owner
from controller.core.model import Epoch, Health, Lsn, Mode, Observation, Opinion, Part, Pause, Position, Posture, Site, Trigger
from controller.core.plans import Phase, Plan, PlanKind
from controller.errors import Stuck
from controller.ports import Request

AWS, AZURE, GCP = Site("aws"), Site("azure"), Site("gcp")
THEN = datetime(2026, 1, 1, 12, 30, 0, 123456, tzinfo=UTC)

POSTURE = Posture(
    service="payments",
    epoch=Epoch(3),
    writer=AZURE,
    reign=Epoch(2),
    must_cut=frozenset({AWS, GCP, AZURE}),
    weights={AWS: 0.25, AZURE: 1.0, GCP: 0.0},
    drained=frozenset({GCP}),
    mode=Mode.TRAFFIC_ONLY,
    pause=Pause(by="operator", reason="maintenance", since=THEN, until=THEN + timedelta(hours=1)),
)
PLAN = Plan(
    id="e3",
    service="payments",
    kind=PlanKind.FAILOVER,
    epoch=Epoch(3),
    trigger=Trigger.AUTOMATIC,
    reason="azure fails",
    by="aws",
    started=THEN,
    subject=AZURE,
    phase=Phase.ATTACH,
    positions=(Position(site=AWS, publisher=AZURE, epoch=Epoch(2), lsn=Lsn(2**63)),),
    winner=AWS,
    siblings=(GCP,),
    attached=frozenset({GCP}),
    marker=Lsn(7),
    weights={AWS: 1.0},
)
OPINION = Opinion(health=Health.FAILING, misses=3, successes=0, latency=timedelta(microseconds=12345), detail="é\n")
OBSERVATION = Observation(
    vantage=AWS,
    sequence=9,
    opinions={AZURE: {Part.EDGE: OPINION, Part.DATABASE: replace(OPINION, latency=None)}},
    suspects_itself=True,
)
HEARD = replace(OBSERVATION, traffic=replace(OPINION, latency=None))
REQUEST = Request(id="1", verb="pause", by="operator", reason="why", at=THEN, arguments={"for": "1h"})
VALUES = (POSTURE, PLAN, OBSERVATION, HEARD, REQUEST, Owner(controller="aws", session=2**62), Head(commits=2, recent=("a", "b")))


@pytest.mark.parametrize("value", VALUES, ids=lambda value: type(value).__name__)
def test_a_value_survives_etcd(value: object) -> None:
    """What is read back equals what was written, field by field and type by type."""
    read = decode(type(value), encode(value), key="/k")
    assert read == value and encode(read) == encode(value)


def test_equal_values_are_spelled_alike() -> None:
    """The order in which a set or mapping was filled leaves no trace, or equal commits would bear different stamps."""
    other = replace(
        POSTURE, must_cut=frozenset(sorted(POSTURE.must_cut, reverse=True)), weights=dict(reversed(list(POSTURE.weights.items())))
    )
    assert encode(other) == encode(POSTURE)


@given(st.recursive(st.none() | st.integers() | st.text(), lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner)))
def test_the_canonical_spelling_is_one(value: object) -> None:
    """Reading and spelling again gives the same text, without a space outside of strings."""
    text = canonical(value)
    assert canonical(json.loads(text)) == text
    assert text.isascii()


@pytest.mark.parametrize(
    ("text", "because"),
    [
        ("", "Invalid JSON"),
        ("{", "Invalid JSON"),
        ("[]", "an object"),
        (encode({"service": "payments"}), "epoch"),
        (encode(POSTURE).replace("traffic-only", "sometimes"), "mode"),
    ],
    ids=["empty", "torn", "list", "half", "unknown mode"],
)
def test_unreadable_text_names_its_key(text: str, because: str) -> None:
    """The operator learns which key, what is wrong with it, and that it was left alone."""
    with pytest.raises(Unreadable, match=because) as failure:
        decode(Posture, text, key="/trimaran/payments/posture")
    assert "/trimaran/payments/posture" in str(failure.value) and "left as it is" in str(failure.value)
    assert isinstance(failure.value, Stuck)


@pytest.mark.parametrize("path", [(), ("pause",)], ids=["outside", "inside"])
def test_a_field_that_would_be_lost_is_refused(path: tuple[str, ...]) -> None:
    """A newer version's field would be gone after the next write of the posture."""
    body = json.loads(encode(POSTURE))
    target = body
    for name in path:
        target = target[name]
    target["tide"] = "low"
    with pytest.raises(Unreadable, match=r"\.".join((*path, "tide"))):
        decode(Posture, canonical(body), key="/k")


def test_a_field_that_is_new_to_the_text_takes_its_default() -> None:
    """What an older version wrote is read, so that versions can be changed one controller at a time."""
    body = json.loads(encode(POSTURE))
    del body["drained"]
    assert decode(Posture, canonical(body), key="/k") == replace(POSTURE, drained=frozenset())


def test_an_observation_from_before_there_was_traffic_is_read() -> None:
    """Its vantage says nothing about traffic, and everything else counts."""
    body = json.loads(encode(HEARD))
    del body["traffic"]
    assert decode(Observation, canonical(body), key="/k") == OBSERVATION


def test_an_observation_that_says_nothing_of_traffic_can_be_read_by_who_does_not_know_it() -> None:
    """Controllers are brought to a new version first and told of agents afterwards; in between nobody's word is lost. What means
    something when it is none is still written."""
    assert "traffic" not in json.loads(encode(OBSERVATION)) and "traffic" in json.loads(encode(HEARD))
    assert json.loads(encode(replace(POSTURE, pause=None)))["pause"] is None
