"""What moto does not know of secrets: a change that is answered and not carried out, and that a version is told for its stage."""

from collections.abc import Iterator
from contextlib import contextmanager
from copy import deepcopy

from moto.secretsmanager.models import FakeSecret, secretsmanager_backends

CURRENT = "AWSCURRENT"


@contextmanager
def untouched(account: str) -> Iterator[None]:
    """Whatever is written into secrets in the block is undone behind it. The caller holds moto's lock."""
    kept = [(secret, deepcopy(secret.versions), secret.default_version_id) for secret in _secrets(account)]
    try:
        yield
    finally:
        for secret, versions, default in kept:
            secret.versions = versions
            secret.set_default_version_id(default)


@contextmanager
def told_by_stage(account: str) -> Iterator[None]:
    """Behind the block every secret tells the version at which the stage stands, and takes the stage from there when another one is put:
    when somebody moves it, moto goes on with the version that was put last. The caller holds moto's lock."""
    try:
        yield
    finally:
        for secret in _secrets(account):
            named = (name for name, version in secret.versions.items() if CURRENT in version["version_stages"])
            if (current := next(named, None)) is not None:
                secret.set_default_version_id(current)


def _secrets(account: str) -> tuple[FakeSecret, ...]:
    backends = secretsmanager_backends[account].values()
    return tuple(secret for backend in backends for secret in backend.secrets.values() if isinstance(secret, FakeSecret))
