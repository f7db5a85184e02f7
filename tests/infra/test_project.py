"""`Pulumi.yaml` against what programs read: what is declared there is what there is, of the same type, with the same default."""

from enum import Enum
from typing import Any, get_args, get_origin

import pytest

from infra.settings import NAMESPACE, TABLES, Settings, SettingsError, read_settings
from tests.infra.stacks import STACKS, project, settings_of, stack_file

OWN = f"{NAMESPACE}:"
LEFT_OUT = tuple(sorted(name for name in TABLES if not Settings.model_fields[name].is_required()))
"""Tables that not every stack has."""


def declared() -> dict[str, Any]:
    """What the project says of each of our keys."""
    return {key.removeprefix(OWN): said for key, said in project()["config"].items() if key.startswith(OWN)}


def type_of(name: str) -> str:
    """As the engine calls what `Settings` reads there."""
    kind = Settings.model_fields[name].annotation
    if name in TABLES:
        return "object"
    if kind is bool:
        return "boolean"
    assert get_origin(kind) is not None or (isinstance(kind, type) and issubclass(kind, str | Enum)), kind
    assert all(isinstance(one, str) for one in get_args(kind))
    return "string"


def test_every_setting_is_declared_and_nothing_else() -> None:
    """What is not would be unknown to `pulumi config`; what nobody reads would be refused as a misspelling, in all stacks."""
    assert set(declared()) == set(Settings.model_fields)


@pytest.mark.parametrize("name", sorted(Settings.model_fields))
def test_a_setting_is_declared_as_it_is_read(name: str) -> None:
    """Its type, and a line that says what it is."""
    said = declared()[name]
    assert said["type"] == type_of(name) and said["description"]


@pytest.mark.parametrize("name", sorted(name for name, field in Settings.model_fields.items() if not field.is_required()))
def test_a_default_is_the_programs_own(name: str) -> None:
    """The engine puts it into every stack that says nothing: another one would be another setting wherever the engine does not run."""
    said, own = declared()[name]["default"], Settings.model_fields[name].default
    assert said == ({} if name in LEFT_OUT else own) and (own is None) == (name in LEFT_OUT)


@pytest.mark.parametrize("stack", STACKS)
def test_every_stack_says_what_has_no_default_and_nothing_that_is_not_declared(stack: str) -> None:
    """The engine refuses a stack that leaves one out, before its program is asked."""
    given = {key.removeprefix(OWN) for key in stack_file(stack)}
    assert (
        {name for name, said in declared().items() if "default" not in said}
        == {"environment", "role"}
        <= given
        <= set(declared())
    )


@pytest.mark.parametrize("stack", STACKS)
@pytest.mark.parametrize("name", LEFT_OUT)
def test_an_empty_table_is_one_that_was_left_out(stack: str, name: str) -> None:
    """Whether the stack may leave it out or not: it is as if nobody had declared it."""
    undeclared = {key: value for key, value in settings_of(stack).items() if key != name}
    assert what_becomes_of({**undeclared, name: "{}"}) == what_becomes_of(undeclared)


def what_becomes_of(given: dict[str, Any]) -> Settings | tuple[str, ...]:
    """Settings, or why there are none."""
    try:
        return read_settings(given)
    except SettingsError as error:
        return error.problems
