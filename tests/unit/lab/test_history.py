"""Forged histories, each wrong in one way, are told by exactly that; right ones, however they went, by nothing."""

from collections.abc import Callable
from dataclasses import dataclass, replace

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from lab import history
from lab.history import Word
from lab.reconcile import COURSE, Reconciliation, reconcile
from lab.reconcile_rows import EntryRow, Fault, Ledger, MarkerRow, PaymentRow
from lab.record import Declined, Line
from tests.unit.lab.histories import BANK, PAYER, SHOP, SITES, History, Row, payment, told


def usual() -> History:
    """Azure writes, then aws by a clock that is half a minute behind: told, held, lost on their way to the client, and told late."""
    course = History()
    course.pay("k1", PAYER, SHOP, 100)
    course.pay("k2", PAYER, BANK, 50)
    course.pay("k3", SHOP, BANK, 30, heard=False)
    course.hold("h1", PAYER, BANK, 900)
    course.begin("late", BANK, SHOP, 7)
    late = course.commit("late", BANK, SHOP, 7)
    course.fail_over("aws", skew=-30)
    course.pay("k4", PAYER, SHOP, 20)
    course.pay("k5", BANK, PAYER, 10)
    course.tell(late)
    course.pay("k6", SHOP, PAYER, 5, heard=False)
    return course


@dataclass
class Forgery:
    """A history that was right, and what somebody made of it."""

    lines: list[Line]
    ledgers: dict[str, Ledger]
    course: History
    drained: bool = True

    def at(self, site: str, change: Callable[[list[Row]], list[Row]]) -> None:
        """One site applied another course of things, and is sound in itself."""
        self.ledgers[site] = self.course.ledger(site, change(list(self.course.course)))

    def everywhere(self, change: Callable[[list[Row]], list[Row]]) -> None:
        """All three did."""
        for site in SITES:
            self.at(site, change)

    def judged(self) -> Reconciliation:
        return reconcile(self.lines, self.ledgers, drained=self.drained)


def without(key: str) -> Callable[[list[Row]], list[Row]]:
    return lambda rows: [row for row in rows if row.key != key]


def with_other(key: str, **changes: object) -> Callable[[list[Row]], list[Row]]:
    return lambda rows: [replace(row, **changes) if row.key == key else row for row in rows]  # type: ignore[arg-type]


def stray(key: str, at: float = 40.0, debtor: str = PAYER, epoch: int = 2, amount: int = 1, id: str = "") -> PaymentRow:
    return payment(key, debtor, SHOP if debtor != SHOP else BANK, amount, epoch=epoch, at=at, id=id)


def lost_at_one(it: Forgery) -> None:
    it.at("gcp", without("k5"))


def lost_everywhere(it: Forgery) -> None:
    it.everywhere(without("k2"))


def held_is_lost(it: Forgery) -> None:
    it.at("gcp", without("h1"))


def doubled(it: Forgery) -> None:
    it.at("gcp", lambda rows: [*rows, stray("k5", id="p-again")])


def another_amount(it: Forgery) -> None:
    it.at("gcp", with_other("k5", amount=11))


def another_reign(it: Forgery) -> None:
    it.at("gcp", with_other("k5", epoch=1))


def another_digest(it: Forgery) -> None:
    it.at("gcp", with_other("k3", body_digest="cd"))


def another_moment(it: Forgery) -> None:
    it.at("gcp", with_other("k5", created_at="2026-07-19 00:00:00+00:00"))


def another_held(it: Forgery) -> None:
    it.at("gcp", with_other("h1", score=1.0))


def one_sided(it: Forgery) -> None:
    """The account agrees with its entries, and the payment moved more than it says."""
    book = it.ledgers["gcp"]
    entries = [replace(one, amount=-31) if (one.payment, one.account) == ("p-k3", SHOP) else one for one in book.entries]
    accounts = [replace(one, balance=one.balance - 1) if one.id == SHOP else one for one in book.accounts]
    it.ledgers["gcp"] = replace(book, entries=tuple(entries), accounts=tuple(accounts))


def created_money(it: Forgery) -> None:
    book = it.ledgers["gcp"]
    accounts = [replace(one, balance=one.balance + 1) if one.id == BANK else one for one in book.accounts]
    it.ledgers["gcp"] = replace(book, accounts=tuple(accounts))


def entries_of_nothing(it: Forgery) -> None:
    book = it.ledgers["gcp"]
    none = (EntryRow(payment="p-none", account=BANK, amount=1), EntryRow(payment="p-none", account=BANK, amount=-1))
    it.ledgers["gcp"] = replace(book, entries=(*book.entries, *none))


def another_opening(it: Forgery) -> None:
    book = it.ledgers["gcp"]
    accounts = [
        replace(one, balance=one.balance + 1, opening_balance=one.opening_balance + 1) if one.id == BANK else one
        for one in book.accounts
    ]
    it.ledgers["gcp"] = replace(book, accounts=tuple(accounts))


