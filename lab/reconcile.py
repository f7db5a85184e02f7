"""What the clients were told against what the ledgers hold. Pure: record lines and ledger rows in, findings out.

Nothing here believes the service, its counters or one database's word for another's. `lost` and `duplicated` are the two ways in
which the promise `no-loss` breaks; `unresolved` is neither, because nobody was told anything. What sites must hold alike, and reigns that
must follow one another, is asked of `lab.history`.
"""

from collections import Counter, defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, field

from lab import history
from lab.reconcile_rows import Fault, Finding, HeldRow, Ledger, PaymentRow
from lab.reconcile_told import NOBODY, Account, digest_of, read
from lab.record import Declined, Held, Line, Offered
from lab.site_settings import CANARY

NOT_ASKED: Mapping[str, str] = {}
COURSE: Mapping[Fault, str] = {
    Fault.OVERDRAWN: "accounts were overdrawn that must not be",
    Fault.UNLIKE: "payments and accounts are told differently by two sites",
    Fault.FORKED: "accounts have histories that fork",
    Fault.SPLIT: "payments that nobody was told of are at some sites only",
    Fault.RIVALS: "epochs had more than one writer",
    Fault.REVERTED: "answers were of an earlier epoch than one that had been heard before",
}
"""What `lab.history` finds, in words that a count goes before."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Reconciliation:
    """The outcome. Counts are of idempotency keys, so a payment missing on two sites is lost once."""

    attempted: int
    acknowledged: int
    declined: int
    lost: int
    duplicated: int
    denied: int = 0
    """Declined for good, and on some ledger all the same."""
    unresolved: int
    """Offered, and neither acknowledged, held nor declined: asked for until the load's deadline, and never told."""
    held: int = 0
    """Told that a person looks at it first, and not acknowledged since."""
    planted: int = 0
    """Offered as ones that screening must hold."""
    caught: int = 0
    """Of these, told that a person looks at them first. Screening that is away lets payments pass, and counts them."""
    unplanted: int = 0
    """Held though nothing is unusual about them."""
    approved: int = 0
    """Of what was held, how many a reviewer was told to have approved."""
    from_tokens: int = 0
    """Acknowledged, and paid from a token of the vault."""
    erasures: int = 0
    """Of subjects, acknowledged by payments."""
    refused: int = 0
    """Payments from a token that were turned away because its subject had been erased, as they had to be."""
    refusable: int = 0
    """Erasures that payments acknowledged so early that a payment from one of their tokens must have been tried since."""
    remembered: int = 0
    """Subjects that were erased, and are known to some ledger or payer all the same."""
    unfulfilled: int = 0
    """Erasures and reviews that nobody was ever told the outcome of."""
    last_words: Mapping[str, int] = field(default_factory=dict)
    """What the last attempts of those came to, and how many of them: the most frequent first."""
    strangers: int
    """Payments on some ledger, made or held, that nobody offered: not this run, not another one that is known, and not a controller as
    its canary."""
    findings: tuple[Finding, ...]
    digests: Mapping[str, str]
    defects: tuple[str, ...]
    """What the load generator said about itself; a run with any proves less than it seems to."""
    unknown: tuple[str, ...] = ()
    """What was not proven either way, in words: sites that were not asked, reigns whose writer nobody knows."""

    def found(self, *faults: Fault) -> int:
        """How many things these went wrong with, each once, however many sites show it."""
        return _count(self.findings, *faults)

    @property
    def astray(self) -> int:
        """Of how many payments, accounts and epochs no one history is told by all."""
        return self.found(*COURSE)

    @property
    def ledgers_equal(self) -> bool:
        """Do all sites hold the same? False when no ledger was read."""
        return len(set(self.digests.values())) == 1

    @property
    def balanced(self) -> bool:
        """Is every ledger sound in itself?"""
        return all(finding.fault is not Fault.UNBALANCED for finding in self.findings)


