"""A change of a secret that is answered and not carried out, which moto does not know."""

from collections.abc import Iterator
from contextlib import contextmanager
from copy import deepcopy

from moto.secretsmanager.models import FakeSecret, secretsmanager_backends


@contextmanager
def untouched(account: str) -> Iterator[None]:
    """Whatever is written into secrets in the block is undone behind it. The caller holds moto's lock."""
    kept = [
        (secret, deepcopy(secret.versions), secret.default_version_id)
        for backend in secretsmanager_backends[account].values()
        for secret in backend.secrets.values()
        if isinstance(secret, FakeSecret)
    ]
    try:
        yield
    finally:
        for secret, versions, default in kept:
            secret.versions = versions
            secret.set_default_version_id(default)
