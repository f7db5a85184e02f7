"""What a history must be beyond each ledger by itself: one course of events, the same at every site, in reigns that follow one another.
Pure: answers of clients and rows of ledgers in, findings out. `lab.reconcile` asks all of it, so every run is judged by it.

Rules for changing this file: a claim reads rows, never the code it judges. A payment that is named already is not named a second time: a
finding is about one thing that went wrong. What cannot be known from what was read is said in `unknown`, and is no finding.
"""

from collections import Counter, defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from lab.reconcile_rows import Fault, Finding, HeldRow, Ledger, PaymentRow

Ledgers = Mapping[str, Ledger]
"""By site."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Word:
    """One answer that counts: whatever it tells was written in its epoch, at some moment between the two."""

    key: str
    epoch: int
    begun: float
    """When the first request that may have brought it about was sent: seconds of a clock that all clients share."""
    told: float


def went_back(words: Iterable[Word], uncertainty: float = 0.0) -> Iterator[Finding]:
    """Epochs only grow: what was first asked for after an answer of a later epoch had come was written in no earlier one.

    Azure is cut off in epoch 1, aws opens epoch 2 and acknowledges; a payment that is begun afterwards and acknowledged in epoch 1 is one
    that azure acknowledged and nobody was asked for: the next writer does not have it. `uncertainty`: seconds by which clocks of
    clients may differ; none when all of them are on one machine.
    """
    answers = sorted(words, key=lambda word: word.told)
    highest, passed = 0, 0
    for word in sorted(answers, key=lambda word: word.begun):
        while passed < len(answers) and answers[passed].told + uncertainty < word.begun:
            highest = max(highest, answers[passed].epoch)
            passed += 1
        if word.epoch < highest:
            detail = f"answered in epoch {word.epoch}, begun after an answer of epoch {highest}"
            yield Finding(fault=Fault.REVERTED, site=None, subject=word.key, detail=detail)


def rivals(ledgers: Ledgers) -> Iterator[Finding]:
    """One epoch has one writer: by the markers that every reign begins with, wherever they came to, and by what nodes say they are.

    A client cannot see this: it is told the epoch, and the site that it asked may have gone to another one's database.
    """
    for epoch, sites in sorted(_writers(ledgers).items()):
        if len(sites) > 1:
            yield Finding(
                fault=Fault.RIVALS, site=None, subject=f"epoch {epoch}", detail=f"written by {', '.join(sorted(sites))}"
            )


def unmarked(ledgers: Ledgers) -> Iterator[Finding]:
    """A reign's marker comes before its payments: a ledger that has payments of an epoch and not its marker was fed by another stream."""
    marked = _marked(ledgers)
    for site, ledger in sorted(ledgers.items()):
        known = {marker.epoch for marker in ledger.markers}
        for epoch in sorted({payment.epoch for payment in ledger.payments} & marked.keys() - known):
            yield Finding(
                fault=Fault.FORKED, site=site, subject=f"epoch {epoch}", detail="payments of it are there, its marker is not"
            )


def unlike(ledgers: Ledgers, named: Collection[str]) -> Iterator[Finding]:
    """What two ledgers know of one payment, held payment or account and cannot change is the same. Balances and verdicts may lag."""
    first = reference(ledgers)
    known = _fixed(ledgers[first])
    for site, ledger in sorted(ledgers.items()):
        for (what, id), row in _fixed(ledger).items():
            there = known.get((what, id), row)
            if there != row and not {id, getattr(row, "key", id)} & set(named):
                yield Finding(
                    fault=Fault.UNLIKE, site=site, subject=id, detail=f"{what}: {_differing(row, there)}; {first} has the second"
                )


def forks(ledgers: Ledgers, named: Collection[str]) -> Iterator[Finding]:
    """Of every account each site holds the beginning of one and the same course of payments, all of it or less.

    Aws and gcp each hold a payment that the other one lacks: whichever writes next, the account's balance is what no client was told. Order
    is the writer's, who has the account locked while it notes the moment.
    """
    first = reference(ledgers)
    known = _courses(ledgers[first], named)
    for site, ledger in sorted(ledgers.items()):
        courses = _courses(ledger, named)
        for account in sorted(courses.keys() | known.keys()):
            mine, theirs = courses.get(account, ()), known.get(account, ())
            step = next((n for n, (one, other) in enumerate(zip(mine, theirs, strict=False)) if one != other), None)
            if step is not None:
                detail = f"payment {step + 1} of the account is {mine[step]} here and {theirs[step]} at {first}"
                yield Finding(fault=Fault.FORKED, site=site, subject=account, detail=detail)


