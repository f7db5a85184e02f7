"""Histories as they should be, three sites and as many reigns as wanted, to be forged in one way at a time."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

from lab.reconcile_rows import AccountRow, EntryRow, HeldRow, Ledger, MarkerRow, NodeRow, PaymentRow
from lab.record import Acknowledged, Attempted, Held, Line, Offered, Unresolved

SITES = ("aws", "azure", "gcp")
PAYER, SHOP, BANK = "payer", "shop", "bank"
OPENING = {PAYER: 1000, SHOP: 0, BANK: 0}
BEGINNING = datetime(2026, 7, 18, tzinfo=UTC)

Row = PaymentRow | HeldRow
Course = Sequence[Row]
"""What was committed, in the order of commits."""


@dataclass
class History:
    """One service from its founding on: what clients wrote down, and what was committed and outlived its reign."""

    lines: list[Line] = field(default_factory=list)
    course: list[Row] = field(default_factory=list)
    writers: list[str] = field(default_factory=lambda: ["azure"])
    skew: float = 0.0
    """Seconds by which the present writer's clock is ahead."""
    t: float = 0.0

    @property
    def epoch(self) -> int:
        return len(self.writers)

    def tick(self) -> float:
        self.t += 1.0
        return self.t

    def fail_over(self, writer: str, skew: float = 0.0) -> None:
        """Another site writes from now on, by a clock of its own."""
        self.writers.append(writer)
        self.skew = skew

    def begin(self, key: str, debtor: str, creditor: str, amount: int) -> None:
        """It is wanted, and a request was sent."""
        wanted = Offered(
            key=key, device=0, name="pay", debtor=debtor, creditor=creditor, amount=amount, currency="EUR", t=self.tick()
        )
        self.lines += [wanted, Attempted(key=key, attempt=1, site="aws", t=self.tick())]

    def commit(self, key: str, debtor: str, creditor: str, amount: int) -> PaymentRow:
        """It is made, and survives."""
        row = payment(key, debtor, creditor, amount, epoch=self.epoch, at=self.tick() + self.skew)
        self.course.append(row)
        return row

    def tell(self, row: PaymentRow) -> None:
        """Whoever asked for it is told, whoever writes meanwhile."""
        self.lines.append(told(row, self.tick()))

    def give_up(self, key: str) -> None:
        """Nobody was told what became of it."""
        self.lines.append(Unresolved(key=key, t=self.tick()))

    def pay(self, key: str, debtor: str, creditor: str, amount: int, *, heard: bool = True) -> None:
        """From the wish to the answer, which is lost unless it is `heard`."""
        self.begin(key, debtor, creditor, amount)
        row = self.commit(key, debtor, creditor, amount)
        if heard:
            self.tell(row)
        else:
            self.give_up(key)

    def hold(self, key: str, debtor: str, creditor: str, amount: int) -> None:
        """A person has to look at it first, and the payer is told so."""
        self.begin(key, debtor, creditor, amount)
        row = waiting(payment(key, debtor, creditor, amount, epoch=self.epoch, at=self.tick() + self.skew))
        self.course.append(row)
        self.lines.append(
            Held(key=key, attempt=1, payment=row.id, epoch=row.epoch, site="aws", latency=0.1, t=self.tick()),
        )

    def ledger(self, site: str, course: Iterable[Row] | None = None) -> Ledger:
        """What a site holds that has applied so much, or everything."""
        return ledger(site, self.course if course is None else list(course), self.writers)

    def ledgers(self) -> dict[str, Ledger]:
        """Every site has everything."""
        return {site: self.ledger(site) for site in SITES}


def payment(key: str, debtor: str, creditor: str, amount: int, *, epoch: int, at: float, id: str = "") -> PaymentRow:
    """One row; its id is its key with `p-` before it, unless another one is given."""
    return PaymentRow(
        id=id or f"p-{key}",
        key=key,
        debtor=debtor,
        creditor=creditor,
        amount=amount,
        currency="EUR",
        epoch=epoch,
        body_digest="ab",
        created_at=str(BEGINNING + timedelta(seconds=at)),
    )


def waiting(row: PaymentRow) -> HeldRow:
    """The same as one that waits."""
    return HeldRow(
        id=row.id,
        key=row.key,
        debtor=row.debtor,
        creditor=row.creditor,
        amount=row.amount,
        currency=row.currency,
        epoch=row.epoch,
        body_digest=row.body_digest,
        score=7.5,
        reasons=("amount",),
        created_at=row.created_at,
        state="held",
        decided="",
    )


def told(row: PaymentRow, t: float, epoch: int | None = None) -> Acknowledged:
    """The answer that says that it is made."""
    return Acknowledged(
        key=row.key, attempt=1, payment=row.id, epoch=epoch or row.epoch, site="aws", status=201, latency=0.1, t=t
    )


def ledger(site: str, course: Course, writers: Sequence[str]) -> Ledger:
    """Sound in itself: entries and balances are what these payments make them."""
    made = tuple(row for row in course if isinstance(row, PaymentRow))
    entries = tuple(
        EntryRow(payment=row.id, account=account, amount=amount)
        for row in made
        for account, amount in ((row.debtor, -row.amount), (row.creditor, row.amount))
    )
    accounts = tuple(
        AccountRow(
            id=id,
            currency="EUR",
            opening_balance=opening,
            balance=opening + sum(entry.amount for entry in entries if entry.account == id),
            overdraft_allowed=id == BANK,
            epoch=1,
        )
        for id, opening in OPENING.items()
    )
    return Ledger(
        payments=made,
        entries=entries,
        accounts=accounts,
        held=tuple(row for row in course if isinstance(row, HeldRow)),
        markers=tuple(MarkerRow(epoch=number, site=writer) for number, writer in enumerate(writers, start=1)),
        node=NodeRow(site=site, role="writer" if site == writers[-1] else "follower", epoch=len(writers)),
    )
