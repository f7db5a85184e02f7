"""`[services.SERVICE.policy]`, read field by field into `core.policy.Policy`."""

from collections.abc import Callable, Mapping
from dataclasses import fields
from datetime import timedelta
from typing import Annotated, Any, get_type_hints

from pydantic import ConfigDict, Field, TypeAdapter, ValidationError

from controller.core.model import Mode, Site
from controller.core.policy import Freeze, Policy, contradictions
from controller.settings_tables import Duration, FreezeTable

ELSEWHERE = {"mode": "mode", "shares": "shares", "replicas": "replicas"}
"""Fields of the policy that stand beside the policy's table, because people look for them there."""

Found = Callable[[str, str], None]
"""Takes a problem: key below the policy's table, and what was expected."""

SHAPES: Mapping[object, Any] = {
    timedelta: Duration,
    int: Annotated[int, Field(strict=True, le=100_000)],
    float: Annotated[float, Field(strict=True, allow_inf_nan=False)],
    Mapping[Site, float]: dict[str, Annotated[float, Field(strict=True, allow_inf_nan=False)]],
    tuple[Freeze, ...]: list[FreezeTable],
}


def read_policy(
    table: Mapping[str, object],
    *,
    mode: Mode,
    shares: Mapping[Site, float],
    replicas: frozenset[Site],
    sites: frozenset[Site],
    found: Found,
) -> Policy:
    """The policy that the table asks for; everything wrong with it is told to `found`, and stays at its default."""
    given: dict[str, Any] = {"mode": mode, "shares": shares, "replicas": replicas}
    for name, value in table.items():
        if name not in ADAPTERS:
            found(name, "it stands one table above" if name in ELSEWHERE else f"no such setting; there are {', '.join(ADAPTERS)}")
            continue
        try:
            given[name] = _value(ADAPTERS[name].validate_python(value))
        except ValidationError as error:
            for key, expected in problems(error):
                found(".".join(filter(None, (name, key))), expected)
    policy = Policy(**given)
    for name, expected in contradictions(policy, sites):
        if name not in ELSEWHERE:
            found(name, expected)
    return policy


def problems(error: ValidationError) -> tuple[tuple[str, str], ...]:
    """Every problem that pydantic found: dotted key, and what was expected there."""
    return tuple((_key(item["loc"]), _expected(item)) for item in error.errors(include_url=False))


def _key(place: tuple[int | str, ...]) -> str:
    return ".".join(str(part) for part in place if part != "[key]")


def _expected(item: Any) -> str:
    match item["type"]:
        case "missing":
            return "a value; it is missing"
        case "extra_forbidden":
            return "no such setting"
        case "value_error":
            return f"{item['msg'].removeprefix('Value error, ')}{_seen(item)}"
        case _:
            return f"{item['msg'].removeprefix('Input should be ')}{_seen(item)}"


def _seen(item: Any) -> str:
    shown = repr(item["input"]) if isinstance(item["input"], str | int | float) else ""
    return f", not {shown}" if shown else ""


def _value(value: object) -> object:
    if isinstance(value, list):
        return tuple(Freeze(start=window.start, end=window.end, reason=window.reason) for window in value)
    return value


def _adapters() -> dict[str, TypeAdapter[Any]]:
    hints = get_type_hints(Policy)
    names = [field.name for field in fields(Policy) if field.name not in ELSEWHERE]
    return {name: TypeAdapter(SHAPES[hints[name]], config=ConfigDict(hide_input_in_errors=True)) for name in names}


ADAPTERS = _adapters()
