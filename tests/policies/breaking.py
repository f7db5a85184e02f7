"""One property of one resource is made wrong, and the whole stack is looked at again."""

import copy
import re
from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum, auto
from functools import cache
from typing import Any

from policies.check import configuration, violations
from tests.policies import sample_rest, sample_sites
from tests.policies.samples import Told

SAMPLES: Mapping[str, Any] = {
    "aws": sample_sites.aws,
    "azure": sample_sites.azure,
    "gcp": sample_sites.gcp,
    "interconnect": sample_rest.interconnect,
    "edge": sample_rest.edge,
    "control": sample_rest.control,
}
UNKNOWN_ON_WIRE = "04da6b54-80e4-46f7-96ec-b56ff0331ba9"
GONE = object()
"""A value that takes the property away."""


class How(Enum):
    """What is made wrong."""

    SET = auto()
    UNPROTECT = auto()
    UNPROVIDE = auto()
    UNIGNORE = auto()
    REMOVE = auto()
    """The resource itself."""


class InPreview(Enum):
    """What becomes of the same property when nobody knows it yet."""

    REFUSED = auto()
    """By the same control: nobody could look at it."""
    TRACED = auto()
    """Let pass by the rule of the resource, and looked for where it comes from by a rule of the stack."""
    NEVER = auto()
    """It cannot be: it is no property, or one of the program's own."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Break:
    """One row: what is made wrong, and who has to notice."""

    control: str
    type: str
    path: str = ""
    value: Any = None
    how: How = How.SET
    name: str = ""
    """The first one of the type when empty."""
    also: frozenset[str] = frozenset()
    """Other controls that look at the same thing."""
    in_preview: InPreview = InPreview.REFUSED
    hand: bool = False
    """Only for the sample made by hand: real stacks have it in another way."""

    def __str__(self) -> str:
        what = f"{self.path}={'gone' if self.value is GONE else self.value}" if self.how is How.SET else self.how.name.lower()
        return f"{self.control}:{self.type.rpartition(':')[2]}:{what}"[:110]


_configuration = cache(configuration)


def broken_by(stack: str, told: list[Told], **config: Any) -> frozenset[str]:
    """Mandatory and advisory controls that these resources break."""
    changed = {**_configuration(stack), **{f"trimaran:{key}": value for key, value in config.items()}}
    return frozenset(
        one.control.id for one in violations(stack, told, {key: value for key, value in changed.items() if value is not GONE})
    )


def the_one(told: list[Told], row: Break) -> Told | None:
    """Whom the row is about."""
    named = (one for one in told if one["type"] == row.type and row.name in ("", one["name"]))
    return next((one for one in named if row.how is not How.SET or row.value is not GONE or _has(one["inputs"], row.path)), None)


def with_break(told: list[Told], row: Break) -> list[Told]:
    """A copy in which it is wrong. Raises LookupError when there is nobody to break."""
    changed = copy.deepcopy(told)
    one = the_one(changed, row)
    if one is None:
        raise LookupError(f"no {row.type} {row.name}")
    match row.how:
        case How.SET:
            put(one, row.path, row.value)
        case How.UNPROTECT:
            one["protect"] = False
        case How.UNPROVIDE:
            one["provider"] = ""
        case How.UNIGNORE:
            one["ignore_changes"] = []
        case How.REMOVE:
            changed.remove(one)
    return changed


def unknown(told: list[Told], row: Break, *, sources: tuple[str, ...] | None) -> list[Told]:
    """A copy in which nobody knows the row's property, computed from `sources`; None leaves what it was computed from."""
    changed = copy.deepcopy(told)
    one = the_one(changed, row)
    assert one is not None
    put(one, row.path, UNKNOWN_ON_WIRE)
    if sources is not None:
        one["property_dependencies"] = {**one["property_dependencies"], re.split(r"[.\[]", row.path)[0]: list(sources)}
    return changed


def put(one: Told, path: str, value: Any) -> None:
    """Into inputs, and into outputs where they repeat them."""
    steps: list[str | int] = [int(step) if step.isdigit() else step for step in re.findall(r"[^.\[\]]+", path)]
    _put(one["inputs"], steps, value)
    if steps[0] in one["outputs"]:
        _put(one["outputs"], steps, value)


def _put(holder: Any, steps: list[str | int], value: Any) -> None:
    for step in steps[:-1]:
        if isinstance(holder, dict) and not isinstance(holder.get(step), dict | list):
            holder[step] = {}
        holder = holder[step]
    if value is GONE:
        holder.pop(steps[-1], None)
    else:
        holder[steps[-1]] = value


def _has(holder: Any, path: str) -> bool:
    for step in re.findall(r"[^.\[\]]+", path):
        try:
            holder = holder[int(step)] if step.isdigit() else holder[step]
        except (KeyError, IndexError, TypeError):
            return False
    return True
