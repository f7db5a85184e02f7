"""The services of the lab that have a database of their own: what is founded for each, and what is published."""

from dataclasses import dataclass
from importlib import resources

from workload.schema.baseline import baseline, tables
from workload.schema.migration import read_migrations

PAYMENTS, VAULT = "payments", "vault"
FLEET = (PAYMENTS, VAULT)
"""Each with its own writer, epoch and ack set."""

SCREENING, WEBHOOKS = "screening", "webhooks"
WHOLE = (PAYMENTS, VAULT, SCREENING, WEBHOOKS)
LEAN = (PAYMENTS,)
"""What a lab runs at every site. The whole fleet takes half of two cores before anybody asks it anything; what is shown of edges,
authorities or controllers needs one service."""

LEDGER = (
    "ledger.account",
    "ledger.payment",
    "ledger.entry",
    "ledger.profile",
    "ledger.held",
    "outbox.endpoint",
    "outbox.counter",
    "outbox.event",
    "outbox.delivery",
)
NUMBERS = ("vault.data_key", "vault.wrap", "vault.token", "vault.access", "vault.erasure")


@dataclass(frozen=True, slots=True, kw_only=True)
class Schema:
    """A service's own schema, as an empty node gets it before anything streams."""

    service: str
    script: str
    tables: tuple[str, ...]
    """Published, so that followers hold them."""


def payments() -> Schema:
    """The ledger, the proof that a follower gives of it, and the outbox of webhooks."""
    files = ("payments/ledger.sql", "webhooks/outbox.sql", "payments/evidence.sql")
    return _schema(PAYMENTS, files, LEDGER)


def vault() -> Schema:
    """Tokens, wrapped data keys, the trail of accesses and the proofs of erasures."""
    return _schema(VAULT, ("vault/vault.sql", "vault/evidence.sql"), NUMBERS)


def _schema(service: str, files: tuple[str, ...], base: tuple[str, ...]) -> Schema:
    migrations = read_migrations(service)
    scripts = [resources.files("workload").joinpath(file).read_text(encoding="utf-8") for file in files]
    return Schema(service=service, script="\n".join([*scripts, baseline(migrations)]), tables=tables(migrations, base))