def reconcile(
    lines: Iterable[Line],
    ledgers: Mapping[str, Ledger],
    leaving: Mapping[str, float] = NOBODY,
    others: Collection[str] = (),
    *,
    drained: bool = False,
    unasked: Mapping[str, str] = NOT_ASKED,
) -> Reconciliation:
    """Compare one run's record with every site's ledger. Raises ValueError without a ledger: nothing would be proven.

    `leaving`: by subject, when its erasure was first asked for elsewhere, of the vault (monotonic seconds, as in the record).
    `others`: keys that other runs offered on these ledgers. `drained`: nothing is under way any more, so no follower may lag. `unasked`:
    sites that have a ledger which is not among these, and why.
    """
    if not ledgers:
        raise ValueError("no ledger to compare with")
    account = read(lines, leaving)
    unresolved, refused = account.unresolved(), account.refused()
    findings = tuple(_findings(ledgers, account))
    findings += tuple(_history(ledgers, account, findings, drained))
    return Reconciliation(
        attempted=len(account.offered),
        acknowledged=len(account.told),
        declined=len(account.declined.keys() - account.told.keys() - refused),
        lost=_count(findings, Fault.LOST, Fault.ALTERED),
        duplicated=_count(findings, Fault.DUPLICATED),
        denied=_count(findings, Fault.DENIED),
        remembered=_count(findings, Fault.REMEMBERED),
        unresolved=len(unresolved),
        refused=len(refused),
        last_words=dict(Counter(account.failed.get(key, "nothing was answered yet") for key in unresolved).most_common()),
        strangers=len(_made_up(ledgers.values()) - account.offered.keys() - set(others)),
        findings=findings,
        digests={site: ledger.digest() for site, ledger in sorted(ledgers.items())},
        defects=tuple(account.defects),
        unknown=history.unknown(ledgers, {word.epoch for word in account.words}, unasked),
        **account.counts(),
    )


def _made_up(ledgers: Iterable[Ledger]) -> set[str]:
    """Keys of all payments, made or held, but the controllers' canaries."""
    found: set[str] = set()
    for ledger in ledgers:
        found |= {made.key for made in ledger.payments if made.debtor != str(CANARY[0])}
        found |= {held.key for held in ledger.held if held.debtor != str(CANARY[0])}
    return found


def _count(findings: Iterable[Finding], *faults: Fault) -> int:
    """How many things this went wrong with, each once, however many sites show it."""
    return len({finding.subject for finding in findings if finding.fault in faults})


def _findings(ledgers: Mapping[str, Ledger], account: Account) -> Iterator[Finding]:
    """Everything that is wrong, in the clients' record alone and on every ledger."""
    for key, ids in account.told.items():
        if len(ids) > 1:
            yield Finding(fault=Fault.DUPLICATED, site=None, subject=key, detail=f"acknowledged as {', '.join(sorted(ids))}")
    for key, detail in account.paid_by_the_erased():
        yield Finding(fault=Fault.REMEMBERED, site=None, subject=key, detail=detail)
    for site, ledger in sorted(ledgers.items()):
        yield from _missing(site, ledger, account)
        yield from _duplicated(site, ledger)
        yield from _unheld(site, ledger, account.offered, account.held)
        yield from _unapproved(site, ledger, account)
        yield from _decided(site, ledger, account)
        yield from _unsourced(site, ledger, account)
        yield from _remembered(site, ledger, account)
        yield from _denied(site, ledger, account.declined)
        yield from _unbalanced(site, ledger)


def _history(ledgers: Mapping[str, Ledger], account: Account, known: Iterable[Finding], drained: bool) -> Iterator[Finding]:
    """What is wrong with the course of things, at all sites together; `known` says what is wrong already, and is not said again."""
    named = {finding.subject for finding in known}
    yield from history.rivals(ledgers)
    yield from history.unmarked(ledgers)
    yield from history.went_back(account.words)
    for site, ledger in sorted(ledgers.items()):
        yield from history.overdrawn(site, ledger, named)
    different = list(history.unlike(ledgers, named))
    yield from different
    named |= {finding.subject for finding in different}
    forked = list(history.forks(ledgers, named))
    yield from forked
    if drained:
        accounts = {finding.subject for finding in forked}
        for ledger in ledgers.values():
            named |= {row.id for row in ledger.payments if {row.debtor, row.creditor} & accounts}
            named |= {row.id for row in ledger.held if {row.debtor, row.creditor} & accounts}
        yield from history.split(ledgers, named)