def overdrawn_for_a_reign(it: Forgery) -> None:
    """In the red when epoch 1 ended, and covered in epoch 2: no balance shows it any more."""
    out = payment("out", SHOP, BANK, 500, epoch=1, at=20)
    back = payment("back", BANK, SHOP, 500, epoch=2, at=50)
    it.everywhere(lambda rows: [*rows, out, back])


def both_went_on(it: Forgery) -> None:
    it.at("aws", lambda rows: [*rows, stray("mine")])
    it.at("gcp", lambda rows: [*rows, stray("theirs")])


def skipped(it: Forgery) -> None:
    """A stream that was begun too late: what came after is there."""
    it.at("gcp", without("k3"))
    it.drained = False


def stayed_behind(it: Forgery) -> None:
    it.at("gcp", without("k6"))


def held_here_alone(it: Forgery) -> None:
    more = History()
    more.hold("h2", PAYER, SHOP, 900)
    it.at("azure", lambda rows: [*rows, *more.course])


def two_opened(it: Forgery) -> None:
    book = it.ledgers["gcp"]
    it.ledgers["gcp"] = replace(book, markers=(book.markers[0], MarkerRow(epoch=2, site="gcp")))


def two_call_themselves_writer(it: Forgery) -> None:
    book = it.ledgers["gcp"]
    assert book.node is not None
    it.ledgers["gcp"] = replace(book, node=replace(book.node, role="writer"))


def no_marker(it: Forgery) -> None:
    book = it.ledgers["gcp"]
    it.ledgers["gcp"] = replace(book, markers=book.markers[:1])


def the_old_writer_went_on(it: Forgery) -> None:
    """It acknowledged in its epoch what was begun after another one had acknowledged in the next; by now everybody has the payment."""
    it.course.begin("after", BANK, SHOP, 3)
    row = payment("after", BANK, SHOP, 3, epoch=1, at=it.course.tick())
    it.course.course.append(row)
    it.lines = [*it.course.lines, told(row, it.course.tick())]
    it.ledgers = it.course.ledgers()


def denied(it: Forgery) -> None:
    it.lines.append(Declined(key="k6", attempt=2, site="aws", status=422, why="x", t=99.0))


FORGED: dict[Callable[[Forgery], None], set[tuple[Fault, str | None, str]]] = {
    lost_at_one: {(Fault.LOST, "gcp", "k5")},
    lost_everywhere: {(Fault.LOST, site, "k2") for site in SITES},
    held_is_lost: {(Fault.LOST, "gcp", "h1")},
    doubled: {(Fault.DUPLICATED, "gcp", "k5")},
    another_amount: {(Fault.ALTERED, "gcp", "k5")},
    another_reign: {(Fault.ALTERED, "gcp", "k5")},
    another_digest: {(Fault.UNLIKE, "gcp", "p-k3")},
    another_moment: {(Fault.UNLIKE, "gcp", "p-k5")},
    another_held: {(Fault.UNLIKE, "gcp", "p-h1")},
    one_sided: {(Fault.UNBALANCED, "gcp", "p-k3")},
    created_money: {(Fault.UNBALANCED, "gcp", BANK)},
    entries_of_nothing: {(Fault.UNBALANCED, "gcp", "p-none")},
    another_opening: {(Fault.UNLIKE, "gcp", BANK)},
    overdrawn_for_a_reign: {(Fault.OVERDRAWN, site, SHOP) for site in SITES},
    both_went_on: {(Fault.FORKED, "gcp", PAYER), (Fault.FORKED, "gcp", SHOP)},
    skipped: {(Fault.FORKED, "gcp", SHOP), (Fault.FORKED, "gcp", BANK)},
    stayed_behind: {(Fault.SPLIT, "gcp", "k6")},
    held_here_alone: {(Fault.SPLIT, "aws", "h2"), (Fault.SPLIT, "gcp", "h2")},
    two_opened: {(Fault.RIVALS, None, "epoch 2")},
    two_call_themselves_writer: {(Fault.RIVALS, None, "epoch 2")},
    no_marker: {(Fault.FORKED, "gcp", "epoch 2")},
    the_old_writer_went_on: {(Fault.REVERTED, None, "after")},
    denied: {(Fault.DENIED, site, "k6") for site in SITES},
}


def forgery() -> Forgery:
    course = usual()
    return Forgery(lines=list(course.lines), ledgers=course.ledgers(), course=course)


def test_the_history_that_is_forged_is_right() -> None:
    """Otherwise the forgeries prove nothing."""
    found = forgery().judged()
    assert (found.findings, found.unknown) == ((), ())
    assert (found.acknowledged, found.held, found.unresolved, found.astray) == (5, 1, 2, 0)


@pytest.mark.parametrize("forge", FORGED, ids=lambda forge: forge.__name__)
def test_what_was_forged_is_found_and_nothing_else(forge: Callable[[Forgery], None]) -> None:
    """One thing went wrong, and that is what is told."""
    it = forgery()
    forge(it)
    assert {(one.fault, one.site, one.subject) for one in it.judged().findings} == FORGED[forge]


