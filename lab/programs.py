"""Our own programs that run at every site, with the secrets that each of them is given."""

from collections.abc import Mapping, Sequence

from lab.authorities import CREDENTIALS
from lab.fleet import PAYMENTS, SCREENING, VAULT, WEBHOOKS
from lab.founding import Passwords
from lab.site import CONTROLLER, Program
from workload.webhooks.settings import PASSWORD_VARIABLE


def programs(passwords: Mapping[str, Passwords], services: Sequence[str]) -> Mapping[str, Program]:
    """The controller and these services, by name; `passwords` by service. Webhooks tell merchants what payments' outbox holds, with a
    login of their own."""
    secrets: Mapping[str, Mapping[str, str]] = {
        PAYMENTS: _of_app(passwords[PAYMENTS]),
        VAULT: {**_of_app(passwords[VAULT]), **CREDENTIALS} if VAULT in passwords else {},
        SCREENING: {},
        WEBHOOKS: {PASSWORD_VARIABLE: passwords[PAYMENTS].webhooks},
    }
    found = (
        *(Program(name=service, module=f"workload.{service}", secrets=secrets[service]) for service in services),
        Program(name=CONTROLLER, module="controller", verb=("run",), secrets={**_of_controllers(passwords), **CREDENTIALS}),
    )
    return {program.name: program for program in found}


def _of_app(own: Passwords) -> Mapping[str, str]:
    """A service knows its own password and nobody else's."""
    return {f"{own.service.upper()}_APP_PASSWORD": own.app}


def _of_controllers(passwords: Mapping[str, Passwords]) -> Mapping[str, str]:
    found: dict[str, str] = {}
    for service, own in passwords.items():
        found[f"TRIMARAN_{service.upper()}_CONTROL_PASSWORD"] = own.control
        found[f"TRIMARAN_{service.upper()}_STREAM_PASSWORD"] = own.stream
    return found
