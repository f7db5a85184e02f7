"""What is to be done with each place, decided before anything is changed. No secret is made or sent here.

What is there stays there. It is replaced when somebody asks for it: certificates that end soon (`renew`), anything by name (`rotate`), an
authority with everything that hangs on it (`replace`, in steps). What was begun and not confirmed is done again.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum

from controller.filling.given import GivenFiles
from controller.filling.plan import Issued, Place, Token, Trusted, passwords_in
from controller.issuing.archive import Archive, Issuer
from controller.issuing.authority import Span
from controller.issuing.records import Record
from controller.issuing.succession import Stage, Succession


class Deed(StrEnum):
    """What becomes of a place."""

    FILL = "fill"
    LEAVE = "leave"
    RENEW = "renew"
    ROTATE = "rotate"


@dataclass(frozen=True, slots=True, kw_only=True)
class Seen:
    """A place, and what the store says of it."""

    place: Place
    id: str
    version: str | None
    """None: it is empty."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Order:
    """What is to be done with it."""

    seen: Seen
    deed: Deed


@dataclass(frozen=True, slots=True, kw_only=True)
class Wishes:
    """What somebody asks for beyond what is empty."""

    renew: bool = False
    rotate: frozenset[str] = frozenset()
    """`READER/NAME` for all sites, `SITE:READER/NAME` for one."""
    replace: Mapping[Issuer, Stage] = field(default_factory=dict)
    """Steps of authorities' successions."""
    restarted: bool = False
    """Somebody says so: whoever reads what the step before changed was started since."""

    def rotates(self, place: Place) -> bool:
        """This one?"""
        return place.name in self.rotate or str(place) in self.rotate


@dataclass(frozen=True, slots=True, kw_only=True)
class Means:
    """Where secrets come from."""

    archive: Archive
    given: GivenFiles
    passwords: Mapping[str, str] = field(repr=False)
    """By variable."""
    now: datetime

    def known(self, seen: Seen) -> Record | None:
        """What is in this place. None: nothing, or nobody here knows."""
        return self.archive.records.known(seen.place.site, seen.place.name, seen.version)

    def succession(self, issuer: Issuer, wishes: Wishes) -> Succession:
        """Where it will be when the wishes are carried out."""
        found = self.archive.succession(issuer)
        return found.at(wishes.replace[issuer]) if issuer in wishes.replace else found


def decided(seen: tuple[Seen, ...], wishes: Wishes, means: Means) -> tuple[Order, ...]:
    """One for each place, whether it can be done or not."""
    return tuple(Order(seen=one, deed=_deed(one, wishes, means)) for one in seen)


def _deed(seen: Seen, wishes: Wishes, means: Means) -> Deed:
    place, archive = seen.place, means.archive
    if seen.version is None or archive.records.began(place.site, place.name, seen.version):
        return Deed.FILL
    if wishes.rotates(place) or _is_behind(seen, wishes, means):
        return Deed.ROTATE
    last = archive.records.last(place.site, place.name)
    if (
        wishes.renew
        and isinstance(place.source, Issued)
        and last is not None
        and Span.of(last.certificate.encode()).is_due(means.now)
    ):
        return Deed.RENEW
    return Deed.LEAVE


def _is_behind(seen: Seen, wishes: Wishes, means: Means) -> bool:
    """Is something else in it than a step asks for, or another token than the one that is on its way to all sites?"""
    known = means.known(seen)
    match seen.place.source:
        case Issued(issuer=issuer) if wishes.replace.get(issuer) is Stage.ISSUE:
            return known is None or means.archive.issuer_of(issuer, known.certificate) != means.succession(issuer, wishes).issuing
        case Trusted(issuer=issuer) if wishes.replace.get(issuer) in (Stage.TRUST, Stage.FORGET):
            return known is None or known.believed != means.succession(issuer, wishes).believed
        case Token() if (following := means.archive.next_token()) is not None:
            return known is None or known.token != following
        case _:
            return False


def variables(places: tuple[Place, ...]) -> frozenset[str]:
    """Every variable that some place needs a password of."""
    return frozenset(name for place in places for name in passwords_in(place.source))


def at_work(orders: tuple[Order, ...]) -> Iterator[Order]:
    """Those by which something is changed."""
    return (one for one in orders if one.deed is not Deed.LEAVE)