def _missing(site: str, ledger: Ledger, account: Account) -> Iterator[Finding]:
    """Acknowledged payments that this ledger lacks, or holds with another id or body, or of another reign."""
    offered, told, reigns = account.offered, account.told, account.reigns
    by_id = {payment.id: payment for payment in ledger.payments}
    for key, ids in told.items():
        for payment_id in sorted(ids):
            held, wanted = by_id.get(payment_id), offered.get(key)
            if held is None or held.key != key:
                detail = f"payment {payment_id} is not there" if held is None else f"payment {payment_id} has the key {held.key}"
                yield Finding(fault=Fault.LOST, site=site, subject=key, detail=detail)
            elif wanted is None:
                yield Finding(
                    fault=Fault.ALTERED, site=site, subject=key, detail="acknowledged, but never offered: no body to compare"
                )
            elif (body := _body(held)) != _body(wanted):
                yield Finding(fault=Fault.ALTERED, site=site, subject=key, detail=f"asked {_body(wanted)}, holds {body}")
            elif {held.epoch} != reigns[key]:
                detail = f"acknowledged in epoch {', '.join(map(str, sorted(reigns[key])))}, here of epoch {held.epoch}"
                yield Finding(fault=Fault.ALTERED, site=site, subject=key, detail=detail)


def _body(payment: Offered | PaymentRow | HeldRow) -> tuple[str, str, int, str]:
    return payment.debtor, payment.creditor, payment.amount, payment.currency


def _duplicated(site: str, ledger: Ledger) -> Iterator[Finding]:
    """What there must be one of, and ids of payments that have more than one key; no constraint is taken on trust."""
    told = (
        ("payments", Counter(payment.key for payment in ledger.payments)),
        ("held payments of one key", Counter(row.key for row in ledger.held)),
        ("held payments of one id", Counter(row.id for row in ledger.held)),
        ("sources of one payment", Counter(row.payment for row in ledger.sources)),
        ("proofs for one subject", Counter(row.subject for row in ledger.erasures)),
        ("proofs of one id", Counter(row.id for row in ledger.erasures)),
    )
    for what, counted in told:
        for subject, times in counted.items():
            if times > 1:
                yield Finding(fault=Fault.DUPLICATED, site=site, subject=subject, detail=f"{times} {what}")
    keys_by_id = defaultdict(set)
    for payment in ledger.payments:
        keys_by_id[payment.id].add(payment.key)
    for payment_id, keys in keys_by_id.items():
        if len(keys) > 1:
            yield Finding(
                fault=Fault.DUPLICATED, site=site, subject=min(keys), detail=f"payment {payment_id} has {len(keys)} keys"
            )


def _unheld(site: str, ledger: Ledger, offered: Mapping[str, Offered], held: Mapping[str, Held]) -> Iterator[Finding]:
    """Payments of which the client was told that a person looks at them, and that this ledger lacks, holds otherwise, or made unasked."""
    by_key = {row.key: row for row in ledger.held}
    for key, told in held.items():
        row, wanted = by_key.get(key), offered.get(key)
        if row is None or row.id != told.payment:
            detail = (
                f"held as {told.payment}, which is not there" if row is None else f"held as {told.payment}, there as {row.id}"
            )
            yield Finding(fault=Fault.LOST, site=site, subject=key, detail=detail)
        elif wanted is None or _body(row) != _body(wanted):
            yield Finding(
                fault=Fault.ALTERED, site=site, subject=key, detail=f"asked {wanted and _body(wanted)}, holds {_body(row)}"
            )
    for payment in ledger.payments:
        waiting = by_key.get(payment.key)
        if waiting is not None and (waiting.state != "approved" or waiting.id != payment.id):
            detail = f"payment {payment.id} is made, and {waiting.id} is {waiting.state}"
            yield Finding(fault=Fault.DUPLICATED, site=site, subject=payment.key, detail=detail)


def _unapproved(site: str, ledger: Ledger, account: Account) -> Iterator[Finding]:
    """Held payments whose approval was acknowledged, and which this ledger does not call approved, or did not make."""
    by_key, made = {row.key: row for row in ledger.held}, {payment.key: payment.id for payment in ledger.payments}
    for key, approved in account.approved.items():
        row = by_key.get(key)
        if row is None or row.state != "approved" or made.get(key) != approved.payment:
            detail = f"approved as {approved.payment}, here {row.state if row else 'unknown'} and made as {made.get(key)}"
            yield Finding(fault=Fault.LOST, site=site, subject=key, detail=detail)


