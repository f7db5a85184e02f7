"""What one errand of a schedule comes to: which card, which token, which subject, and what the wallet keeps of the answer."""

import asyncio
from collections.abc import Callable

from lab.load_payer import Device
from lab.vault_load_answers import erase, reveal, tokenize
from lab.vault_load_holder import Holder
from lab.vault_load_record import Erased, ErasureWanted, RevealWanted, Tokenized, TokenWanted
from lab.vault_load_schedule import Due, Errand, named
from lab.vault_load_settings import Settings
from lab.vault_load_wallet import IN_A_HURRY, Card, Wallet

BY, WHY = "a cardholder", "erasure request under data protection law"


class Wishes:
    """Carries one errand after the other to its end, each by a device."""

    def __init__(self, settings: Settings, wallet: Wallet, holder: Holder, monotonic: Callable[[], float]) -> None:
        self._settings, self._wallet, self._holder, self._monotonic = settings, wallet, holder, monotonic
        self._owed: list[tuple[int, Device]] = []
        """Erasures that were due when nobody's cards were all kept yet."""
        self._in_a_hurry: list[tuple[int, Device]] = []
        """Erasures that wait for the last card of somebody, to come beside it."""

    async def carry(self, due: Due, device: Device) -> None:
        """To its end. A reveal comes to nothing while no token was told; an erasure waits for a subject that can be erased, or for the
        last card of one."""
        match due.errand:
            case Errand.TOKENIZE:
                await self._tokenize(due.number, device)
            case Errand.REVEAL:
                await self._reveal(due.number, device)
            case Errand.ERASE if due.number % IN_A_HURRY == 0:
                self._in_a_hurry.append((due.number, device))
            case Errand.ERASE:
                await self._erase(due.number, device)

    async def _tokenize(self, number: int, device: Device) -> None:
        card = self._wallet.card(number)
        leaving = self._wallet.leaves_with(number) if self._in_a_hurry else None
        if leaving is None:
            await self._keep(card, device)
        else:
            errand, other = self._in_a_hurry.pop(0)
            await asyncio.gather(self._keep(card, device), self._forget(leaving, errand, other))

    async def _keep(self, card: Card, device: Device) -> None:
        wanted = TokenWanted(
            key=card.key,
            device=device.number,
            name=device.name,
            caller=self._settings.caller(device.number),
            subject=card.subject,
            digest=self._wallet.digest(card.digits),
            t=self._monotonic(),
        )
        answer = await self._holder.carry(wanted, tokenize(card), device)
        if isinstance(answer, Tokenized):
            self._wallet.keep(card, answer.token)
            if self._owed and not self._holder.is_settling:
                await self._erase(*self._owed.pop(0))

    async def _reveal(self, number: int, device: Device) -> None:
        held = self._wallet.to_reveal(number)
        if held is None:
            return
        wanted = RevealWanted(
            key=named(self._settings.run, "reveal", number),
            device=device.number,
            name=device.name,
            caller=self._settings.caller(device.number),
            subject=held.subject,
            token=held.token,
            t=self._monotonic(),
        )
        await self._holder.carry(wanted, reveal(held.token, number), device)

    async def _erase(self, number: int, device: Device) -> None:
        subject = self._wallet.to_erase()
        if subject is None:
            self._owed.append((number, device))
            return
        await self._forget(subject, number, device)

    async def _forget(self, subject: str, number: int, device: Device) -> None:
        wanted = ErasureWanted(
            key=named(self._settings.run, "erasure", number),
            device=device.number,
            name=device.name,
            caller=self._settings.caller(device.number),
            by=BY,
            reason=WHY,
            subject=subject,
            t=self._monotonic(),
        )
        if isinstance(await self._holder.carry(wanted, erase(wanted), device), Erased):
            self._wallet.erase(subject)
