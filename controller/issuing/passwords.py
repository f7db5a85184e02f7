"""What is kept of a password: enough to know another one for another one, and no password."""

import hashlib
import secrets
from functools import lru_cache

COST = 2**14
"""Of guessing a password by what is kept of it: N of scrypt (RFC 7914), with blocks of 8 and no parallelism."""


class Sealed:
    """Seals passwords; one that is sealed twice by the same is the same twice."""

    def __init__(self, cost: int = COST) -> None:
        self._cost = cost
        self._made: dict[tuple[str, str], str] = {}

    def of(self, name: str, password: str) -> str:
        """What is kept."""
        if (name, password) not in self._made:
            self._made[name, password] = _digest(password, self._cost, secrets.token_bytes(16))
        return self._made[name, password]


@lru_cache(maxsize=256)
def is_known(kept: str, password: str) -> bool:
    """Was it made of this one, whatever it cost then?"""
    cost, salt, _ = kept.split(":")
    return secrets.compare_digest(kept, _digest(password, int(cost), bytes.fromhex(salt)))


def _digest(password: str, cost: int, salt: bytes) -> str:
    made = hashlib.scrypt(password.encode(), salt=salt, n=cost, r=8, p=1)
    return f"{cost}:{salt.hex()}:{made.hex()}"
