"""Looks at every place, and carries out what was decided. Begun again after anything that stopped it, it goes on: what is filled stays.

One person fills at a time: two of the three stores compare nothing.
"""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import TypeVar, assert_never

from controller.errors import Stuck, Transient
from controller.filling.orders import Deed, Means, Order, Seen
from controller.filling.places import Estate
from controller.filling.plan import LIFE, Given, Issued, Password, Passwords, Place, Token, Trusted
from controller.issuing.authority import joined
from controller.ports import SecretStore

T = TypeVar("T")
Stores = Mapping[str, SecretStore]
"""By site."""
Tell = Callable[[Order], None]
"""Told of every order when it is carried out."""

DEADLINE = timedelta(seconds=10)
"""Of one question."""
TRIES = 4


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """What became of it, in places."""

    filled: int
    replaced: int
    """Renewed or rotated."""
    found_filled: int


async def look(estate: Estate, stores: Stores, pause: timedelta = timedelta(seconds=1)) -> tuple[Seen, ...]:
    """Every place as it is now. Raises ProviderError."""
    return tuple(
        [
            Seen(place=one, id=estate.id(one), version=await _filled(stores[one.site], estate.id(one), pause))
            for one in estate.places
        ]
    )


async def carry_out(
    orders: tuple[Order, ...],
    stores: Stores,
    means: Means,
    tell: Tell = lambda _order: None,
    pause: timedelta = timedelta(seconds=1),
) -> Outcome:
    """One after the other. Raises ProviderError or Stuck at the first that cannot be done: what is done stays done."""
    counts = dict.fromkeys(Deed, 0)
    _remember(orders, means)
    for order in orders:
        done = Deed.LEAVE
        if order.deed is not Deed.LEAVE and await _put(order, stores[order.seen.place.site], means, pause):
            done = order.deed
        counts[done] += 1
        tell(Order(seen=order.seen, deed=done))
    return Outcome(filled=counts[Deed.FILL], replaced=counts[Deed.RENEW] + counts[Deed.ROTATE], found_filled=counts[Deed.LEAVE])


async def _put(order: Order, store: SecretStore, means: Means, pause: timedelta) -> bool:
    """Was it this call? What is put there is looked for afterwards: a store may say yes and do nothing."""
    id, over, place = order.seen.id, order.seen.version, order.seen.place
    known, content, lost = means.archive.issued(place.site, place.name), _content(place, means), False

    async def attempt() -> bool:
        nonlocal lost
        try:
            if over is None:
                done = await store.fill(id, content, DEADLINE)
            else:
                done = await store.replace(id, content, over=over, deadline=DEADLINE)
        except Transient:
            lost = True
            raise
        return done.carried_out or lost

    ours = await _insist(attempt, pause)
    if not ours and isinstance(place.source, Issued):
        means.archive.record(place.site, place.name, known)  # somebody was faster
    if await _filled(store, id, pause) in (None, over):
        raise Stuck(
            step=f"filling {place}",
            blocked_by="its store, which took it and does not have it",
            way_out="Repeat the command; if it stays so, look at the store's own records.",
        )
    return ours


def _content(place: Place, means: Means) -> bytes:
    """What belongs there. Made now: what is made earlier lies about for longer."""
    source, archive = place.source, means.archive
    match source:
        case Issued(issuer=issuer, subject=subject):
            papers = archive.authority(issuer).issue(subject, now=means.now, life=LIFE[place.site])
            archive.record(place.site, place.name, papers.public)
            return papers.certificate
        case Trusted(issuer=issuer, beside=file):
            further = means.given.read(place.site, file) if file else None
            return joined((archive.authority(issuer).pem, *(() if further is None else (further,))))
        case Password(variable=variable):
            return means.passwords[variable].encode()
        case Passwords(variables=several):
            return "".join(f"{one}={means.passwords[one]}\n" for one in several).encode()
        case Given(file=file):
            found = means.given.read(place.site, file)
            assert found is not None, "looked at when it was decided"
            return found
        case Token():
            return archive.operator_token()
        case _:
            assert_never(source)


def _remember(orders: tuple[Order, ...], means: Means) -> None:
    """Before anything is sent: whoever repeats this with other passwords is told."""
    used: dict[str, str] = {}
    for order in orders:
        source = order.seen.place.source
        if order.deed is Deed.LEAVE or not isinstance(source, Password | Passwords):
            continue
        several = source.variables if isinstance(source, Passwords) else (source.variable,)
        used |= {one: means.passwords[one] for one in several}
    for other in means.archive.other_passwords(used):
        means.archive.forget_password(other)
    means.archive.remember_passwords(used)


async def _filled(store: SecretStore, id: str, pause: timedelta) -> str | None:
    return await _insist(lambda: store.filled(id, DEADLINE), pause)


async def _insist(attempt: Callable[[], Awaitable[T]], pause: timedelta) -> T:
    """Its answer, asked again with pauses while it is Transient. Raises what the last one raises."""
    for _ in range(TRIES - 1):
        try:
            return await attempt()
        except Transient:
            await asyncio.sleep(pause.total_seconds())
    return await attempt()
