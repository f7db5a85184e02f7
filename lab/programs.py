"""Our own programs that run at every site, with the secrets that each of them is given."""

from collections.abc import Mapping

from lab.authorities import CREDENTIALS
from lab.fleet import PAYMENTS, VAULT
from lab.founding import Passwords
from lab.screening_settings import NAME as SCREENING
from lab.site import CONTROLLER, Program

WEBHOOKS = "webhooks"
"""Tells merchants what the payments service's outbox holds; it has no database of its own."""


def programs(passwords: Mapping[str, Passwords]) -> Mapping[str, Program]:
    """By name; `passwords` by service."""
    found = (
        Program(name=PAYMENTS, module="workload.payments", secrets=_of_app(passwords[PAYMENTS])),
        Program(name=VAULT, module="workload.vault", secrets={**_of_app(passwords[VAULT]), **CREDENTIALS}),
        Program(name=SCREENING, module="workload.screening"),
        Program(name=WEBHOOKS, module="workload.webhooks", secrets=_of_app(passwords[PAYMENTS])),
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
