"""What goes on beside plain payments: some come from cardholders' tokens, some are held and approved, and who asked is forgotten."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field, replace

from lab.load_payer import Device, Payer, Settled
from lab.load_purse import Purse
from lab.load_schedule import PLANTED_EVERY, Offer
from lab.load_staff import Staff
from lab.record import Held, Unresolved

SOURCED_EVERY = 20
"""Of so many payments one comes from a token: each that does so for the first time makes payments ask the vault."""
LOOK = 0.5
"""Seconds between two looks into the cardholders' record."""


@dataclass(slots=True, kw_only=True)
class Desk:
    """Of one run."""

    payer: Payer
    purse: Purse | None
    """None: nobody pays from tokens."""
    staff: Staff | None
    """None: what is held stays held, and nobody is forgotten."""
    sleep: Callable[[float], Awaitable[None]] = asyncio.sleep
    under_way: set["asyncio.Task[object]"] = field(default_factory=set)
    """Erasures."""
    _offers: int = 0
    _settling: bool = False

    async def run(self) -> None:
        """Look for new tokens, and for subjects that are to be forgotten, until cancelled; erasures end with it. Raises DamagedError, and
        whatever an erasure stumbled over."""
        async with asyncio.TaskGroup() as tasks:
            while self.purse is not None:
                self.purse.look()
                if self.staff is not None and not self._settling:
                    self._have_forgotten(tasks, self.purse, self.staff)
                await self.sleep(LOOK)

    def sourced(self, offer: Offer) -> Offer:
        """The same from a token, when it is its turn and there is one. A token that was erased is tried at once: by chance a short run
        would never see it refused. A payment to the account that it comes from goes the other way."""
        self._offers += 1
        if self.purse is None or offer.planted or (self._offers % SOURCED_EVERY and not self.purse.is_urgent):
            return offer
        source = self.purse.pick()
        if source is None:
            return offer
        creditor = offer.debtor if source.debtor == offer.creditor else offer.creditor
        return replace(offer, source=source.token, subject=source.subject, debtor=source.debtor, creditor=creditor)

    async def pay(self, offer: Offer, device: Device) -> Settled | Unresolved:
        """To its end. One that was planted and is held is approved, every second one, and asked for again."""
        outcome = await self.payer.pay(offer, device)
        if self.staff is None or not isinstance(outcome, Held) or not _approved(offer):
            return outcome
        if await self.staff.approve(offer.key, outcome.payment):
            return await self.payer.ask(offer, device, outcome.attempt)
        return outcome

    def settle(self, seconds: float) -> None:
        """Nothing more is wanted; whatever is unsettled is asked for, for so long from now on."""
        self._settling = True
        self.payer.settle(seconds)
        if self.staff is not None:
            self.staff.ends = self.payer.ends

    def _have_forgotten(self, tasks: asyncio.TaskGroup, purse: Purse, staff: Staff) -> None:
        for subject in purse.due():
            task: asyncio.Task[object] = tasks.create_task(self._forget(purse, staff, subject))
            self.under_way.add(task)
            task.add_done_callback(self.under_way.discard)

    async def _forget(self, purse: Purse, staff: Staff, subject: str) -> None:
        if await staff.forget(subject):
            purse.forget(subject)


def _approved(offer: Offer) -> bool:
    number = int(offer.key.rpartition("-")[2])
    return offer.planted and number // PLANTED_EVERY % 2 == 0
