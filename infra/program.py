"""Which program a stack runs. A stack imports its own cloud's SDK and no other: one that is broken or missing stops one stack."""

import importlib
from collections.abc import Mapping
from typing import Any, Protocol, cast

import pulumi

from infra.settings import NAMESPACE, Role, Settings, SettingsError, read_settings

MODULES: Mapping[Role, str] = {role: f"infra.roles.{role}" for role in Role}


class RoleProgram(Protocol):
    """A module of `infra.roles`."""

    def build(self, settings: Settings) -> None:
        """Register everything the stack has, and publish its contract."""


def run() -> None:
    """What the stack's configuration asks for. Raises RunError with every problem of its settings."""
    try:
        settings = read_settings(given(pulumi.Config(NAMESPACE)))
        _is_named_for_it(pulumi.get_stack(), settings)
    except SettingsError as error:
        raise pulumi.RunError(str(error)) from error
    program = cast("RoleProgram", importlib.import_module(MODULES[settings.role]))
    program.build(settings)


def given(config: pulumi.Config) -> dict[str, Any]:
    """Every known key that is set."""
    values = {key: config.get(key) for key in Settings.model_fields}
    return {key: value for key, value in values.items() if value is not None}


def _is_named_for_it(stack: str, settings: Settings) -> None:
    """The configuration of one stack under the name of another would replace everything that the other one has."""
    name = stack_name(settings.environment, settings.role)
    if stack != name:
        raise SettingsError((f"{NAMESPACE}:role: this stack is {stack}, and these settings are for {name}; select that one",))


def stack_name(environment: str, role: Role) -> str:
    """`prod-aws`, say."""
    return f"{environment}-{role}"
