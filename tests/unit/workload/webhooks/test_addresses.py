"""Where a webhook may go."""

import socket
from ipaddress import ip_address, ip_network

import pytest
from hypothesis import given
from hypothesis import strategies as st
from yarl import URL

from workload.webhooks.addresses import Refused, guarded_sockets, is_allowed, objection

INSIDE = [
    "127.0.0.1", "127.255.255.254", "0.0.0.0", "10.0.0.1", "172.16.0.1", "192.168.1.1", "169.254.169.254", "100.64.0.1",
    "192.0.2.1", "198.18.0.1", "224.0.0.1", "239.1.1.1", "240.0.0.1", "255.255.255.255",
    "::", "::1", "fe80::1", "fd00::1", "fc00::1", "ff02::1", "2001:db8::1", "::ffff:127.0.0.1", "::ffff:169.254.169.254",
    "64:ff9b::7f00:1", "64:ff9b:1::a00:1", "2002:7f00:1::", "2002:a9fe:a9fe::", "2001:0:4136:e378:8000:63bf:3fff:fdd2",
    "fec0::1", "::7f00:1",
]  # fmt: skip
PUBLIC = ["8.8.8.8", "1.1.1.1", "2606:4700:4700::1111", "::ffff:8.8.8.8"]


@pytest.mark.parametrize("address", INSIDE)
def test_what_is_not_the_public_internet_is_refused(address: str) -> None:
    """Loopback, private, link-local with the clouds' metadata, shared, documentation, multicast, reserved, and all of them in disguise."""
    assert not is_allowed(ip_address(address), ())


@pytest.mark.parametrize("address", PUBLIC)
def test_the_public_internet_is_allowed(address: str) -> None:
    """That is where merchants are."""
    assert is_allowed(ip_address(address), ())


@given(st.ip_addresses(v=4))
def test_an_ipv4_address_in_ipv6_clothes_is_judged_alike(address: object) -> None:
    """Mapped addresses are no way around."""
    assert is_allowed(ip_address(f"::ffff:{address}"), ()) == is_allowed(ip_address(str(address)), ())


def test_the_labs_network_is_allowed_by_name_only() -> None:
    """And no other one with it."""
    lab = (ip_network("127.0.0.0/8"),)
    assert is_allowed(ip_address("127.0.0.1"), lab)
    assert is_allowed(ip_address("::ffff:127.0.0.1"), lab)
    assert not is_allowed(ip_address("::1"), lab)
    assert not is_allowed(ip_address("10.0.0.1"), lab)


def test_no_socket_is_made_towards_the_inside() -> None:
    """Whatever a name resolved to when it was checked, it is the address of this connection that counts."""
    make = guarded_sockets(())
    with pytest.raises(Refused, match=r"169\.254\.169\.254"):
        make((socket.AF_INET, socket.SOCK_STREAM, 0, "", ("169.254.169.254", 80)))
    make((socket.AF_INET, socket.SOCK_STREAM, 0, "", ("8.8.8.8", 443))).close()


@pytest.mark.parametrize(
    ("url", "why"),
    [
        ("http://example.test/", "scheme"),
        ("file:///etc/passwd", "scheme"),
        ("example.test", "scheme"),
        ("https://user@example.test/", "user"),
        ("https://user:word@example.test/", "user"),
    ],
)
def test_a_url_that_must_not_be_called_is_told_why(url: str, why: str) -> None:
    """Before any name is asked for."""
    assert why in (objection(URL(url), plain_http=False) or "")


def test_tls_is_asked_for_unless_it_is_waived() -> None:
    """The lab has none."""
    assert objection(URL("https://example.test/"), plain_http=False) is None
    assert objection(URL("http://example.test/"), plain_http=True) is None
