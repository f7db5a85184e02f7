"""Which program a stack runs. A stack imports its own cloud's SDK and no other: one that is broken or missing stops one stack."""

import importlib
from collections.abc import Mapping
from typing import Any, Protocol, cast

import pulumi
from pulumi.runtime.config import CONFIG, is_config_secret

from infra.settings import NAMESPACE, Role, Settings, SettingsError, read_settings

MODULES: Mapping[Role, str] = {role: f"infra.roles.{role}" for role in Role}


class RoleProgram(Protocol):
    """A module of `infra.roles`."""

    def build(self, settings: Settings) -> None:
        """Register everything the stack has, and publish its contract."""


def run() -> None:
    """What the stack's configuration asks for. Raises RunError with every problem of its settings."""
    try:
        settings = read_settings(given())
        _is_named_for_it(pulumi.get_stack(), settings)
    except SettingsError as error:
        raise pulumi.RunError(str(error)) from error
    program = cast("RoleProgram", importlib.import_module(MODULES[settings.role]))
    program.build(settings)


def given() -> dict[str, Any]:
    """Every setting of ours that is there, also one that nobody knows: a misspelled one would be passed over in silence, otherwise.

    Raises SettingsError for those that are kept as secrets. A stack's file seals them, and the program opens them: an owner that was set
    with `--secret` would stand on every resource, and in the open in the state and in each preview.
    """
    prefix = f"{NAMESPACE}:"
    values = {key: value for key, value in CONFIG.get().items() if key.startswith(prefix)}
    if sealed := [key for key in sorted(values) if is_config_secret(key)]:
        way_out = "no setting is secret, and what is secret has a place (docs/deploy.md, Secrets); set it without `--secret`, or remove it"
        raise SettingsError(tuple(f"{key}: kept as a secret; {way_out}" for key in sealed))
    return {key.removeprefix(prefix): value for key, value in values.items()}


def _is_named_for_it(stack: str, settings: Settings) -> None:
    """The configuration of one stack under the name of another would replace everything that the other one has."""
    name = stack_name(settings.environment, settings.role)
    if stack != name:
        raise SettingsError((f"{NAMESPACE}:role: this stack is {stack}, and these settings are for {name}; select that one",))


def stack_name(environment: str, role: Role) -> str:
    """`prod-aws`, say."""
    return f"{environment}-{role}"
