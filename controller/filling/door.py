"""A certificate for clients, as somebody was given it: would they believe it, and for how long? Told without a word of its key."""

from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta
from itertools import pairwise

from cryptography import x509
from cryptography.x509.oid import AuthorityInformationAccessOID

from controller.core.checkup.papers import LATE
from controller.issuing.authority import holds_its_key

SERVED = ("api", "vault")
"""What clients come to, before the domain."""


def problems(pem: bytes, domain: str, now: datetime) -> Iterator[str]:
    """Why it is not put behind a door. None is told when clients of the domain would be let in for more than `LATE`, or more than a
    twentieth of its life: less is what the doctor calls too late."""
    try:
        chain = x509.load_pem_x509_certificates(pem)
    except ValueError:
        yield "no certificate, PEM"
        return
    first = chain[0]
    if not holds_its_key(pem):
        yield "no private key of the first certificate in it, PEM and unsealed"
    yield from _broken(chain)
    if missing := [name for name in (f"{one}.{domain}" for one in SERVED) if not _names(first, name)]:
        yield f"not for {', '.join(missing)}"
    yield from _dates(chain, now)


def _broken(chain: Sequence[x509.Certificate]) -> Iterator[str]:
    for number, (one, issuer) in enumerate(pairwise(chain), 1):
        try:
            one.verify_directly_issued_by(issuer)
        except Exception:  # noqa: BLE001  whatever is wrong with it, nobody follows the chain past it
            yield f"certificate {number + 1} did not issue certificate {number}: the door's own is first, each followed by its issuer"
    # A public authority never issues by its root (CA/Browser Forum, Baseline Requirements 6.1.7). 1. The chain was left out. 2. Whoever
    # tries it has a browser, which finds the rest by itself. 3. Programs of merchants do not, and pay nothing.
    if len(chain) == 1 and _says_where_its_issuer_is(chain[0]):
        yield "the chain is missing: this one says where its issuer's certificate is found, and clients do not look there"


def _says_where_its_issuer_is(certificate: x509.Certificate) -> bool:
    try:
        found = certificate.extensions.get_extension_for_class(x509.AuthorityInformationAccess).value
    except x509.ExtensionNotFound:
        return False
    return any(one.access_method == AuthorityInformationAccessOID.CA_ISSUERS for one in found)


def _names(certificate: x509.Certificate, name: str) -> bool:
    """As clients compare: the whole name, or one star in place of its first part. A common name is none (RFC 6125)."""
    try:
        found = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except x509.ExtensionNotFound:
        return False
    return bool({name, f"*.{name.partition('.')[2]}"} & {one.lower() for one in found.get_values_for_type(x509.DNSName)})


def _dates(chain: Sequence[x509.Certificate], now: datetime) -> Iterator[str]:
    for number, one in enumerate(chain, 1):
        left, lives = one.not_valid_after_utc - now, one.not_valid_after_utc - one.not_valid_before_utc
        if one.not_valid_before_utc > now:
            yield f"certificate {number} holds not before {one.not_valid_before_utc.isoformat()}"
        elif left <= timedelta(0):
            yield f"certificate {number} ended at {one.not_valid_after_utc.isoformat()}"
        elif left <= min(LATE, lives / 20):
            yield f"certificate {number} ends at {one.not_valid_after_utc.isoformat()}, so soon that it would be too late again"
