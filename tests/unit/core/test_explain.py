"""A decision can be told from the journal alone: why it was taken, why not, and what would make it."""

import json
from dataclasses import replace

from controller.core.decide import Decision, State, decide
from controller.core.explain import DECISION, explain, explain_decision, explain_reason, record
from controller.core.guards import OVERRIDDEN
from controller.core.model import JournalEntry, Mode, Reason, Verdict
from tests.unit.core.worlds import DEAD, START, World, at, posture


def told(world: World) -> str:
    """The decision of this world, through the journal and back."""
    decision = decide(State(), world.snapshot(), world.running, (), world.policy, at(0))
    body = json.loads(json.dumps(record(decision)))
    return explain(JournalEntry(sequence=1, at=START, actor="controller-aws", kind=DECISION, body=body))


def test_why_it_acted() -> None:
    """What, because of what, and on whose word."""
    text = told(DEAD)
    assert text.startswith(
        "2026-03-01T12:00:00.000+00:00 controller-aws: Decided to fail over from azure, traffic aws 1, azure 0, gcp 1"
    )
    assert "because azure's database is failing" in text
    assert "azure/database is failing (0.2 s old): aws says failing (0.2 s ago); gcp says failing (0.2 s ago)" in text.replace(
        "Azure/", "azure/"
    )
    assert "Consented: mode, pause, quorum-or-hold" in text


def test_why_it_did_not() -> None:
    """What it would have done, which guard refused, what that saw and needs, and the way out."""
    text = told(replace(DEAD, posture=posture(mode=Mode.MANUAL)))
    assert "Decided to do nothing" in text
    assert "Would fail over from azure" in text
    assert "Mode holds: manual; needs a mode that leaves this to automation. Approve it: failover --from azure" in text


def test_what_would_make_it() -> None:
    """A quiet decision says what a failover would take."""
    text = told(World())
    assert "Writer-lost holds: azure's database is healthy; needs failing for 2 fresh vantages" in text


def test_a_decision_reads_alike_before_and_after_the_journal() -> None:
    """One set of words for the terminal and for the record."""
    decision = decide(State(), DEAD.snapshot(), None, (), DEAD.policy, at(0))
    assert told(DEAD).endswith(explain_decision(decision))
    assert all(explain_reason(reason) for reason in decision.reasons)


def test_an_override_is_told() -> None:
    """Whoever reads the record sees which guard was overridden, and what it had seen."""
    reason = Reason(
        guard="freeze-window", verdict=Verdict.ALLOWED, value=f"{OVERRIDDEN}frozen until noon", limit="outside freezes"
    )
    decision = Decision(state=State(), proposal=None, reasons=(reason,))
    assert "Freeze-window was overridden: frozen until noon" in explain_decision(decision)
    assert "Consented" not in explain_decision(decision)


def test_an_unknown_kind_is_told_in_full() -> None:
    """Nothing in the journal is hidden because this version does not know its kind."""
    entry = JournalEntry(sequence=2, at=START, actor="kim", kind="step", body={"step": {"cut": "gcp"}, "result": [1, None]})
    assert explain(entry).endswith("kim: step: step (cut gcp), result 1, none")
    assert explain(replace(entry, body={"sentence": "gcp was cut"})).endswith("kim: step: gcp was cut")
    assert explain(replace(entry, body={})).endswith("kim: step")