def _decided(site: str, ledger: Ledger, account: Account) -> Iterator[Finding]:
    """Held payments that this ledger calls decided although nobody had asked for that, or approved and did not make. Ledgers agree about
    them, and whoever was told that they wait has been told no more: only who was asked shows that money went past the reviewer.

    Of one that is still under way the reviewer may have been asked since the record was read; what stays so is unresolved. That what is
    approved is made too needs no record: a ledger is read in one snapshot, and both are done in one transaction.
    """
    made, under_way = {payment.id for payment in ledger.payments}, account.unresolved()
    for row in ledger.held:
        if row.state == "approved" and row.id not in made:
            detail = f"{row.id} is approved, and not made; decided: {row.decided}"
            yield Finding(fault=Fault.LOST, site=site, subject=row.key, detail=detail)
        wanted = account.offered.get(row.key)
        if wanted is None or row.key in under_way:
            continue
        rules = (
            (row.state == "approved" and row.key not in account.reviews, Fault.DUPLICATED, "approved, and no reviewer was asked"),
            (
                row.state == "rejected" and not account.was_to_forget(wanted.subject),
                Fault.ALTERED,
                "turned down, and payments was not asked to forget its subject",
            ),
        )
        for broken, fault, said in rules:
            if broken:
                yield Finding(fault=fault, site=site, subject=row.key, detail=f"{row.id} is {said}; decided: {row.decided}")


FORGOTTEN = (None, None)
"""What a source's row holds once its subject was erased."""


def _unsourced(site: str, ledger: Ledger, account: Account) -> Iterator[Finding]:
    """Payments from a token of which this ledger knows something else; of whom payments was asked to forget it may know nothing. That the
    vault was asked is no reason to: payments is asked by itself, and what it lost before that it lost."""
    by_payment = {row.payment: (row.token, row.subject) for row in ledger.sources}
    for key, ids in account.told.items():
        wanted = account.offered.get(key)
        if wanted is None or wanted.source is None:
            continue
        asked = (wanted.source, wanted.subject)
        for id in sorted(ids):
            if (found := by_payment.get(id)) != asked and not (found == FORGOTTEN and account.was_to_forget(wanted.subject)):
                yield Finding(fault=Fault.ALTERED, site=site, subject=key, detail=f"asked to be paid from {asked}, holds {found}")


def _remembered(site: str, ledger: Ledger, account: Account) -> Iterator[Finding]:
    """Proofs that were acknowledged and are not there as they were, and subjects that this ledger knows in spite of one."""
    proofs, known = {row.id: row for row in ledger.erasures}, {row.subject for row in ledger.sources}
    for key, forgotten in account.forgotten.items():
        wanted, row = account.forgets[key], proofs.get(forgotten.proof)
        if (
            row is None
            or row.subject != digest_of(wanted.subject)
            or row.reason != wanted.reason
            or wanted.caller not in row.caller
        ):
            detail = f"proof {forgotten.proof} is {'not there' if row is None else f'of something else: {row}'}"
            yield Finding(fault=Fault.LOST, site=site, subject=key, detail=detail)
        if wanted.subject in known:
            yield Finding(fault=Fault.REMEMBERED, site=site, subject=key, detail="a payment's source names the subject")


def _denied(site: str, ledger: Ledger, declined: Mapping[str, Declined]) -> Iterator[Finding]:
    """Payments that this ledger holds although the client was told that they are refused for good."""
    for payment in ledger.payments:
        if (told := declined.get(payment.key)) is not None:
            detail = f"{told.site} answered {told.status} {told.why} at attempt {told.attempt}, payment {payment.id} is there"
            yield Finding(fault=Fault.DENIED, site=site, subject=payment.key, detail=detail)


def _unbalanced(site: str, ledger: Ledger) -> Iterator[Finding]:
    """Entries must be each payment's two and nothing else; balances must be what the entries make them."""
    entries: dict[str, list[tuple[str, int]]] = defaultdict(list)
    moved: Counter[str] = Counter()
    for entry in ledger.entries:
        entries[entry.payment].append((entry.account, entry.amount))
        moved[entry.account] += entry.amount
    for payment in ledger.payments:
        found = sorted(entries.pop(payment.id, []))
        if found != sorted([(payment.debtor, -payment.amount), (payment.creditor, payment.amount)]):
            yield Finding(fault=Fault.UNBALANCED, site=site, subject=payment.id, detail=f"entries {found} for {_body(payment)}")
    for payment_id in entries:
        yield Finding(fault=Fault.UNBALANCED, site=site, subject=payment_id, detail="entries without a payment")
    for account in ledger.accounts:
        expected = account.opening_balance + moved.pop(account.id, 0)
        if account.balance != expected:
            yield Finding(fault=Fault.UNBALANCED, site=site, subject=account.id, detail=f"{account.balance}, expected {expected}")
    for account_id, amount in moved.items():
        yield Finding(
            fault=Fault.UNBALANCED, site=site, subject=account_id, detail=f"{amount} moved on an account that is not there"
        )
