"""What is put behind a door is what clients would believe; what is wrong with a file is told by what it is, all at once."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import AuthorityInformationAccessOID, NameOID

from controller.core.checkup.papers import LATE
from controller.filling.door import problems

NOW = datetime(2026, 3, 1, tzinfo=UTC)
DOMAIN = "pay.example.com"
NAMES = (f"api.{DOMAIN}", f"vault.{DOMAIN}")
DAYS = timedelta(days=1)

Key = ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey


class Issuer:
    """An authority in the middle of a chain, or whoever is issued to by one."""

    def __init__(self, name: str, above: "Issuer | None" = None, **given: object) -> None:
        self.key: Key = ec.generate_private_key(ec.SECP256R1()) if not given.get("rsa") else rsa.generate_private_key(65537, 2048)
        self.name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
        by, key = (self.name, self.key) if above is None else (above.name, above.key)
        begins, ends = given.get("begins", NOW - DAYS), given.get("ends", NOW + 90 * DAYS)
        assert isinstance(begins, datetime) and isinstance(ends, datetime)
        built = (
            x509.CertificateBuilder(issuer_name=by, subject_name=self.name, public_key=self.key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(begins)
            .not_valid_after(ends)
        )
        if isinstance(names := given.get("names"), Sequence):
            built = built.add_extension(x509.SubjectAlternativeName([x509.DNSName(one) for one in names]), critical=False)
        if given.get("tells_issuer"):
            where = x509.UniformResourceIdentifier("http://ca.example.com/ca.der")
            described = x509.AccessDescription(AuthorityInformationAccessOID.CA_ISSUERS, where)
            built = built.add_extension(x509.AuthorityInformationAccess([described]), critical=False)
        self.pem = built.sign(key, hashes.SHA256()).public_bytes(Encoding.PEM)

    @property
    def key_pem(self) -> bytes:
        """Unsealed."""
        return self.key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())


BEFORE = NOW - 500 * DAYS
ROOT = Issuer("root", begins=BEFORE, ends=NOW + 900 * DAYS)
MIDDLE = Issuer("middle", ROOT, begins=BEFORE, ends=NOW + 400 * DAYS)


def told(*parts: bytes, at: datetime = NOW) -> list[str]:
    """Of a file with these parts."""
    return list(problems(b"".join(parts), DOMAIN, at))


def door(above: Issuer = MIDDLE, **given: object) -> Issuer:
    """For both names, unless said otherwise."""
    return Issuer("door", above, **{"names": NAMES, **given})


@pytest.mark.parametrize(
    "given", [{}, {"rsa": True}, {"tells_issuer": True}, {"names": (f"*.{DOMAIN}",)}, {"names": ("API." + DOMAIN, NAMES[1])}]
)
def test_what_clients_would_believe_is_taken(given: dict[str, object]) -> None:
    """With its chain, wherever the key stands; the root may be there and need not."""
    one = door(**given)
    assert told(one.pem, MIDDLE.pem, one.key_pem) == told(one.key_pem, one.pem, MIDDLE.pem, ROOT.pem) == []


def test_an_authority_that_issues_by_its_root_has_no_chain() -> None:
    """One's own may; a certificate that says where the missing part is found was made by one that does not."""
    assert told((one := door(ROOT)).pem, one.key_pem) == []
    assert "the chain is missing" in told((one := door(tells_issuer=True)).pem, one.key_pem)[0]


def test_a_chain_in_another_order_is_refused() -> None:
    """Or of another issuer: which two do not belong together is told."""
    one, stranger = door(), Issuer("middle")
    (said,) = told(one.pem, ROOT.pem, one.key_pem)
    assert said.startswith("certificate 2 did not issue certificate 1")
    (said,) = told(one.pem, stranger.pem, one.key_pem)
    assert said.startswith("certificate 2 did not issue certificate 1"), "the same name, another key"
    assert "no private key of the first certificate" in told(MIDDLE.pem, one.pem, one.key_pem)[0]


@pytest.mark.parametrize(
    "names", [None, (DOMAIN,), NAMES[:1], ("api.shop.example.com", "vault.shop.example.com"), (f"*.api.{DOMAIN}", NAMES[0])]
)
def test_a_certificate_for_other_names_is_refused(names: tuple[str, ...] | None) -> None:
    """Of another environment, say; which names are missing is told."""
    (said,) = told((one := door(names=names)).pem, MIDDLE.pem, one.key_pem)
    assert said.startswith("not for ") and f"vault.{DOMAIN}" in said
    assert (f"api.{DOMAIN}" in said) == (not names or NAMES[0] not in names)


def test_a_key_of_another_certificate_is_refused() -> None:
    """Yesterday's, mostly."""
    one, other = door(), door()
    for key in (other.key_pem, b""):
        assert told(one.pem, MIDDLE.pem, key) == ["no private key of the first certificate in it, PEM and unsealed"]


@pytest.mark.parametrize(
    ("lives", "left", "said"),
    [
        (90 * DAYS, 5 * DAYS, ""),
        (90 * DAYS, 4 * DAYS, "certificate 1 ends at"),
        (365 * DAYS, LATE + DAYS, ""),
        (365 * DAYS, LATE, "certificate 1 ends at"),
        (6 * DAYS, DAYS, ""),
        (90 * DAYS, -DAYS, "certificate 1 ended at"),
    ],
)
def test_what_ends_soon_is_refused_by_the_doctors_measure(lives: timedelta, left: timedelta, said: str) -> None:
    """Seven days, or a twentieth of a short life: yesterday's file, given once more, is found out here."""
    one = door(begins=NOW - lives, ends=NOW)
    found = told(one.pem, MIDDLE.pem, one.key_pem, at=NOW - left)
    assert [line.startswith(said) for line in found] == ([True] if said else [])


def test_a_chain_that_ended_or_has_not_begun_is_refused() -> None:
    """With the number of the one that it is."""
    ended = Issuer("middle", ROOT, begins=NOW - 90 * DAYS, ends=NOW - DAYS)
    one = door(ended, begins=NOW + DAYS)
    assert [line.partition(" at ")[0].partition(" before ")[0] for line in told(one.pem, ended.pem, one.key_pem)] == [
        "certificate 1 holds not",
        "certificate 2 ended",
    ]


def test_everything_is_told_at_once_and_nothing_of_the_key() -> None:
    """Whoever mends a file mends it once."""
    one, other = door(names=(DOMAIN,), begins=NOW - 90 * DAYS, ends=NOW + DAYS), door()
    found = told(one.pem, ROOT.pem, other.key_pem)
    assert len(found) == 4 and not [line for line in found if "PRIVATE" in line]
    assert told(b"no certificate") == ["no certificate, PEM"]
