"""Reconciliation catches every way in which a payment can go wrong, and nothing else."""

from collections.abc import Callable, Mapping
from dataclasses import fields, replace
from typing import Any

import pytest

from lab.reconcile import reconcile
from lab.reconcile_recovery import attempts_at, longest_gap, percentile, recovery
from lab.reconcile_rows import AccountRow, EntryRow, Fault, Ledger, PaymentRow
from lab.record import Acknowledged, Attempted, Declined, Defect, Failed, Line, Offered, Unresolved
from lab.site_settings import CANARY

A, B = "account-a", "account-b"
REST: Mapping[str, Any] = {"body_digest": "ab", "created_at": "2026-07-18 12:00:00"}
PLAIN: Mapping[str, Any] = {"overdraft_allowed": False, "epoch": 1}


def offered(key: str, amount: int = 100, device: int = 0, t: float = 0.0, name: str = "fast") -> Offered:
    return Offered(key=key, device=device, name=name, debtor=A, creditor=B, amount=amount, currency="EUR", t=t)


def told(key: str, payment: str, epoch: int = 1, t: float = 1.0) -> Acknowledged:
    return Acknowledged(key=key, attempt=1, payment=payment, epoch=epoch, site="aws", status=201, latency=0.1, t=t)


def failed(key: str, t: float) -> Failed:
    return Failed(key=key, attempt=1, site="aws", why="deadline", t=t)


def ledger(**amounts: int) -> Ledger:
    """A sound ledger with these payments: id is the key with `p-` before it."""
    moved = sum(amounts.values())
    return Ledger(
        payments=tuple(
            PaymentRow(id=f"p-{key}", key=key, debtor=A, creditor=B, amount=amount, currency="EUR", epoch=1, **REST)
            for key, amount in amounts.items()
        ),
        entries=tuple(
            EntryRow(payment=f"p-{key}", account=account, amount=sign * amount)
            for key, amount in amounts.items()
            for account, sign in ((A, -1), (B, 1))
        ),
        accounts=(
            AccountRow(id=A, currency="EUR", opening_balance=1000, balance=1000 - moved, **PLAIN),
            AccountRow(id=B, currency="EUR", opening_balance=0, balance=moved, **PLAIN),
        ),
    )


RECORD: tuple[Line, ...] = (
    offered("k1"),
    told("k1", "p-k1"),
    offered("k2", 50),
    told("k2", "p-k2"),
    offered("k3"),
    Unresolved(key="k3", t=2.0),
)
SOUND = ledger(k1=100, k2=50)


def test_a_good_run_has_no_finding() -> None:
    """Everything acknowledged is everywhere, as it was asked for; what nobody was told is unresolved and nothing more."""
    result = reconcile(RECORD, {"aws": SOUND, "azure": SOUND, "gcp": SOUND})
    assert (result.attempted, result.acknowledged, result.unresolved) == (3, 2, 1)
    assert (result.lost, result.duplicated, result.findings) == (0, 0, ())
    assert result.ledgers_equal
    assert result.balanced


def test_what_an_unresolved_payment_was_told_last_is_counted() -> None:
    """Whether payments hang, are refused, or were never asked for is not the same trouble; what was settled in the end is no part of it."""
    lines: list[Line] = []
    for number, whys in enumerate((["deadline", "503 no-site"], ["503 no-site"], ["deadline"], [], ["reset"])):
        lines.append(offered(f"u{number}"))
        lines += [Failed(key=f"u{number}", attempt=1, site="aws", why=why, t=1.0) for why in whys]
    lines.append(told("u4", "p-u4"))
    words = reconcile(lines, {"aws": ledger(u4=100)}).last_words
    assert words == {"503 no-site": 2, "deadline": 1, "nothing was answered yet": 1}
    assert next(iter(words)) == "503 no-site"


def test_an_unresolved_payment_may_be_on_the_ledger() -> None:
    """It was carried out and the answer got lost: no loss, no duplicate, no stranger."""
    result = reconcile(RECORD, {"aws": ledger(k1=100, k2=50, k3=100)})
    assert (result.lost, result.duplicated, result.strangers, result.unresolved) == (0, 0, 0, 1)


@pytest.mark.parametrize("missing_on", [("aws",), ("gcp",), ("aws", "azure", "gcp")])
def test_a_lost_payment_is_caught_on_any_ledger_and_counted_once(missing_on: tuple[str, ...]) -> None:
    """One ledger without it is enough: any site may be the next writer."""
    short = ledger(k1=100)
    result = reconcile(RECORD, {site: short if site in missing_on else SOUND for site in ("aws", "azure", "gcp")})
    assert result.lost == 1
    assert {(f.fault, f.site, f.subject) for f in result.findings} == {(Fault.LOST, site, "k2") for site in missing_on}


def altered(change: Callable[[PaymentRow], PaymentRow]) -> Ledger:
    return replace(SOUND, payments=(change(SOUND.payments[0]), *SOUND.payments[1:]))


