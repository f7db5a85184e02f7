"""A private authority: what it issues is believed for what is named in it, by those who believe it."""

import ssl
from datetime import UTC, datetime, timedelta
from ipaddress import IPv4Address
from pathlib import Path

import pytest

from controller.issuing.authority import SKEW, Authority, Papers, Span, Subject, certificates_in, holds_its_key, joined
from controller.issuing.names import service_host, service_name
from workload.access.identity import names_in

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
YEAR = timedelta(days=365)
PAYMENTS = Subject(called="payments", uris=(service_name("payments"),), hosts=(service_host("payments"),))


def made(name: str = "fleet") -> Authority:
    """One that is valid for ten years of now, whenever that is."""
    return Authority.made(name, now=datetime.now(UTC), life=10 * YEAR)


def met(server: Papers, trusted: bytes, tmp_path: Path, *, client: Papers, host: str | None = None) -> dict[str, object]:
    """What a client learns of a server in a handshake of mutual TLS, through memory. Raises ssl.SSLError."""
    (tmp_path / "server.pem").write_bytes(server.certificate)
    (tmp_path / "client.pem").write_bytes(client.certificate)
    listens, calls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER), ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    listens.verify_mode, calls.check_hostname = ssl.CERT_REQUIRED, host is not None
    listens.load_cert_chain(tmp_path / "server.pem")
    calls.load_cert_chain(tmp_path / "client.pem")
    for context in (listens, calls):
        context.verify_flags |= ssl.VERIFY_X509_STRICT
        context.load_verify_locations(cadata=trusted.decode())
    there, back = ssl.MemoryBIO(), ssl.MemoryBIO()
    one = calls.wrap_bio(back, there, server_hostname=host)
    other = listens.wrap_bio(there, back, server_side=True)
    for _ in range(4):
        for end in (one, other):
            try:
                end.do_handshake()
            except ssl.SSLWantReadError:
                continue
    assert names_in(other.getpeercert())
    return dict(one.getpeercert() or {})


def test_both_ends_believe_what_one_authority_has_issued(tmp_path: Path) -> None:
    """By every kind of name, as strictly as OpenSSL can be."""
    fleet, now = made(), datetime.now(UTC)
    address = IPv4Address("10.0.0.4")
    server = fleet.issue(
        Subject(called="payments", uris=PAYMENTS.uris, hosts=PAYMENTS.hosts, addresses=(address,)), now=now, life=YEAR
    )
    client = fleet.issue(Subject(called="edge", uris=("trimaran://edge/aws",)), now=now, life=YEAR)
    found = met(server, fleet.pem, tmp_path, client=client, host=service_host("payments"))
    assert names_in(found) == {service_name("payments")}
    assert met(server, fleet.pem, tmp_path, client=client, host=str(address))
    with pytest.raises(ssl.SSLCertVerificationError):
        met(server, fleet.pem, tmp_path, client=client, host=service_host("vault"))


def test_nobody_believes_another_authority_of_the_same_name(tmp_path: Path) -> None:
    """A name is no proof."""
    fleet, other, now = made(), made(), datetime.now(UTC)
    issued = other.issue(PAYMENTS, now=now, life=YEAR)
    with pytest.raises(ssl.SSLError):
        met(issued, fleet.pem, tmp_path, client=issued, host=service_host("payments"))
    assert other.has_issued(issued.public) and not fleet.has_issued(issued.public)


@pytest.mark.parametrize("newest_first", [True, False])
def test_two_authorities_of_one_name_are_believed_side_by_side(tmp_path: Path, newest_first: bool) -> None:
    """While one takes the other's place, as OpenSSL looks for who has issued what: whichever of them stands first in the list."""
    old, new, now = made(), made(), datetime.now(UTC)
    both = joined((new.pem, old.pem) if newest_first else (old.pem, new.pem))
    papers = {one.fingerprint: one.issue(PAYMENTS, now=now, life=YEAR) for one in (old, new)}
    assert len(papers) == 2
    for server in papers.values():
        for client in papers.values():
            assert met(server, both, tmp_path, client=client, host=service_host("payments"))
            if server is not client:
                with pytest.raises(ssl.SSLError):
                    met(server, new.pem, tmp_path, client=client, host=service_host("payments"))


def test_who_was_issued_a_certificate_issues_none(tmp_path: Path) -> None:
    """Else every service were an authority."""
    fleet, now = made(), datetime.now(UTC)
    leaf = Authority.read(fleet.issue(Subject(called="Trimaran fleet", hosts=("a.example",)), now=now, life=YEAR).certificate)
    forged = Authority(leaf._key, leaf._certificate).issue(PAYMENTS, now=now, life=YEAR)
    with pytest.raises(ssl.SSLError):
        met(forged, fleet.pem + leaf.pem, tmp_path, client=forged, host=service_host("payments"))


def test_a_certificate_lives_from_an_hour_ago_for_as_long_as_was_said() -> None:
    """Clocks differ."""
    issued = Authority.made("fleet", now=NOW, life=10 * YEAR).issue(PAYMENTS, now=NOW, life=YEAR)
    assert Span.of(issued.certificate) == Span(begins=NOW - SKEW, ends=NOW + YEAR)


@pytest.mark.parametrize(("days", "due"), [(0, False), (243, False), (244, True), (364, True), (400, True)])
def test_it_is_due_when_less_than_a_third_is_left(days: int, due: bool) -> None:
    """Of a year and an hour."""
    span = Span(begins=NOW - SKEW, ends=NOW + YEAR)
    assert span.is_due(NOW + timedelta(days=days)) is due


def test_an_authority_is_what_was_written_of_it() -> None:
    """Read again, it goes on issuing."""
    fleet = made()
    again = Authority.read(fleet.sealed)
    assert (again.pem, again.name, again.ends) == (fleet.pem, "fleet", fleet.ends)
    assert fleet.has_issued(again.issue(PAYMENTS, now=datetime.now(UTC), life=YEAR).public)


def test_what_is_no_authority_is_refused_without_a_word_of_it() -> None:
    """A key without its certificate, the other way round, somebody else's key, anything."""
    one, other = made(), made()
    key = other.sealed[other.sealed.index(b"-----BEGIN PRIVATE") :]
    for spoilt in (b"", b"hidden", one.pem, key, one.pem + key):
        with pytest.raises(ValueError, match=r"^expected") as refused:
            Authority.read(spoilt)
        assert "hidden" not in str(refused.value) and "BEGIN" not in str(refused.value)
        assert not holds_its_key(spoilt)
    assert holds_its_key(one.sealed)


def test_no_key_is_in_what_anybody_may_see() -> None:
    """Neither in an authority's certificate, nor in what is kept of an issued one, nor in what Python prints."""
    fleet = made()
    issued = fleet.issue(PAYMENTS, now=datetime.now(UTC), life=YEAR)
    for shown in (fleet.pem, issued.public, issued.authority, repr(issued).encode(), repr(fleet).encode()):
        assert b"PRIVATE" not in shown
    assert b"PRIVATE" in issued.certificate and b"PRIVATE" in fleet.sealed


def test_certificates_are_counted() -> None:
    """Of several in one file."""
    several = joined((made().pem, made().pem.rstrip()))
    assert (certificates_in(several), certificates_in(b"nothing")) == (2, 0)
