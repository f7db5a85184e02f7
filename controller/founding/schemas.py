"""The services with a database of their own: what is founded for each, and what is published."""

from dataclasses import dataclass
from importlib import resources

from workload.schema.baseline import baseline, tables
from workload.schema.migration import read_migrations
from workload.webhooks.settings import webhooks_role

PAYMENTS, VAULT = "payments", "vault"

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
    logins: tuple[str, ...] = ()
    """Of further processes of it, beside the three that every service has; the script says what they may do."""


def payments() -> Schema:
    """The ledger, the proof that a follower gives of it, and the outbox of webhooks."""
    files = ("payments/ledger.sql", "webhooks/outbox.sql", "payments/evidence.sql")
    return _schema(PAYMENTS, files, LEDGER, (webhooks_role(PAYMENTS),))


def vault() -> Schema:
    """Tokens, wrapped data keys, the trail of accesses and the proofs of erasures."""
    return _schema(VAULT, ("vault/vault.sql", "vault/evidence.sql"), NUMBERS)


SCHEMAS = {PAYMENTS: payments, VAULT: vault}
"""By service."""


def _schema(service: str, files: tuple[str, ...], base: tuple[str, ...], logins: tuple[str, ...] = ()) -> Schema:
    migrations = read_migrations(service)
    scripts = [resources.files("workload").joinpath(file).read_text(encoding="utf-8") for file in files]
    script = "\n".join([*scripts, baseline(migrations)])
    return Schema(service=service, script=script, tables=tables(migrations, base), logins=logins)