@pytest.mark.parametrize(
    ("change", "fault"),
    [
        (lambda row: replace(row, amount=101), Fault.ALTERED),
        (lambda row: replace(row, debtor=B, creditor=A), Fault.ALTERED),
        (lambda row: replace(row, currency="USD"), Fault.ALTERED),
        (lambda row: replace(row, key="another"), Fault.LOST),
        (lambda row: replace(row, id="another"), Fault.LOST),
    ],
)
def test_an_altered_payment_is_caught(change: Callable[[PaymentRow], PaymentRow], fault: Fault) -> None:
    """Another amount, direction, currency, key or id than the client was told is a payment lost."""
    result = reconcile(RECORD, {"aws": altered(change)})
    assert result.lost == 1
    assert fault in {finding.fault for finding in result.findings}


def test_one_key_twice_on_a_ledger_is_a_duplicate() -> None:
    """Also where a database's unique constraint should have made it impossible."""
    twice = replace(SOUND, payments=(*SOUND.payments, replace(SOUND.payments[0], id="p-other")))
    result = reconcile(RECORD, {"aws": twice})
    assert result.duplicated == 1
    assert result.lost == 0


def test_one_key_acknowledged_as_two_payments_is_a_duplicate() -> None:
    """The client's record alone shows it, whatever the ledgers hold."""
    result = reconcile((*RECORD, told("k1", "p-again")), {"aws": SOUND})
    assert result.duplicated == 1
    assert result.acknowledged == 2


def test_the_same_answer_twice_is_no_duplicate() -> None:
    """A retry that is answered with the payment it had is what idempotency promises."""
    result = reconcile((*RECORD, told("k1", "p-k1", t=3.0)), {"aws": SOUND})
    assert (result.duplicated, result.lost) == (0, 0)


@pytest.mark.parametrize(
    "damage",
    [
        lambda book: replace(book, entries=book.entries[1:]),
        lambda book: replace(book, entries=(*book.entries, book.entries[0])),
        lambda book: replace(book, entries=(replace(book.entries[0], amount=-99), *book.entries[1:])),
        lambda book: replace(book, entries=(*book.entries, EntryRow(payment="p-none", account=A, amount=0))),
        lambda book: replace(book, accounts=(replace(book.accounts[0], balance=1), *book.accounts[1:])),
        lambda book: replace(book, accounts=book.accounts[1:]),
    ],
)
def test_entries_and_balances_must_add_up(damage: Callable[[Ledger], Ledger]) -> None:
    """A missing, doubled, wrong or orphaned entry, a wrong balance, a missing account: the ledger is not sound."""
    result = reconcile(RECORD, {"aws": SOUND, "azure": damage(SOUND)})
    assert not result.balanced
    assert not result.ledgers_equal
    assert {finding.site for finding in result.findings} == {"azure"}


def test_digests_ignore_order_and_nothing_else() -> None:
    """Equal ledgers in another order have equal digests; any other difference shows, in whatever column."""
    shuffled = Ledger(payments=SOUND.payments[::-1], entries=SOUND.entries[::-1], accounts=SOUND.accounts[::-1])
    assert shuffled.digest() == SOUND.digest()
    for table in ("payments", "entries", "accounts"):
        first, *rest = getattr(SOUND, table)
        for column in fields(first):
            other = replace(first, **{column.name: "other"})
            assert replace(SOUND, **{table: (other, *rest)}).digest() != SOUND.digest(), (table, column.name)


def test_a_payment_that_was_refused_for_good_and_made_is_caught() -> None:
    """The client was told 404, perhaps after an attempt whose answer was lost, and pays elsewhere: the money moved twice."""
    refused = Declined(key="k4", attempt=2, site="aws", status=404, why="unknown-debtor", t=1.0)
    result = reconcile((*RECORD, offered("k4"), refused), {"aws": SOUND, "gcp": ledger(k1=100, k2=50, k4=100)})
    assert (result.denied, result.declined, result.lost) == (1, 1, 0)
    assert [(f.fault, f.site, f.subject) for f in result.findings] == [(Fault.DENIED, "gcp", "k4")]


def test_declined_strangers_and_defects_are_counted_apart() -> None:
    """A refusal is an answer; a canary is nobody's loss; a defect of the generator is reported with the result."""
    record = (
        *RECORD,
        offered("k4"),
        Declined(key="k4", attempt=1, site="aws", status=422, why="x", t=1.0),
        Defect(what="bound", t=1),
    )
    result = reconcile(record, {"aws": ledger(k1=100, k2=50, canary=1)})
    assert (result.declined, result.strangers, result.unresolved, result.defects) == (1, 1, 1, ("bound",))
    assert result.lost == 0


def test_payments_of_controllers_and_of_other_runs_are_no_strangers() -> None:
    """What is left was made by somebody who asked under a key of his own, and was paid beside the payer's own."""
    held = ledger(k1=100, k2=50, probe=1, earlier=2, unasked=3)
    probing = tuple(replace(row, debtor=str(CANARY[0])) if row.key == "probe" else row for row in held.payments)
    ledgers = {"aws": replace(held, payments=probing)}
    assert reconcile(RECORD, ledgers).strangers == 2
    assert reconcile(RECORD, ledgers, others={"earlier"}).strangers == 1


