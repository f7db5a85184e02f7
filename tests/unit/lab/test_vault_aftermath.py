"""Whatever the vault breaks breaks the verdict, by its name, and a report tells of both services."""

import json
from collections.abc import Callable
from dataclasses import replace

import pytest

from lab.half_moved import ServiceMove
from lab.reconcile_vault_rows import Harm, VaultFinding
from lab.report import Rehearsal, broken_promises, document
from lab.report_page import headline, page
from lab.report_services import told_half_moved, told_vault
from lab.screen import open_console, summarize
from lab.vault_aftermath import SAID, VaultAftermath, broken_vault
from tests.unit.lab.runs import reconciliation, run
from tests.unit.lab.vault_runs import MOVE, aftermath, kept

FINDING = VaultFinding(harm=Harm.LOST, site="aws", subject="key", detail="token <t> is not there")


def seen(vault: VaultAftermath | None = None, move: ServiceMove = MOVE) -> Rehearsal:
    """A failover of both services in which everything went well."""
    return replace(run(2.0), healing_at=7.0, vault=vault or aftermath(), vault_move=move)


def told(**changes: object) -> VaultAftermath:
    """An aftermath with another reconciliation."""
    return replace(aftermath(), reconciliation=kept(**changes))


def test_a_vault_that_kept_everything_breaks_nothing() -> None:
    """Nor does a run without cardholders."""
    assert broken_vault(aftermath()) == ()
    assert broken_promises(seen()) == broken_promises(replace(run(2.0), healing_at=7.0)) == ()


BREAKS: dict[str, Callable[[], VaultAftermath]] = {
    **{said: (lambda harm=harm: told(harms={harm: 3})) for harm, said in SAID.items()},  # type: ignore[misc]
    "2 errands were declined": lambda: told(declined=2),
    "the sites differ": lambda: told(digests={"aws": "a", "gcp": "b"}),
    "no token was ever acknowledged": lambda: told(tokens=0),
    "no number was ever revealed": lambda: told(reveals=0),
    "4 errands were still unresolved when the load ended; last told: 4 x deadline": lambda: told(
        unresolved=4, last_words={"deadline": 4}
    ),
    "did not do what it promises: dropped": lambda: told(defects=("dropped",)),
    "the vault of gcp cannot be read": lambda: replace(aftermath(), troubles=("the vault of gcp cannot be read: no",)),
}


@pytest.mark.parametrize("broken", BREAKS)
def test_whatever_the_vault_breaks_breaks_the_verdict(broken: str) -> None:
    """Alone, named, and said to be the vault's."""
    after = BREAKS[broken]()
    (said,) = broken_vault(after)
    assert said.startswith("vault: ")
    assert broken in said
    assert broken_promises(seen(after)) == (said,)
    assert document(seen(after))["verdict"] == "broken"


UNSHOWN: dict[str, Rehearsal] = {
    "no subject was erased in the vault": seen(told(erasures=0)),
    "nobody asked for a number that was erased": seen(told(refused=0)),
    "no payment came from a token": replace(seen(), reconciliation=reconciliation(from_tokens=0)),
    "nobody paid from a token that was erased": replace(seen(), reconciliation=reconciliation(refusable=1, refused=0)),
    "payments was never asked to forget anybody": replace(seen(), reconciliation=reconciliation(erasures=0)),
    "9 payments were held and none approved": replace(seen(), reconciliation=reconciliation(planted=9, caught=9, approved=0)),
}


@pytest.mark.parametrize("unshown", UNSHOWN)
def test_a_check_that_met_nothing_breaks_the_verdict(unshown: str) -> None:
    """Of a run without an erasure every promise about erasures is kept, and none is shown."""
    (said,) = broken_promises(UNSHOWN[unshown])
    assert unshown in said


