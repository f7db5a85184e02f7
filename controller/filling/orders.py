"""What is to be done with each place, decided before anything is changed. No secret is made or sent here.

What is there stays there. It is replaced when somebody asks for it: certificates that end soon (`renew`), anything by name (`rotate`).
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import assert_never

from controller.errors import Refused
from controller.filling.given import GivenFiles
from controller.filling.plan import LIFE, Given, Issued, Password, Passwords, Place, Token, Trusted
from controller.issuing.archive import Archive, Issuer
from controller.issuing.authority import Span

SAFE = re.compile(r"[!#%&()*+,./0-9:;<=>?@A-Z\[\]^_a-z{|}~-]+")
"""What a password may be made of: it stands in an environment file as it is, where a blank, a quote, a stroke or a dollar is not what it
looks like."""


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


def orders(seen: tuple[Seen, ...], wishes: Wishes, means: Means) -> tuple[Order, ...]:
    """One for each place. Raises Refused with everything that is missing, before anything is changed."""
    decided = tuple(Order(seen=one, deed=_deed(one, wishes, means)) for one in seen)
    problems = list(_unknown(seen, wishes))
    for one in decided:
        problems += [f"{one.seen.place}: {problem}" for problem in _problems(one, means)]
    problems += [*_other_passwords(decided, means), *_other_authorities(decided, wishes, means)]
    if problems:
        raise Refused(
            guard="secrets",
            value="; ".join(dict.fromkeys(problems)),
            limit="everything that is to be put into a place",
            way_out="Nothing was changed. Give what is missing, and repeat the command.",
        )
    return decided


def _deed(seen: Seen, wishes: Wishes, means: Means) -> Deed:
    if seen.version is None:
        return Deed.FILL
    if wishes.rotates(seen.place):
        return Deed.ROTATE
    if wishes.renew and isinstance(seen.place.source, Issued):
        issued = means.archive.issued(seen.place.site, seen.place.name)
        if issued is not None and Span.of(issued).is_due(means.now):
            return Deed.RENEW
    return Deed.LEAVE


def _problems(order: Order, means: Means) -> Iterator[str]:
    """Why it cannot be done."""
    place, source = order.seen.place, order.seen.place.source
    if order.deed is Deed.LEAVE:
        return
    match source:
        case Issued(issuer=issuer):
            if means.archive.has(issuer) and means.archive.authority(issuer).ends < means.now + LIFE[place.site]:
                yield f"{issuer} ends before the certificate would; begin a new directory, and rotate every identity and authority"
        case Trusted(beside=file):
            if file and (problem := means.given.further_problem(place.site, file)) is not None:
                yield problem
        case Password(variable=variable):
            yield from _unfit(variable, means)
        case Passwords(variables=variables):
            for one in variables:
                yield from _unfit(one, means)
        case Given():
            if (problem := means.given.problem(place.site, source, means.now)) is not None:
                yield problem
        case Token():
            pass
        case _:
            assert_never(source)


def _unfit(variable: str, means: Means) -> Iterator[str]:
    password = means.passwords.get(variable)
    if not password:
        yield f"{variable} is not set"
    elif SAFE.fullmatch(password) is None:
        yield f"{variable} has a blank, a quote, a stroke, a dollar or no ASCII in it; expected letters, digits and other signs"


def _unknown(seen: tuple[Seen, ...], wishes: Wishes) -> Iterator[str]:
    known = {name for one in seen for name in (one.place.name, str(one.place))}
    yield from (f"--rotate {name}: there is no such place" for name in sorted(wishes.rotate - known))


def _other_passwords(decided: tuple[Order, ...], means: Means) -> Iterator[str]:
    """1. Roles get one password, and two sites are filled with it. 2. The command is repeated with another one. 3. Roles have that now, and
    the third site; at the first two every login is refused."""
    for variable in means.archive.other_passwords(means.passwords):
        kept = [str(one.seen.place) for one in decided if one.deed is Deed.LEAVE and _uses(one.seen.place, variable)]
        if kept:
            way = f"give that one, or replace all of them (--rotate {', --rotate '.join(kept)})"
            yield f"{variable}: another password than {', '.join(kept)} was filled with; {way}"


def _other_authorities(decided: tuple[Order, ...], wishes: Wishes, means: Means) -> Iterator[str]:
    """1. The directory is lost, or another one is named. 2. A place was added since, and is filled by a new authority. 3. That program
    believes nobody, and nobody believes it."""
    left = [one.seen.place for one in decided if one.deed is Deed.LEAVE]
    for issuer in Issuer:
        at_work = any(one.deed is not Deed.LEAVE and _issuer(one.seen.place) is issuer for one in decided)
        if not at_work and not (wishes.renew and any(isinstance(one.source, Issued) for one in left)):
            continue
        foreign = [str(one) for one in left if _issuer(one) is issuer and _is_foreign(one, issuer, means.archive)]
        if foreign:
            yield (
                f"{', '.join(foreign)}: filled from another directory than this one; name that one, or begin anew in this one "
                f"(--rotate for every identity and authority of {issuer})"
            )


def _issuer(place: Place) -> Issuer | None:
    return place.source.issuer if isinstance(place.source, Issued | Trusted) else None


def _is_foreign(place: Place, issuer: Issuer, archive: Archive) -> bool:
    if not archive.has(issuer):
        return True
    if not isinstance(place.source, Issued):
        return False
    issued = archive.issued(place.site, place.name)
    return issued is None or not archive.authority(issuer).has_issued(issued)


def _uses(place: Place, variable: str) -> bool:
    match place.source:
        case Password(variable=own):
            return own == variable
        case Passwords(variables=several):
            return variable in several
        case _:
            return False


def variables(places: tuple[Place, ...]) -> frozenset[str]:
    """Every variable that some place needs a password of."""
    found: set[str] = set()
    for place in places:
        match place.source:
            case Password(variable=variable):
                found.add(variable)
            case Passwords(variables=several):
                found.update(several)
            case _:
                pass
    return frozenset(found)