def test_no_ledger_proves_nothing() -> None:
    """A comparison with nothing must not come out clean."""
    with pytest.raises(ValueError, match="no ledger"):
        reconcile(RECORD, {})


def test_the_old_writers_last_word_is_not_a_recovery() -> None:
    """An acknowledgement of the old epoch after the fault counts neither as the first one nor as a device's recovery."""
    lines = (
        offered("a", device=0, t=9.9),
        told("a", "p", epoch=1, t=10.03),
        offered("b", device=0, t=10.4),
        failed("b", 11.4),
        told("b", "p2", epoch=2, t=12.5),
    )
    result = recovery(lines, fault_at=10.0, epoch_before=1)
    assert result.first_acknowledged == pytest.approx(2.5)
    assert result.clients.max == pytest.approx(2.5)


def test_recovery_is_counted_per_device_and_per_name() -> None:
    """Devices behind a long TTL wait longer, and do not hide among the others; one that was not hurt is not counted."""
    lines: list[Line] = [offered("calm", device=9, t=5.0), told("calm", "p", t=5.1)]
    for device in range(4):
        name, back = ("fast", 12.0 + device) if device < 2 else ("slow", 30.0)
        lines += [offered(f"k{device}", device=device, t=10.1, name=name), failed(f"k{device}", 11.1)]
        lines.append(told(f"k{device}", f"p{device}", epoch=2, t=back))
    result = recovery(lines, fault_at=10.0, epoch_before=1)
    assert (result.clients.affected, result.clients.unrecovered) == (4, 0)
    assert result.by_name["fast"].max == pytest.approx(3.0)
    assert result.by_name["slow"].p50 == pytest.approx(20.0)


def test_a_client_that_never_came_back_is_not_averaged_away() -> None:
    """It makes the largest recovery unknown instead of small."""
    lines: list[Line] = [
        offered("a", t=10.0),
        failed("a", 11.0),
        offered("b", device=1, t=10.0),
        failed("b", 11.0),
        told("b", "p", epoch=2, t=12.0),
    ]
    result = recovery(lines, fault_at=10.0, epoch_before=1)
    assert (result.clients.affected, result.clients.unrecovered, result.clients.max) == (2, 1, None)
    assert result.clients.p50 == pytest.approx(2.0)


def test_trouble_after_the_window_belongs_to_something_else() -> None:
    """Failures before the fault and from `until` on, healing for example, do not make a device affected."""
    lines: list[Line] = [
        offered("a", t=1.0),
        failed("a", 2.0),
        told("a", "p", t=3.0),
        failed("a", 50.0),
        told("a", "p", epoch=2, t=60.0),
    ]
    result = recovery(lines, fault_at=10.0, epoch_before=1, until=40.0)
    assert result.clients.affected == 0
    assert result.clients.max is None


def test_a_client_that_the_heal_saved_says_nothing_about_its_name() -> None:
    """Half of the slow name's payers still held the old address when it came back: the heal's moment must not pass for a TTL's."""
    lines: list[Line] = []
    for device, back in enumerate((12.0, 12.5, 17.1, 17.2)):
        lines += [offered(f"k{device}", device=device, t=10.1), failed(f"k{device}", 11.1)]
        lines.append(told(f"k{device}", f"p{device}", epoch=2, t=back))
    found = recovery(lines, fault_at=10.0, epoch_before=1, until=17.0).clients
    assert (found.affected, found.unrecovered, found.healed_first) == (4, 0, 2)
    assert (found.p50, found.p95, found.max) == (pytest.approx(2.5), None, None)


def test_requests_at_a_site_are_counted_between_two_moments() -> None:
    """What was sent elsewhere, before or after is not counted."""
    times = (("azure", 9.9), ("azure", 10.0), ("aws", 10.5), ("azure", 10.9), ("azure", 11.0))
    lines = [Attempted(key="k", attempt=1, site=site, t=t) for site, t in times]
    assert attempts_at(lines, "azure", begin=10.0, end=11.0) == 2


def test_the_longest_gap_counts_its_edges() -> None:
    """A pause that begins or ends at the edge of the window is a pause."""
    acknowledged = [told("a", "p", t=moment) for moment in (10.0, 10.1, 10.7, 10.8)]
    assert longest_gap(acknowledged, begin=10.0, end=11.0) == pytest.approx(0.6)
    assert longest_gap([], begin=10.0, end=11.0) == pytest.approx(1.0)


@pytest.mark.parametrize(("share", "value"), [(0.5, 5), (0.95, 10), (1.0, 10), (0.1, 1)])
def test_percentiles_are_values_that_were_measured(share: float, value: float) -> None:
    """Nearest rank: nothing is interpolated."""
    assert percentile(list(range(10, 0, -1)), share) == value
    assert percentile([], share) is None
