"""The control plane's own records are held against the promises: each way to break one alone is named."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from controller.coordination.chain import START as BEFORE
from controller.coordination.chain import end_of, link
from controller.core.model import Epoch, Health, JournalEntry, Part
from lab.breaches import Records, breaches
from tests.unit.core.worlds import AWS, AZURE, GCP, SITES, START, observation, posture

FAILOVER = {"plan": "f2", "plan_kind": "failover", "trigger": "automatic", "epoch": 2, "by": "gcp"}
SWITCHOVER = {"plan": "s3", "plan_kind": "switchover", "trigger": "operator", "epoch": 3, "by": "operator"}
TOLD: Sequence[tuple[str, Mapping[str, object]]] = (
    ("founded", {"posture": posture(epoch=Epoch(1), reign=Epoch(1))}),
    ("claim", FAILOVER),
    ("elected", {"plan": "f2", "epoch": 2, "winner": "aws"}),
    ("takeover", FAILOVER),
    ("plan.done", FAILOVER),
    ("claim", {"plan": "g2", "plan_kind": "grow", "trigger": "upkeep", "epoch": 2, "by": "gcp"}),
    ("claim", SWITCHOVER),
    ("elected", {"plan": "s3", "epoch": 3, "winner": "gcp"}),
    ("plan.done", SWITCHOVER),
)


def chained(told: Sequence[tuple[str, Mapping[str, object]]]) -> tuple[JournalEntry, ...]:
    """These entries as one journal, a second apart."""
    entries: list[JournalEntry] = []
    for number, (kind, body) in enumerate(told):
        end = end_of(entries[-1]) if entries else BEFORE
        entries.append(link(end, at=START + timedelta(seconds=number), actor="gcp", kind=kind, body=body))
    return tuple(entries)


def records(told: Sequence[tuple[str, Mapping[str, object]]] = TOLD, **changes: Any) -> Records:
    """A failover, an upkeep plan that a switchover replaced, and everything well in the end."""
    given: dict[str, Any] = {
        "posture": posture(epoch=Epoch(3), reign=Epoch(3), writer=GCP, must_cut=frozenset({AWS, AZURE})),
        "observations": {site: observation(site, {}) for site in SITES},
        "journal": chained(told),
        "ack_set": frozenset({AWS, AZURE}),
        "failovers_allowed": 1,
        "window": timedelta(minutes=10),
    }
    return Records(**{**given, **changes})


def without(kind: str, plan: str) -> Sequence[tuple[str, Mapping[str, object]]]:
    """The journal as it would be had this never happened."""
    return [(one, body) for one, body in TOLD if (one, body.get("plan")) != (kind, plan)]


def forged(found: Records) -> Records:
    """Somebody changed one entry and left its digest."""
    first, second, *rest = found.journal
    return replace(found, journal=(first, replace(second, actor="nobody"), *rest))


DARK = {(vantage, site, Part.EDGE): Health.FAILING for vantage in SITES for site in (AWS, AZURE)}
"""Everybody says that the edges of aws and azure fail."""

AGAIN = [*TOLD, ("claim", {**FAILOVER, "plan": "f4", "epoch": 4}), ("elected", {"plan": "f4", "epoch": 4, "winner": "aws"})]
CASES: dict[str, Callable[[], Records]] = {
    "the journal's chain breaks at entry 2": lambda: forged(records()),
    "the journal's chain breaks at entry 1": lambda: replace(records(), journal=records().journal[1:]),
    "no-loss: azure may acknowledge but would not be cut": lambda: replace(
        records(), posture=replace(records().posture, must_cut=frozenset({AWS}))
    ),
    "one-acknowledger: reign 3 went from gcp to aws": lambda: replace(records(), posture=replace(records().posture, writer=AWS)),
    "one-acknowledger: epoch 3, reign 3 became epoch 2": lambda: replace(
        records(), posture=replace(records().posture, epoch=Epoch(2), reign=Epoch(2))
    ),
    "no-orphan-drain: traffic goes to aws, azure, while gcp can serve": lambda: records(
        posture=replace(records().posture, weights={AWS: 1.0, AZURE: 1.0, GCP: 0.0}),
        observations={site: observation(site, DARK) for site in SITES},
    ),
    "always-finishes: plan s3": lambda: records(without("plan.done", "s3")),
    "no-surprise-return: switchover s3 was asked for by nobody": lambda: records(
        [(kind, {**body, "trigger": "automatic"} if body.get("plan") == "s3" else body) for kind, body in TOLD]
    ),
    "no-surprise-return: 2 automatic failovers": lambda: records(
        [*AGAIN, ("plan.done", {"plan": "f4"})],
        posture=posture(epoch=Epoch(4), reign=Epoch(4), writer=AWS, must_cut=frozenset({AZURE, GCP})),
        ack_set=frozenset({AZURE, GCP}),
    ),
}


def test_sound_records_break_nothing() -> None:
    """The control of the cases below; a plan that another one replaced has ended, and a takeover is no second plan."""
    assert breaches(records()) == ()


@pytest.mark.parametrize("said", CASES)
def test_every_breach_is_named(said: str) -> None:
    """Each thing that can be wrong with the records is found, and is the first thing said."""
    found = breaches(CASES[said]())
    assert found
    assert found[0].startswith(said), found


def test_a_writers_row_that_nobody_could_read_proves_nothing() -> None:
    """An empty ack set breaks no promise; an unknown one is no empty one."""
    assert breaches(records(ack_set=frozenset())) == ()
    (said,) = breaches(records(ack_set=None))
    assert "unknown" in said