def test_an_erasure_at_the_end_of_a_run_breaks_nothing() -> None:
    """Nobody had the time to try its tokens; and who tried them and was refused has shown it."""
    assert broken_promises(replace(seen(), reconciliation=reconciliation(erasures=3, refusable=0, refused=0))) == ()
    assert broken_promises(replace(seen(), reconciliation=reconciliation(refusable=2, refused=2))) == ()


def test_every_harm_has_words() -> None:
    """A kind of harm that is added breaks the verdict too."""
    assert set(SAID) == set(Harm)


def test_a_vault_that_did_not_move_breaks_the_verdict() -> None:
    """Payments that go on do not make up for it."""
    stuck = replace(MOVE, first_acknowledged=None)
    (said,) = broken_promises(seen(move=stuck))
    assert said == "vault: nothing was acknowledged in a later epoch"


def test_the_report_tells_of_both_services() -> None:
    """Side by side, under the same keys; the old keys stay."""
    said = json.loads(json.dumps(document(seen(told(findings=(FINDING,), harms={Harm.LOST: 1})))))
    payments, vault = said["services"]["payments"], said["services"]["vault"]
    assert set(payments) <= set(vault)
    assert (payments["writer_before"], payments["writer_after"], payments["first_ack_s"]) == ("azure", "aws", 2.0)
    both = payments.keys() & said["payments"].keys()
    assert both >= {"attempted", "lost", "denied"} and all(payments[name] == said["payments"][name] for name in both)
    assert said["payments"].keys() - both >= {"planted", "held", "from_tokens", "erasures", "refused"}
    assert (vault["writer_after"], vault["epoch_before"], vault["epoch_after"], vault["first_ack_s"]) == ("gcp", 1, 2, 2.9)
    assert (vault["attempted"], vault["acknowledged"], vault["lost"], vault["duplicated"]) == (10, 9, 1, 0)
    assert (vault["tokens"], vault["reveals"], vault["erasures"], vault["refused_after_erasure"]) == (5, 3, 1, 1)
    assert (vault["revived"], vault["untraced"], vault["unerased"], vault["unwrapped"], vault["orphaned"]) == (0, 0, 0, 0, 0)
    assert vault["ledgers_equal"] is True
    assert vault["findings"][0]["subject"] == "key"
    assert said["half_moved"] == {"first": "payments", "last": "vault", "from_s": 2.0, "to_s": 2.9, "seconds": 0.9}


def test_a_run_without_cardholders_tells_of_payments_alone() -> None:
    """Nobody is told that the vault lost nothing when nobody used it."""
    said = document(replace(run(2.0), healing_at=7.0))
    assert list(said["services"]) == ["payments"]
    assert said["half_moved"] is None
    assert (told_half_moved(said), told_vault(said)) == ("", "")
    assert headline(said) == "Crash of azure: paying again after 2.00 s, 0 payments lost"


def test_page_and_screen_tell_of_both_services(capsys: pytest.CaptureFixture[str]) -> None:
    """What was lost in the headline, who moved where and when below it."""
    after = told(findings=(FINDING,), harms={Harm.LOST: 1})
    shown = page(seen(after))
    assert "0 payments and 1 tokens lost" in shown
    assert "azure → gcp" in shown
    assert "The fleet was half moved for 0.90 s: payments first, vault 2.90 s after the fault." in shown
    assert "Cardholders had 5 numbers kept, 3 shown and 1 subjects erased; 1 reveals of what was erased were refused." in shown
    summarize(open_console(), document(seen(after)))
    out = " ".join(capsys.readouterr().out.split())
    assert "azure (epoch 1) -> gcp (epoch 2), first acknowledged 2.90 s" in out
    assert "half moved for 0.90 s" in out
    assert "Broken: vault: 1 acknowledged tokens" in out


def test_a_fleet_that_stays_half_moved_is_told() -> None:
    """On the page and on the screen."""
    said = document(seen(move=replace(MOVE, first_acknowledged=None)))
    assert told_half_moved(said) == "The fleet stayed half moved: payments from 2.00 s on, vault never."
