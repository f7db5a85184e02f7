"""What is offered and when: fixed before anything is answered, so that a slow service cannot slow the offers down. Pure."""

import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import count

ROUNDING = 1e-9
"""Eleven times one eleventh is one."""


PLANTED_EVERY = 50
"""Of so many payments one must be held."""
PLANTED_AMOUNT = 200_000
"""Minor units, where some hundreds are usual: far beyond what any setting of screening lets pass."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Offer:
    """One payment that some payer wants."""

    due: float
    """Seconds from the start of the run."""
    key: str
    device: int
    debtor: str
    creditor: str
    amount: int
    source: str | None = None
    """Token of the vault that the money comes from."""
    subject: str | None = None
    """Whose token that is."""
    planted: bool = False
    """Is it one that screening must hold?"""


def offers(
    *, run: str, rate: float, devices: int, accounts: Sequence[str], largest: int, seed: int, suspects: Sequence[str] = ()
) -> Iterator[Offer]:
    """Offers without end, `rate` a second, evenly, from devices in turn; the same seed gives the same offers.

    `largest` is the largest amount in minor units. At least two accounts. With `suspects`, accounts whose habits are known, one in fifty
    comes from each of them in turn and is hundreds of times as large as what is usual there.
    """
    chance = random.Random(seed)
    for number in count():
        debtor, creditor = chance.sample(accounts, 2)
        if suspects and number % PLANTED_EVERY == PLANTED_EVERY // 2:
            planted = suspects[number // PLANTED_EVERY % len(suspects)]
            due, key = number / rate, f"{run}-{number}"
            device, amount = number % devices, PLANTED_AMOUNT + chance.randint(1, largest)
            yield Offer(due=due, key=key, device=device, debtor=planted, creditor=creditor, amount=amount, planted=True)
            continue
        yield Offer(
            due=number / rate,
            key=f"{run}-{number}",
            device=number % devices,
            debtor=debtor,
            creditor=creditor,
            amount=chance.randint(1, largest),
        )


def first_share(run: str, seed: int, device: int) -> float:
    """Share of its TTL that is left of a device's first cached answer: uniform over the devices, the same for the same run and seed.

    All devices first resolve within half a second. Were their caches as old as that, every client of a long TTL would find the new
    site in one moment, TTL less calm after the fault, and the spread that is measured would be the lab's own.
    """
    return random.Random(f"{run}/{seed}/{device}/cache").random()


def ignores_ttl(device: int, share: float) -> bool:
    """Is this device one of those that ignore TTLs? Spread evenly: of any eleven in a row one does, with a share of one in eleven."""
    return int((device + 1) * share + ROUNDING) > int(device * share + ROUNDING)


def backoff(attempt: int, retry_after: float | None, chance: random.Random, *, first: float, longest: float) -> float:
    """Seconds to wait after this failed attempt (1 is the first): doubling, capped, jittered down to half.

    A Retry-After is honoured as a well-behaved client does: never sooner, and spread over another `first` seconds so that
    everybody who was sent away together does not come back together.
    """
    own = min(longest, first * 2.0 ** min(attempt - 1, 16)) * chance.uniform(0.5, 1.0)
    return own if retry_after is None else max(own, retry_after + chance.uniform(0, first))
