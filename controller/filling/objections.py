"""Why orders are not carried out: every reason at once, before anything is changed."""

import re
from collections.abc import Iterator
from typing import assert_never

from controller.errors import Refused
from controller.filling import believing
from controller.filling.orders import Deed, Means, Order, Seen, Wishes, at_work, decided
from controller.filling.plan import Given, Issued, Others, Password, Passwords, Token, Trusted, passwords_in
from controller.issuing.passwords import is_known

SAFE = re.compile(r"[!#%&()*+,./0-9:;<=>?@A-Z\[\]^_a-z{|}~-]+")
"""What a password may be made of: it stands in an environment file as it is, where a blank, a quote, a stroke or a dollar is not what it
looks like."""


def orders(seen: tuple[Seen, ...], wishes: Wishes, means: Means) -> tuple[Order, ...]:
    """What is to be done with each place. Raises Refused with everything that is missing, before anything is changed."""
    _pinned(seen, means)
    found = decided(seen, wishes, means)
    problems = list(_unknown(seen, wishes))
    for one in found:
        problems += [f"{one.seen.place}: {problem}" for problem in _problems(one, wishes, means)]
    problems += [*_other_passwords(found, means), *believing.problems(found, wishes, means)]
    if problems:
        raise Refused(
            guard="secrets",
            value="; ".join(dict.fromkeys(problems)),
            limit="everything that is to be put into a place",
            way_out="Nothing was changed. Give what is missing, and repeat the command.",
        )
    return found


def _pinned(seen: tuple[Seen, ...], means: Means) -> None:
    """1. Places were filled once. 2. Outputs name other ones since. 3. Programs are told by the old ones what nobody renews any more, and
    somebody else is told by the new ones."""
    moved = []
    for one in seen:
        last = means.archive.records.last(one.place.site, one.place.name)
        if last is not None and last.id != one.id:
            moved.append(f"{one.place}: {one.id}; filled first: {last.id}")
    if moved:
        raise Refused(
            guard="places",
            value="; ".join(moved),
            limit="the places that were filled the first time",
            way_out="Nothing was sent. Where a stack made one anew, remove places/SITE/READER-NAME.json from the directory: whoever "
            "reads the old one has to be given the new one.",
        )


def _problems(order: Order, wishes: Wishes, means: Means) -> Iterator[str]:
    """Why it cannot be done."""
    place, source = order.seen.place, order.seen.place.source
    if order.deed is Deed.LEAVE:
        return
    match source:
        case Issued():
            pass  # about whom it meets: see `believing`
        case Trusted(beside=file) | Others(beside=file):
            yield from _further(order, file, means) if file else ()
        case Password() | Passwords():
            for one in passwords_in(source):
                yield from _unfit(one, means)
        case Given():
            if (problem := means.given.problem(place.site, source, means.now)) is not None:
                yield problem
        case Token():
            # 1. One site's controllers are told another token. 2. The site whose controllers lead is lost. 3. Whoever takes over refuses
            # the orders of people on duty.
            if order.deed is Deed.ROTATE and means.archive.next_token() is None and place.name not in wishes.rotate:
                yield f"one for all sites; --rotate {place.name}"
        case _:
            assert_never(source)


def _further(order: Order, file: str, means: Means) -> Iterator[str]:
    """1. Merchants' authorities were given, and the edge's list is replaced without them. 2. Edges start with it. 3. These merchants are
    turned away at all sites."""
    place = order.seen.place
    if (problem := means.given.further_problem(place.site, file)) is not None:
        yield problem
    elif order.seen.version is not None and means.given.read(place.site, file) is None and means.known(order.seen) is None:
        yield f"nobody here knows what was given there; give {file}, or one with the word none in it"


def _unfit(variable: str, means: Means) -> Iterator[str]:
    password = means.passwords.get(variable)
    if not password:
        yield f"{variable} is not set"
    elif SAFE.fullmatch(password) is None:
        yield f"{variable} has a blank, a quote, a stroke, a dollar or no ASCII in it; expected letters, digits and other signs"


def _unknown(seen: tuple[Seen, ...], wishes: Wishes) -> Iterator[str]:
    known = {name for one in seen for name in (one.place.name, str(one.place))}
    yield from (f"--rotate {name}: there is no such place" for name in sorted(wishes.rotate - known))


def _other_passwords(found: tuple[Order, ...], means: Means) -> Iterator[str]:
    """1. Roles get one password, and two sites are filled with it. 2. The command is repeated with another one. 3. Roles have that now, and
    the third site; at the first two every login is refused."""
    put = {name for one in at_work(found) for name in passwords_in(one.seen.place.source)}
    for variable, password in means.passwords.items():
        kept = [one.seen for one in found if one.deed is Deed.LEAVE and variable in passwords_in(one.seen.place.source)]
        others, unsure = [], []
        for one in kept:
            known = means.known(one)
            if known is not None and variable in known.passwords and not is_known(known.passwords[variable], password):
                others.append(str(one.place))
            elif variable in put and means.archive.records.is_unsure(one.place.site, one.place.name, one.version):
                unsure.append(str(one.place))
        if others:
            way = f"give that one, or replace all of them (--rotate {', --rotate '.join(others)})"
            yield f"{variable}: another password than {', '.join(others)} was filled with; {way}"
        if unsure:
            yield f"{variable}: nobody here knows what {', '.join(unsure)} was filled with last; --rotate {', --rotate '.join(unsure)}"
