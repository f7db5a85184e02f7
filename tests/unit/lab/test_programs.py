"""Each program of a site is given its own secrets, and nobody else's."""

from lab.fleet import PAYMENTS, VAULT, WEBHOOKS, WHOLE
from lab.founding import Passwords
from lab.programs import programs


def test_the_dispatcher_has_a_password_of_its_own_and_no_other() -> None:
    """Whoever takes it over cannot log in as the service that pays."""
    passwords = {service: Passwords(service=service) for service in (PAYMENTS, VAULT)}
    made = programs(passwords, WHOLE)
    assert made[WEBHOOKS].secrets == {"PAYMENTS_WEBHOOKS_PASSWORD": passwords[PAYMENTS].webhooks}
    assert set(made[PAYMENTS].secrets) == {"PAYMENTS_APP_PASSWORD"}


def test_only_payments_has_a_login_for_dispatchers() -> None:
    """The vault has no outbox."""
    assert "payments_webhooks" in Passwords().by_role()
    assert set(Passwords(service=VAULT).by_role()) == {"vault_app", "vault_control", "vault_stream"}
