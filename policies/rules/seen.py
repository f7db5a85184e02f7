"""What a rule sees: resources as plain values, wherever they come from, and what the stack was told.

Rules for changing this file: no engine, no SDK. Three ways lead here: the engine's questions (`policies.pack`), exported state and
recordings (`policies.check`). A rule cannot tell which one it was, so none can hold in one and be forgotten in another.
"""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from enum import Enum
from typing import Any

from infra.topology import Cloud, Jurisdiction, Topology


class Unknown(Enum):
    """A value that there is not yet.

    1. In a preview, whatever a cloud makes up is unknown, and so is all that is computed from it.
    2. The policy SDK raises when one is touched, and calls what follows advisory, even of a mandatory policy.
    3. A database whose `publiclyAccessible` is computed from another resource passes the preview, and a reviewer approves it.
    So unknown is a value here, equal to nothing that a rule may ask for.
    """

    UNKNOWN = "unknown"


UNKNOWN = Unknown.UNKNOWN


@dataclass(frozen=True, slots=True, kw_only=True)
class Provider:
    """Whose account a resource is made in."""

    name: str
    props: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Resource:
    """One resource: inputs before it is made, and outputs where a rule looks at a whole stack."""

    type: str
    name: str
    urn: str
    props: Mapping[str, Any]
    """With the names of the wire."""
    protect: bool = False
    ignore_changes: tuple[str, ...] = ()
    provider: Provider | None = None
    property_dependencies: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    """URNs by property. Empty where the engine does not tell: resource policies."""

    def at(self, path: str) -> Any:
        """What stands at `a.b.c`: None when nothing does, UNKNOWN when that or what it is in is not known yet."""
        found: Any = self.props
        for step in path.split("."):
            if found is UNKNOWN:
                return UNKNOWN
            if not isinstance(found, Mapping):
                return None
            found = found.get(step)
        return found

    def every(self, path: str) -> Iterator[tuple[str, Any]]:
        """What stands at `a[].b`, one by one, each with its place. An unknown list is one unknown thing."""
        yield from _every(self.props, path.replace("[]", ".[]").split("."), "")

    def sources(self, path: str) -> tuple[str, ...]:
        """URNs that the property at `path` is computed from."""
        return tuple(self.property_dependencies.get(path.replace("[]", "").split(".")[0], ()))

    def finding(self, problem: str) -> "Finding":
        """This resource, and what is wrong with it."""
        return Finding(urn=self.urn, problem=f"{self.name} ({self.type}): {problem}")


def _every(found: Any, steps: list[str], place: str) -> Iterator[tuple[str, Any]]:
    if not steps or found is UNKNOWN:
        yield place.removeprefix("."), found
    elif steps[0] == "[]":
        for number, inner in enumerate(found if isinstance(found, list | tuple) else ()):
            yield from _every(inner, steps[1:], f"{place}[{number}]")
    else:
        yield from _every(found.get(steps[0]) if isinstance(found, Mapping) else None, steps[1:], f"{place}.{steps[0]}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """One violation: a whole sentence that names the resource."""

    problem: str
    urn: str | None = None
    """None: the stack as a whole."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Facts:
    """What the stack was told. A part that is missing or cannot be read is None or empty, and the rules that need it say so."""

    stack: str
    role: str = ""
    topology: Topology | None = None
    problem: str = "trimaran:topology is missing"
    """Why there is no topology."""
    accounts: Mapping[Cloud, str] = field(default_factory=dict)
    """Account, subscription, project."""
    asns: Mapping[Cloud, int] = field(default_factory=dict)
    live: bool = True

    @property
    def jurisdiction(self) -> Jurisdiction | None:
        """Whose law everything is under."""
        return self.topology.jurisdiction if self.topology else None

    def region(self, cloud: Cloud) -> str | None:
        """Where that cloud's site is."""
        return self.topology.regions.get(cloud) if self.topology else None


PREFIXES: Mapping[str, Cloud] = {"aws": Cloud.AWS, "azure-native": Cloud.AZURE, "gcp": Cloud.GCP}


def cloud_of(token: str) -> Cloud | None:
    """Whose resource it is. None for what no cloud has."""
    return PREFIXES.get(token.removeprefix("pulumi:providers:").partition(":")[0])


def is_provider(token: str) -> bool:
    """Is it an account rather than something in it?"""
    return token.startswith("pulumi:providers:")


def of_provider(props: Mapping[str, Any]) -> Mapping[str, Any]:
    """A provider's inputs, read: on the wire and in state, lists and tables of a provider's are JSON as text."""
    return {name: _read(value) for name, value in props.items()}


def _read(value: Any) -> Any:
    if not isinstance(value, str) or not value.startswith(("[", "{")):
        return value
    try:
        return json.loads(value)
    except json.JSONDecodeError:
        return value


def said(value: Any) -> str:
    """As a message tells it."""
    if value is None:
        return "is missing"
    if value is UNKNOWN:
        return "is not known before it is made, so nobody can look at it now"
    return f"is {value!r}"
