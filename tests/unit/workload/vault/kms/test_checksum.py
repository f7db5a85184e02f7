"""CRC-32C as everybody reckons it."""

import os

import pytest

from lab.clouds.google_kms import crc32c as bit_by_bit
from workload.vault.kms.checksum import crc32c

KNOWN = {
    b"\x00" * 32: 0x8A9136AA,
    b"\xff" * 32: 0x62A8AB43,
    bytes(range(32)): 0x46DD794E,
    bytes(range(31, -1, -1)): 0x113FDB5C,
    b"123456789": 0xE3069283,
    b"": 0,
}
"""RFC 3720, appendix B.4, and the check value of the catalogues."""


@pytest.mark.parametrize(("data", "checksum"), KNOWN.items())
def test_the_published_values_come_out(data: bytes, checksum: int) -> None:
    """Of the adapter's, and of the emulation's, which is written apart from it."""
    assert crc32c(data) == checksum
    assert bit_by_bit(data) == checksum


def test_a_damaged_byte_is_told() -> None:
    """Whichever it is."""
    data = os.urandom(64)
    damaged = [bytes([*data[:i], data[i] ^ 0x10, *data[i + 1 :]]) for i in range(len(data))]
    assert crc32c(data) not in {crc32c(one) for one in damaged}
