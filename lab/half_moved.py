"""When each service of the fleet moved, and for how long one had and another had not. Pure.

Services have writers, epochs and plans of their own, so a site's loss moves them one by one. In between payments may be made while no
number can be kept, or the other way round.
"""

from collections.abc import Collection
from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class ServiceMove:
    """One service across a fault."""

    service: str
    writer_before: str
    writer_after: str | None
    """None: etcd did not answer."""
    epoch_before: int
    epoch_after: int | None
    first_acknowledged: float | None
    """Seconds from the fault to what clients were first told of an epoch above the one before; None: nothing."""


@dataclass(frozen=True, slots=True, kw_only=True)
class HalfMoved:
    """Part of the fleet was acknowledged in a later epoch, and part was not."""

    first: str
    """The service that moved first."""
    last: str
    """The one that moved last, or never did."""
    begin: float
    """Seconds after the fault."""
    end: float | None
    """None: it still was when the run was over."""

    @property
    def seconds(self) -> float | None:
        """How long."""
        return None if self.end is None else self.end - self.begin


def half_moved(moves: Collection[ServiceMove], site: str) -> HalfMoved | None:
    """Of the services that were written at this site; None when fewer than two were, or none of them moved."""
    known = [(move.first_acknowledged, move.service) for move in moves if move.writer_before == site]
    moved = sorted((first, service) for first, service in known if first is not None)
    left = [service for first, service in known if first is None]
    if len(known) < 2 or not moved:
        return None
    (begin, first), (end, last) = moved[0], moved[-1]
    return HalfMoved(first=first, last=left[0] if left else last, begin=begin, end=None if left else end)


def broken_move(move: ServiceMove, site: str) -> tuple[str, ...]:
    """What one service's move owes after a fault of this site, in words; empty when it kept all."""
    if move.writer_before != site:
        stayed = move.epoch_after in (move.epoch_before, None)
        said = (
            f"{move.service} moved though {site} did not write it: the epoch went from {move.epoch_before} to {move.epoch_after}"
        )
        return () if stayed else (said,)
    rules = (
        (move.first_acknowledged is not None, f"{move.service}: nothing was acknowledged in a later epoch"),
        (move.writer_after != site, f"{move.service}: {site} is the writer again, though nobody asked for it"),
        (
            move.epoch_after in (move.epoch_before + 1, None),
            f"{move.service}: one fault, one failover: the epoch went from {move.epoch_before} to {move.epoch_after}",
        ),
    )
    return tuple(said for kept, said in rules if not kept)
