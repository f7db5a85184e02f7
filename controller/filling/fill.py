"""Looks at every place, and carries out what was decided. Begun again after anything that stopped it, it goes on: what is filled stays.

One person fills at a time: two of the three stores compare nothing. Of two all the same, the one who comes too late is told.
"""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import TypeVar

from controller.errors import ProviderError, Stuck, Transient
from controller.filling.believing import is_through
from controller.filling.orders import Deed, Means, Order, Seen, Wishes
from controller.filling.parcel import packed
from controller.filling.places import Estate
from controller.filling.plan import Token
from controller.issuing.succession import Stage
from controller.ports import Filled, SecretStore

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
    overtaken: tuple[str, ...] = ()
    """Of these: where somebody else was faster. What is there is not ours, and nobody here knows it."""


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
    wishes: Wishes = Wishes(),  # noqa: B008  frozen
) -> Outcome:
    """One after the other. Raises ProviderError or Stuck at the first that cannot be done: what is done stays done."""
    counts, now, overtaken = dict.fromkeys(Deed, 0), [], []
    for issuer, stage in wishes.replace.items():
        means.archive.enter(issuer, stage)
    if any(order.deed is Deed.ROTATE and isinstance(order.seen.place.source, Token) for order in orders):
        means.archive.another_token()
    for order in orders:
        done, seen = Deed.LEAVE, order.seen
        if order.deed is not Deed.LEAVE:
            put = await _put(order, stores[seen.place.site], means, pause)
            seen = replace(seen, version=put.version)
            done = order.deed if put.ours else Deed.LEAVE
            overtaken += [] if put.ours else [str(seen.place)]
        now.append(seen)
        counts[done] += 1
        tell(Order(seen=seen, deed=done))
    _settle(now, wishes, means)
    return Outcome(
        filled=counts[Deed.FILL],
        replaced=counts[Deed.RENEW] + counts[Deed.ROTATE],
        found_filled=counts[Deed.LEAVE],
        overtaken=tuple(overtaken),
    )


def _settle(now: list[Seen], wishes: Wishes, means: Means) -> None:
    """What was under way at all sites has arrived everywhere."""
    for issuer, stage in wishes.replace.items():
        if stage is Stage.FORGET and is_through(now, issuer, means):
            means.archive.settle(issuer)
    following = means.archive.next_token()
    told = [means.known(one) for one in now if isinstance(one.place.source, Token)]
    if following is not None and all(one is not None and one.token == following for one in told):
        means.archive.settle_token()


@dataclass(frozen=True, slots=True, kw_only=True)
class _Put:
    """What became of one place."""

    ours: bool
    """Was it this call?"""
    version: str


async def _put(order: Order, store: SecretStore, means: Means, pause: timedelta) -> _Put:
    """Written down before it is sent, known when the store has confirmed it.

    1. A certificate is noted as renewed, and sending it fails. 2. The next call finds it renewed, and leaves the place alone, and so does
    every one after it. 3. The old certificate ends, and its program is refused by everybody.
    """
    id, over, place, records = order.seen.id, order.seen.version, order.seen.place, means.archive.records
    parcel, lost = packed(order.seen, means), False
    was = None if order.deed is Deed.FILL else over  # an answer that is lost twice is still about a place that was empty
    records.begin(place.site, place.name, replace(parcel.record, over=was))

    async def attempt() -> Filled:
        nonlocal lost
        try:
            if over is None:
                return await store.fill(id, parcel.content, DEADLINE)
            return await store.replace(id, parcel.content, over=over, deadline=DEADLINE)
        except Transient:
            lost = True
            raise

    try:
        answer = await _insist(attempt, pause)
    except ProviderError:
        if not lost:
            records.drop(place.site, place.name)
        raise
    ours = answer.carried_out or lost
    version = await _confirmed(store, order, answer.version, pause)
    if ours and version == answer.version:
        records.confirm(place.site, place.name, parcel.record, version)
    else:
        records.drop(place.site, place.name)
    if ours and version != answer.version:
        raise Stuck(
            step=f"filling {place}",
            blocked_by=f"somebody else, who filled it a moment later (version {version} after {answer.version})",
            way_out=f"Agree who fills. Then --rotate {place}: what is there now is not from this directory.",
        )
    return _Put(ours=ours, version=version)


async def _confirmed(store: SecretStore, order: Order, version: str, pause: timedelta) -> str:
    """What programs are told there afterwards: a store may say yes and do nothing. Asked again while it is what was there before."""
    found = await _filled(store, order.seen.id, pause)
    for _ in range(TRIES - 1):
        if found not in (None, order.seen.version):
            break
        await asyncio.sleep(pause.total_seconds())
        found = await _filled(store, order.seen.id, pause)
    if found is None or found == order.seen.version:
        raise Stuck(
            step=f"filling {order.seen.place}",
            blocked_by="its store, which took it and does not have it",
            way_out="Repeat the command; if it stays so, look at the store's own records.",
        )
    return found


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