def split(ledgers: Ledgers, named: Collection[str]) -> Iterator[Finding]:
    """Once nothing is under way any more, a payment that nobody was told of is everywhere or nowhere, and so is one that waits."""
    apart = set(named)
    for what, everywhere in (
        ("payment", {site: {row.id: row.key for row in ledger.payments} for site, ledger in ledgers.items()}),
        ("held payment", {site: {row.id: row.key for row in ledger.held} for site, ledger in ledgers.items()}),
    ):
        for site, held in sorted(everywhere.items()):
            others = {id: key for rows in everywhere.values() for id, key in rows.items()}
            for id in sorted(others.keys() - held.keys()):
                if not {id, others[id]} & apart:
                    where = ", ".join(sorted(name for name, rows in everywhere.items() if id in rows))
                    yield Finding(
                        fault=Fault.SPLIT, site=site, subject=others[id], detail=f"{what} {id} is not here, and is at {where}"
                    )


def overdrawn(site: str, ledger: Ledger, named: Collection[str]) -> Iterator[Finding]:
    """An account that must not be overdrawn never was, at the end of any reign: between two of them the order of payments is certain."""
    reigns = {payment.id: payment.epoch for payment in ledger.payments}
    latest = max(reigns.values(), default=0)
    moved: dict[str, Counter[int]] = defaultdict(Counter)
    for entry in ledger.entries:
        moved[entry.account][reigns.get(entry.payment, latest)] += entry.amount
    for account in ledger.accounts:
        if account.overdraft_allowed or account.id in named:
            continue
        balance = account.opening_balance
        for epoch in sorted(moved[account.id]):
            balance += moved[account.id][epoch]
            if balance < 0:
                yield Finding(
                    fault=Fault.OVERDRAWN, site=site, subject=account.id, detail=f"{balance} at the end of epoch {epoch}"
                )
                break


def unknown(ledgers: Ledgers, epochs: Iterable[int], unasked: Mapping[str, str]) -> tuple[str, ...]:
    """What was not proven either way, in words. `epochs`: of what was acknowledged; `unasked`: sites without a ledger, and why."""
    marked = _marked(ledgers)
    nameless = sorted(set(epochs) - marked.keys())
    alone = len(ledgers) == 1 and not unasked
    return (
        *(f"nothing is known of what {site} holds: {why}" for site, why in sorted(unasked.items())),
        *(f"who wrote epoch {epoch} is unknown: no site that was asked has its marker" for epoch in nameless),
        *(f"only {site} was asked, so nothing is known of forks" for site in ledgers if alone),
    )


def reference(ledgers: Ledgers) -> str:
    """The site whose course others are compared with: the writer of the highest epoch by its own word, or who holds most payments."""

    def rank(site: str) -> tuple[bool, int, int]:
        node, held = ledgers[site].node, len(ledgers[site].payments)
        return (node is not None and node.role == "writer", node.epoch if node else 0, held)

    return max(sorted(ledgers), key=rank)


def _writers(ledgers: Ledgers) -> Mapping[int, set[str]]:
    """By epoch, every site that anybody calls its writer."""
    found = {epoch: set(sites) for epoch, sites in _marked(ledgers).items()}
    for ledger in ledgers.values():
        if ledger.node is not None and ledger.node.role == "writer":
            found.setdefault(ledger.node.epoch, set()).add(ledger.node.site)
    return found


def _marked(ledgers: Ledgers) -> Mapping[int, set[str]]:
    """By epoch, the sites that its markers name."""
    found: dict[int, set[str]] = defaultdict(set)
    for ledger in ledgers.values():
        for marker in ledger.markers:
            found[marker.epoch].add(marker.site)
    return found


def _courses(ledger: Ledger, named: Collection[str]) -> Mapping[str, Sequence[str]]:
    """By account, ids of its payments in their order, without those that are named already."""
    found: dict[str, list[str]] = defaultdict(list)
    for payment in sorted(ledger.payments, key=_moment):
        if payment.key not in named and payment.id not in named:
            found[payment.debtor].append(payment.id)
            found[payment.creditor].append(payment.id)
    return found


def _moment(payment: PaymentRow) -> tuple[int, str, str]:
    return payment.epoch, payment.created_at, payment.id


def _fixed(ledger: Ledger) -> Mapping[tuple[str, str], object]:
    """By kind and id, every row without what changes in the course of things."""
    waiting: Iterable[HeldRow] = (replace(row, state="", decided="") for row in ledger.held)
    rows = (
        *((("payment", row.id), row) for row in ledger.payments),
        *((("held payment", row.id), row) for row in waiting),
        *((("account", row.id), replace(row, balance=0)) for row in ledger.accounts),
    )
    return dict(rows)


def _differing(row: object, other: object) -> str:
    """Columns that are not the same, with both values."""
    columns = [name for name in getattr(row, "__slots__", ()) if getattr(row, name) != getattr(other, name)]
    return ", ".join(f"{name} {getattr(row, name)} and {getattr(other, name)}" for name in columns)
