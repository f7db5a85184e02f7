"""An operator's order that one controller carries out, and none of the others: so that the owner of a plan can be hurt."""

import asyncio
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from controller.clock import SystemClock
from controller.coordination.etcd import Etcd
from controller.coordination.store import Store
from controller.ports import Request
from lab import processes
from lab.addresses import LOCAL
from lab.cabling import SITES, Door
from lab.errors import LabError
from lab.laboratory import Laboratory
from lab.site_settings import SERVICE

CLAIMED = timedelta(seconds=15)
STOPPED = timedelta(seconds=0.8)
"""Longest stop of the other controllers: their words are fresh for a second, and without them the order would be refused."""
LOOK = 0.01


@dataclass(frozen=True, slots=True, kw_only=True)
class Order:
    """A move that is wanted."""

    to: str
    """Where a switchover leads; the site that a failover leaves."""
    owner: str
    """Site whose controller is to carry it out."""
    verb: str = "switchover"


ARGUMENT = {"switchover": "to", "failover": "from"}


class AstrayError(LabError):
    """The owner that was wanted did not claim the order; another one may."""


async def order_move(lab: Laboratory, order: Order) -> None:
    """Ask as an operator would, and return once the owner has claimed it. Raises AstrayError when it has not.

    Whichever controller looks first claims: the other two are stopped for the moment that this takes, which is no longer than a pause
    that noise brings.
    """
    control = await lab.witness.control()
    if control is None:
        raise LabError("etcd does not answer before the order")
    before = int(control.posture.epoch)
    wish = Request(
        id=f"matrix-{before}", verb=order.verb, by="matrix", reason="its owner is to be hurt", at=datetime.now(UTC),
        arguments={ARGUMENT[order.verb]: order.to},
    )  # fmt: skip
    try:
        with _stopped(lab, order.owner):
            await ask(lab, wish)
            owner = await await_claim(lab, before, STOPPED)
    except LabError as error:
        raise AstrayError(str(error)) from error
    if owner != order.owner:
        raise AstrayError(f"the {order.verb} is in the hands of {owner}'s controller, not of {order.owner}'s")


async def ask(lab: Laboratory, wish: Request) -> None:
    """Leave an operator's wish for whichever controller looks first. Raises TrimaranError without etcd's majority."""
    urls = [f"http://{LOCAL}:{lab.cabling.direct(site, Door.ETCD)}" for site in SITES]
    etcd = Etcd(urls, call_deadline=timedelta(seconds=0.5))
    try:
        await Store(etcd, controller="matrix", clock=SystemClock()).request(SERVICE, wish)
    finally:
        await etcd.close()


async def await_claim(lab: Laboratory, epoch: int, deadline: timedelta = CLAIMED) -> str:
    """Site of the controller that has claimed an epoch above this one. Raises LabError when nobody has in time."""
    until = time.monotonic() + deadline.total_seconds()
    while time.monotonic() < until:
        control = await lab.witness.control()
        if control is not None and control.posture.epoch > epoch and control.plan is not None and control.ownership is not None:
            return control.ownership.controller
        await asyncio.sleep(LOOK)
    raise LabError(f"nobody has claimed an epoch above {epoch} within {deadline.total_seconds():g} s")


@contextmanager
def _stopped(lab: Laboratory, owner: str) -> Iterator[None]:
    """Every controller but this one, for the length of the block."""
    others = [site.controller for site in lab.sites.values() if site.name != owner and site.controller is not None]
    processes.freeze(*others)
    try:
        yield
    finally:
        processes.thaw(*others)