def test_every_claim_about_the_course_of_things_is_forged() -> None:
    """A claim that no forgery breaks may be one that nothing breaks."""
    assert set(COURSE) <= {fault for told in FORGED.values() for fault, _, _ in told}


def test_a_follower_that_lags_is_no_finding_before_everything_has_drained() -> None:
    """Less of the same course, up to what was acknowledged; afterwards the same ledgers are a finding."""
    it = forgery()
    stayed_behind(it)
    it.drained = False
    assert it.judged().findings == ()


def test_clocks_of_clients_that_may_differ_accuse_nobody() -> None:
    """Begun half a second after an answer of epoch 2, by two clocks that are up to a second apart."""
    words = (Word(key="a", epoch=2, begun=0.0, told=1.0), Word(key="b", epoch=1, begun=1.5, told=2.0))
    assert [one.subject for one in history.went_back(words)] == ["b"]
    assert list(history.went_back(words, uncertainty=1.0)) == []


def test_answers_that_overlap_may_come_in_any_order() -> None:
    """Begun before the answer of epoch 2 came: it may have been made in epoch 1, and told late."""
    words = (Word(key="a", epoch=2, begun=0.0, told=1.0), Word(key="b", epoch=1, begun=0.9, told=9.0))
    assert list(history.went_back(words)) == []


def test_a_site_that_was_not_asked_is_unknown_and_no_finding() -> None:
    """Neither right nor wrong: it is said by name, with the reason."""
    it = forgery()
    del it.ledgers["gcp"]
    found = reconcile(it.lines, it.ledgers, unasked={"gcp": "it is dead"})
    assert found.findings == ()
    assert found.unknown == ("nothing is known of what gcp holds: it is dead",)


def test_a_reign_that_nobody_has_a_marker_of_is_unknown() -> None:
    """Nobody can say that it had one writer; and one ledger alone shows no fork."""
    it = forgery()
    ledgers = {"aws": replace(it.ledgers["aws"], markers=it.ledgers["aws"].markers[:1], node=None)}
    assert reconcile(it.lines, ledgers).unknown == (
        "who wrote epoch 2 is unknown: no site that was asked has its marker",
        "only aws was asked, so nothing is known of forks",
    )


SEARCH = settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.too_slow])
"""A machine that is busy with something else is no reason to find less."""


@st.composite
def right(draw: st.DrawFn) -> History:
    """Any course in which nothing goes wrong: answers that are lost or late, payments that die with their writer, reigns, bad clocks."""
    course, late = History(), list[PaymentRow]()
    for number in range(draw(st.integers(1, 12))):
        debtor, creditor = draw(st.permutations((PAYER, SHOP, BANK)))[:2]
        key, amount = f"k{number}", draw(st.integers(1, 50))
        balance = {one.id: one.balance for one in course.ledger("aws").accounts}[debtor]
        debtor = debtor if balance >= amount or creditor == BANK else BANK
        creditor = creditor if creditor != debtor else PAYER
        if debtor != BANK and balance < amount:
            debtor, creditor = BANK, PAYER
        match draw(st.sampled_from(("told", "late", "unheard", "gone", "held", "move"))):
            case "told":
                course.pay(key, debtor, creditor, amount)
            case "late":
                course.begin(key, debtor, creditor, amount)
                late.append(course.commit(key, debtor, creditor, amount))
            case "unheard":
                course.pay(key, debtor, creditor, amount, heard=False)
            case "gone":
                course.begin(key, debtor, creditor, amount)
                course.give_up(key)
            case "held":
                course.hold(key, debtor, creditor, amount)
            case "move":
                course.fail_over(draw(st.sampled_from(SITES)), skew=draw(st.floats(-30, 30)))
        if late and draw(st.booleans()):
            course.tell(late.pop(draw(st.integers(0, len(late) - 1))))
    return course


@SEARCH
@given(course=right())
def test_right_histories_have_no_finding(course: History) -> None:
    """Everywhere the same, and nothing is wrong with it."""
    found = reconcile(course.lines, course.ledgers(), drained=True)
    assert (found.findings, found.unknown) == ((), ())


@SEARCH
@given(course=right(), data=st.data())
def test_right_histories_of_which_followers_lack_the_end_have_no_finding(course: History, data: st.DataObject) -> None:
    """While things go on each follower has less of them, but everything that was told."""
    answered = {line.key for line in course.lines if type(line).__name__ in {"Acknowledged", "Held"}}
    owed = max((number for number, row in enumerate(course.course, start=1) if row.key in answered), default=0)
    ledgers = {
        site: course.ledger(site)
        if site == course.writers[-1]
        else course.ledger(site, course.course[: data.draw(st.integers(owed, len(course.course)))])
        for site in SITES
    }
    assert reconcile(course.lines, ledgers).findings == ()
