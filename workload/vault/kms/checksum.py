"""CRC-32C, by which Cloud KMS and its callers tell that nothing was damaged on the way. RFC 3720, appendix B.4.

Written out, because a hundred bytes for each new data key do not earn a compiled dependency.
"""

POLYNOMIAL = 0x82F63B78
"""Castagnoli's, lowest bit first."""


def _shifted(value: int) -> int:
    for _ in range(8):
        value = value >> 1 ^ (POLYNOMIAL if value & 1 else 0)
    return value


TABLE = tuple(_shifted(value) for value in range(256))


def crc32c(data: bytes) -> int:
    """The checksum, 0 for nothing."""
    value = 0xFFFFFFFF
    for byte in data:
        value = value >> 8 ^ TABLE[(value ^ byte) & 0xFF]
    return value ^ 0xFFFFFFFF
