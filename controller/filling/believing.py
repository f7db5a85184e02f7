"""Nobody is refused by those he works with, whatever is replaced, and wherever it stops. Two rules keep that, for each authority:

1. An identity is put somewhere only when everybody is known to believe who issued it.
2. A list of who is believed is put somewhere only when everybody is known to show an identity of one that is in it.

What is known is what the stores confirmed to this directory; of a place that somebody else filled nothing is. Programs that still run with
what they read before are known to nobody here, so somebody has to say that they were started since.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from controller.filling.orders import Deed, Means, Order, Seen, Wishes
from controller.filling.plan import LIFE, Issued, Trusted
from controller.issuing.archive import Issuer
from controller.issuing.succession import Stage, Succession


@dataclass(frozen=True, slots=True, kw_only=True)
class _Circle:
    """Everybody who meets by one authority."""

    issuer: Issuer
    identities: tuple[Order, ...]
    lists: tuple[Order, ...]
    before: Succession
    after: Succession


def problems(found: tuple[Order, ...], wishes: Wishes, means: Means) -> Iterator[str]:
    """Why it would leave somebody refused."""
    for issuer in Issuer:
        circle = _circle(issuer, found, wishes, means)
        wanted = wishes.replace.get(issuer)
        if wanted is not None and (refusal := circle.before.refusal(wanted)) is not None:
            yield f"--replace {issuer}={wanted}: {refusal}"
            continue
        if wanted is not None and circle.before.moves(wanted) and not wishes.restarted:
            yield f"--replace {issuer}={wanted}: {_unread(circle, wanted)}"
        yield from _identities(circle, means)
        yield from _lists(circle, means)
        if wishes.renew and (foreign := _foreign((one for one in circle.identities if one.deed is Deed.LEAVE), means)):
            yield _elsewhere(foreign, issuer)


def is_through(seen: Iterable[Seen], issuer: Issuer, means: Means) -> bool:
    """Does everybody believe those that are believed now, and nobody else of ours?"""
    believed = means.archive.succession(issuer).believed
    lists = [one for one in seen if isinstance(one.place.source, Trusted) and one.place.source.issuer is issuer]
    known = [means.known(one) for one in lists if one.version is not None]
    return all(one is not None and one.believed == believed for one in known)


def _circle(issuer: Issuer, found: tuple[Order, ...], wishes: Wishes, means: Means) -> _Circle:
    def of(kind: type[Issued] | type[Trusted]) -> tuple[Order, ...]:
        return tuple(one for one in found if isinstance(one.seen.place.source, kind) and one.seen.place.source.issuer is issuer)

    return _Circle(
        issuer=issuer,
        identities=of(Issued),
        lists=of(Trusted),
        before=means.archive.succession(issuer),
        after=means.succession(issuer, wishes),
    )


def _identities(circle: _Circle, means: Means) -> Iterator[str]:
    """1. The directory is lost, or another one is named. 2. A place was added since, and is filled by a new authority. 3. That program
    believes nobody, and nobody believes it."""
    put = [one for one in circle.identities if one.deed is not Deed.LEAVE]
    if not put:
        return
    issuer, after = circle.issuer, circle.after
    if after.keyless and after.issuing == after.current:
        yield f"{issuer}: its key is not in this directory; --replace {issuer}={Stage.TRUST}"
    for one in put:
        ends = means.archive.ends(issuer, after.issuing)
        if ends is not None and ends < means.now + LIFE[one.seen.place.site]:
            yield f"{one.seen.place}: {issuer} ends before the certificate would; --replace {issuer}={Stage.TRUST}"
    if foreign := _foreign(circle.lists, means):
        yield _elsewhere([*foreign, *_foreign(circle.identities, means)], issuer)
    behind = []
    for one in circle.lists:
        known = means.known(one.seen)
        if known is not None and after.issuing not in known.believed:
            behind.append(str(one.seen.place))
    if behind and after.stage is Stage.ISSUE:
        yield f"{', '.join(behind)}: the successor of {issuer} is not believed there yet; --replace {issuer}={Stage.TRUST}"
    elif behind:
        yield _elsewhere(behind, issuer)


def _lists(circle: _Circle, means: Means) -> Iterator[str]:
    """1. A list is replaced by one with another authority in it. 2. Whoever reads it refuses everybody who still shows a certificate of the
    old one, which is all of them."""
    if all(one.deed is Deed.LEAVE for one in circle.lists):
        return
    issuer, after = circle.issuer, circle.after
    foreign = _foreign(circle.identities, means)
    if foreign and not (after.keyless and after.stage is Stage.TRUST):
        yield _elsewhere(foreign, issuer)
    behind = []
    for one in circle.identities:
        known = means.known(one.seen)
        if known is not None and means.archive.issuer_of(issuer, known.certificate) not in after.believed:
            behind.append(str(one.seen.place))
    if behind and after.stage is Stage.FORGET:
        yield f"{', '.join(behind)}: of the old authority of {issuer}; --replace {issuer}={Stage.ISSUE}"
    elif behind:
        yield _elsewhere(behind, issuer)


def _unread(circle: _Circle, wanted: Stage) -> str:
    """1. Places are filled, programs run on with what they read. 2. The first that is started shows what the others do not believe yet."""
    changed = circle.lists if wanted is Stage.ISSUE else circle.identities
    readers = sorted({one.seen.place.name.partition("/")[0] for one in changed})
    return f"say --restarted when everything of {', '.join(readers)} was started at every site since the step before ended"


def _foreign(orders: Iterable[Order], means: Means) -> list[str]:
    """Filled, and nobody here knows with what."""
    return [str(one.seen.place) for one in orders if one.seen.version is not None and means.known(one.seen) is None]


def _elsewhere(places: Iterable[str], issuer: Issuer) -> str:
    return (
        f"{', '.join(places)}: filled from another directory than this one, or by hand; name that one, or a copy of it, or replace them "
        f"one kind after the other (--rotate PLACE); when it is lost, see docs/deploy.md, Replacing an authority ({issuer})"
    )
