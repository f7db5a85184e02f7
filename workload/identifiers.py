"""Identifiers that sort by time of creation, made without asking anybody."""

import os
import time
from uuid import UUID


def uuid7_from(milliseconds: int, random: bytes) -> UUID:
    """A UUIDv7 of that Unix time with ten random bytes (RFC 9562 section 5.7)."""
    value = bytearray(milliseconds.to_bytes(6, "big") + random[:10])
    value[6] = 0x70 | (value[6] & 0x0F)
    value[8] = 0x80 | (value[8] & 0x3F)
    return UUID(bytes=bytes(value))


def uuid7() -> UUID:
    """A UUIDv7 of now."""
    return uuid7_from(time.time_ns() // 1_000_000, os.urandom(10))
