"""What is put into a place, and what is written down of it."""

from dataclasses import dataclass, field
from typing import assert_never

from controller.filling.orders import Means, Seen
from controller.filling.plan import LIFE, Given, Issued, Others, Password, Passwords, Token, Trusted, passwords_in
from controller.issuing.archive import fingerprint
from controller.issuing.authority import joined
from controller.issuing.records import Record

NOBODY = b"# Nobody: no file was given.\n"
"""In a place that may not stay empty. Who names the file all the same is told that there is no certificate in it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Parcel:
    """For one place."""

    content: bytes = field(repr=False)
    record: Record


def packed(seen: Seen, means: Means) -> Parcel:
    """What belongs there. Made now: what is made earlier lies about for longer."""
    place, source, archive = seen.place, seen.place.source, means.archive
    match source:
        case Issued(issuer=issuer, subject=subject):
            papers = archive.authority(issuer).issue(subject, now=means.now, life=LIFE[place.site])
            return Parcel(content=papers.certificate, record=Record(id=seen.id, certificate=papers.public.decode()))
        case Trusted(issuer=issuer, beside=file):
            own, further = archive.believed(issuer), _further(seen, file, means)
            content = joined((*(one.pem for one in own), *((further,) if further else ())))
            believed = tuple(one.fingerprint for one in own)
            return Parcel(content=content, record=Record(id=seen.id, believed=believed, further=further.decode()))
        case Others(beside=file):
            further = _further(seen, file, means)
            return Parcel(content=further or NOBODY, record=Record(id=seen.id, further=further.decode()))
        case Password() | Passwords():
            return _of_passwords(seen, source, means)
        case Given(file=file):
            found = means.given.read(place.site, file)
            assert found is not None, "looked at when it was decided"
            return Parcel(content=found, record=Record(id=seen.id))
        case Token():
            token = archive.operator_token()
            return Parcel(content=token, record=Record(id=seen.id, token=fingerprint(token)))
        case _:
            assert_never(source)


def _of_passwords(seen: Seen, source: Password | Passwords, means: Means) -> Parcel:
    words = {name: means.passwords[name] for name in passwords_in(source)}
    lines = "".join(f"{name}={word}\n" for name, word in words.items())
    content = lines if isinstance(source, Passwords) else words[source.variable]
    kept = {name: means.archive.sealed.of(name, word) for name, word in words.items()}
    return Parcel(content=content.encode(), record=Record(id=seen.id, passwords=kept))


def _further(seen: Seen, file: str, means: Means) -> bytes:
    """What is given now; else what was given before."""
    given = means.given.further(seen.place.site, file) if file else None
    if given is not None:
        return given
    known = means.known(seen)
    return known.further.encode() if known is not None else b""
