"""Judges a run again from what was kept of it: clients' records and ledgers in files, and nothing that has to be running.

    python -m lab.hindsight FOLDER

FOLDER holds `load/RUN.jsonl`, as clients wrote it, and `ledgers/SITE.json`, as SQL answered at every site. Exit 0: no promise about
payments is broken; 1: one is, or something is not known; 2: there is nothing to judge, or it cannot be relied on.
"""

import sys
from collections.abc import Sequence
from pathlib import Path

from lab.aftermath import broken_payments
from lab.cabling import SITES
from lab.ledgers import ledger_in, write_ledger
from lab.lines import DamagedError
from lab.reconcile import Reconciliation, reconcile
from lab.reconcile_rows import Ledger
from lab.record import read_record

RECORDS, LEDGERS, UNREAD = "load", "ledgers", ".why"
VAULT = ".vault.jsonl"
"""How a record of cardholders is called, which says nothing of payments."""


def keep_ledgers(folder: Path, ledgers: dict[str, Ledger], unread: dict[str, str]) -> None:
    """Put what was read, and why the rest was not, where `judged_again` looks for it. Raises OSError."""
    place = folder / LEDGERS
    place.mkdir(parents=True, exist_ok=True)
    for site, ledger in ledgers.items():
        (place / f"{site}.json").write_text(write_ledger(ledger) + "\n", encoding="utf-8")
    for site, why in unread.items():
        (place / f"{site}{UNREAD}").write_text(why + "\n", encoding="utf-8")


def judged_again(folder: Path, sites: Sequence[str] = SITES) -> Reconciliation:
    """What the records of a folder come to against its ledgers. Whether everything had drained nobody wrote down, so what stayed at some
    sites only is no finding here; forks are. Raises DamagedError, OSError, and ValueError without a ledger."""
    lines = [
        line for file in sorted((folder / RECORDS).glob("*.jsonl")) if not file.name.endswith(VAULT) for line in read_record(file)
    ]
    ledgers = {file.stem: ledger_in(file) for file in sorted((folder / LEDGERS).glob("*.json"))}
    unasked = {site: _why(folder / LEDGERS / f"{site}{UNREAD}") for site in sites if site not in ledgers}
    return reconcile(lines, ledgers, unasked=unasked)


def _why(file: Path) -> str:
    return file.read_text(encoding="utf-8").strip() if file.exists() else "no ledger of it was kept"


def main(arguments: Sequence[str]) -> int:
    """See above."""
    try:
        (folder,) = arguments
        found = judged_again(Path(folder))
    except (DamagedError, OSError, ValueError) as error:
        print(f"nothing can be judged: {error}", file=sys.stderr)
        return 2
    print(f"{found.acknowledged} acknowledged of {found.attempted} payments, {found.unresolved} never told")
    broken = (*broken_payments(found), *found.unknown)
    for said in (*broken, *(f"{one.fault} at {one.site or 'clients'}: {one.subject}: {one.detail}" for one in found.findings)):
        print(said)
    return 1 if broken else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
