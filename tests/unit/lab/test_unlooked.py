"""A verdict says of what it is one: a service that nobody looked at keeps every promise."""

from dataclasses import replace

import pytest
from rich.console import Console

from lab.aftermath import unlooked
from lab.fleet import LEAN, SCREENING, VAULT, WEBHOOKS, WHOLE
from lab.report import Rehearsal, document
from lab.report_page import page
from lab.screen import summarize
from tests.unit.lab.runs import run


def test_a_run_that_looked_at_everything_leaves_nothing_out() -> None:
    """The control of the cases below."""
    assert unlooked(WHOLE, {VAULT, WEBHOOKS, SCREENING}, ()) == ({}, ())


@pytest.mark.parametrize("forgotten", [VAULT, WEBHOOKS])
def test_a_service_that_ran_and_was_forgotten_is_a_trouble(forgotten: str) -> None:
    """Unless somebody said beforehand that nobody would look; then it is told, and breaks nothing."""
    looked = {VAULT, WEBHOOKS, SCREENING} - {forgotten}
    unproven, (trouble,) = unlooked(WHOLE, looked, ())
    assert unproven == {forgotten: "nobody used it"} and forgotten in trouble
    assert unlooked(WHOLE, looked, (forgotten,)) == (unproven, ())


def test_what_did_not_run_is_told_and_is_no_trouble() -> None:
    """A lab of payments alone says so. Screening keeps nothing that could be reconciled."""
    unproven, troubles = unlooked(LEAN, (), ())
    assert (unproven, troubles) == (dict.fromkeys((VAULT, WEBHOOKS, SCREENING), "it did not run"), ())
    assert unlooked(WHOLE, {VAULT, WEBHOOKS}, ()) == ({SCREENING: "nobody used it"}, ())


def shown(seen: Rehearsal) -> str:
    """The summary as plain lines."""
    console = Console(width=250)
    with console.capture() as capture:
        summarize(console, document(seen))
    return capture.get()


def test_what_was_done_beside_paying_is_told() -> None:
    """A hundred payments held and sixty made would otherwise look like sixty made."""
    assert "of 2 that had to be held 2 were, 1 of them approved; 3 came from tokens, 1 subjects were forgotten" in shown(run())


def test_the_verdict_names_what_it_is_not_about() -> None:
    """On the screen, on the page and in the report; one that is about everything names nothing."""
    lean = replace(run(), unproven={VAULT: "it did not run", WEBHOOKS: "it did not run"})
    assert document(lean)["not_looked_at"] == {VAULT: "it did not run", WEBHOOKS: "it did not run"}
    for said in (shown(lean), page(lean)):
        assert "Not looked at: vault (it did not run), webhooks (it did not run)." in said
    for said in (shown(run()), page(run())):
        assert "Not looked at" not in said
