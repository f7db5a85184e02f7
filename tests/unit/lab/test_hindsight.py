"""What was kept of a run says the same of it as was said then, on a machine that never saw it."""

import json
from pathlib import Path

import pytest

from lab.hindsight import judged_again, keep_ledgers, main
from lab.ledgers import ledger_in, write_ledger
from lab.lines import DamagedError
from lab.reconcile import reconcile
from lab.reconcile_rows import ErasureRow, Fault, Ledger, SourceRow
from lab.record import Record
from tests.unit.lab.histories import BANK, PAYER, SHOP, SITES, History


def run() -> History:
    """A payment in each of two reigns, and one that waits."""
    course = History()
    course.pay("k1", PAYER, SHOP, 100)
    course.hold("h1", PAYER, BANK, 900)
    course.fail_over("aws")
    course.pay("k2", BANK, SHOP, 7)
    return course


def keep(folder: Path, course: History, ledgers: dict[str, Ledger], unread: dict[str, str] | None = None) -> None:
    (folder / "load").mkdir()
    record = Record(folder / "load" / "run.jsonl")
    with record:
        for line in course.lines:
            record.append(line)
    (folder / "load" / "run.vault.jsonl").write_text('{"kind":"of another record"}\n')
    keep_ledgers(folder, ledgers, unread or {})


def test_a_ledger_comes_back_as_it_was(tmp_path: Path) -> None:
    """Every kind of row, reasons and digests of tables included: an equal value, an equal digest."""
    course = run()
    whole = course.ledger("aws")
    whole = Ledger(
        **{name: getattr(whole, name) for name in ("payments", "entries", "accounts", "held", "markers", "node")},
        sources=(SourceRow(payment="p-k1", token=None, subject=None),),
        erasures=(ErasureRow(id="e", subject="s", caller="officer", reason="asked"),),
        tables={"ledger.payment": "ab"},
    )
    file = tmp_path / "aws.json"
    file.write_text(write_ledger(whole))
    assert ledger_in(file) == whole
    assert ledger_in(file).digest() == whole.digest()


@pytest.mark.parametrize("change", [{"node": {"site": "aws"}}, {"payments": [{"id": "p"}]}, {"accounts": None}])
def test_a_file_that_is_no_ledger_is_refused(tmp_path: Path, change: dict[str, object]) -> None:
    """Half of a row judged as a whole one would be a history that nobody had."""
    file = tmp_path / "aws.json"
    file.write_text(json.dumps(json.loads(write_ledger(run().ledger("aws"))) | change))
    with pytest.raises(DamagedError, match=r"aws\.json is no ledger"):
        ledger_in(file)


def test_a_run_that_was_right_is_judged_right_again(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """All findings, counts and digests are those of the moment; a cardholders' record beside it is left alone."""
    course = run()
    keep(tmp_path, course, course.ledgers())
    assert judged_again(tmp_path) == reconcile(course.lines, course.ledgers())
    assert main([str(tmp_path)]) == 0
    assert capsys.readouterr().out == "2 acknowledged of 3 payments, 0 never told\n"


def test_a_loss_is_found_again_and_told(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """By key and site."""
    course = run()
    keep(tmp_path, course, course.ledgers() | {"gcp": course.ledger("gcp", course.course[:-1])})
    found = judged_again(tmp_path)
    assert [(one.fault, one.site, one.subject) for one in found.findings] == [(Fault.LOST, "gcp", "k2")]
    assert main([str(tmp_path)]) == 1
    assert "lost at gcp: k2: payment p-k2 is not there" in capsys.readouterr().out


def test_a_site_of_which_nothing_was_kept_is_unknown_and_not_right(tmp_path: Path) -> None:
    """With its reason when there was one."""
    course = run()
    keep(tmp_path, course, {"aws": course.ledger("aws")}, {"gcp": "it was dead"})
    assert judged_again(tmp_path, SITES).unknown == (
        "nothing is known of what azure holds: no ledger of it was kept",
        "nothing is known of what gcp holds: it was dead",
    )
    assert main([str(tmp_path)]) == 1


def test_nothing_to_judge_is_an_error(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """An empty folder must not come out clean."""
    assert main([str(tmp_path)]) == 2
    assert main([]) == 2
    assert "no ledger to compare with" in capsys.readouterr().err
