"""What a person reads at the end of a rehearsal."""

from dataclasses import replace

from rich.console import Console

from lab.reconcile_answers import Answers
from lab.reconcile_recovery import Clients
from lab.report import Rehearsal, document
from lab.screen import summarize
from tests.unit.lab.runs import run


def shown(seen: Rehearsal) -> str:
    """The summary as plain lines."""
    console = Console(width=200, record=True, quiet=True)
    with console.capture() as capture:
        console.quiet = False
        summarize(console, document(seen))
    return capture.get()


def with_habit(**changes: object) -> Rehearsal:
    held = replace(Clients(affected=4, unrecovered=0, p50=2.1, p95=2.5, max=2.5), **changes)  # type: ignore[arg-type]
    return replace(run(), recovery=replace(run().recovery, ignoring_ttl=held))


def test_clients_that_ignore_ttls_have_a_line_of_their_own() -> None:
    """Their recovery is told beside the honest ones'; where only the healing saved some, that is said instead of a figure."""
    assert "the same, ignoring TTLs" not in shown(run())
    assert "4 affected, median 2.10 s, last 2.50 s" in shown(with_habit())
    assert "4 affected, 1 of them only once azure was healed" in shown(with_habit(healed_first=1, max=None))
    assert "0 affected" in shown(with_habit(affected=0, p50=None, p95=None, max=None))


def test_stale_answers_are_told_per_authority() -> None:
    """A silent authority is called silent, not up to date."""
    answers = {
        "Route 53": Answers(answered=40, stale=10, last_stale=4.66, unended=False, unanswered=0),
        "Cloud DNS": Answers(answered=40, stale=0, last_stale=None, unended=False, unanswered=0),
        "Azure DNS and Traffic Manager": Answers(answered=0, stale=0, last_stale=None, unended=False, unanswered=29),
    }
    told = "Route 53 25% until 4.7 s, Cloud DNS 0%, Azure DNS and Traffic Manager silent"
    assert told in shown(replace(run(), answers=answers))
    assert "stale answers" not in shown(replace(run(), answers={}))
