"""One stack's program run to its end with nothing behind it: what it asked for, as the engine would hear it, options included.

Each stack runs in a process of its own, as it does under the engine: the SDK keeps one stack for each process.
"""

import json
import os
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache
from importlib.util import find_spec
from typing import Any

from infra.program import MODULES
from infra.settings import Role
from infra.topology import Cloud
from tests.infra.stacks import FILLING, ROOT, configuration, gone_live

LIMIT = 120
"""Seconds for one stack."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Resource:
    """One registration."""

    urn: str
    type: str
    name: str
    inputs: Mapping[str, Any]
    """With the names of the wire."""
    outputs: Mapping[str, Any]
    parent: str
    provider: str
    """`urn::id`, or nothing."""
    protect: bool
    ignore_changes: tuple[str, ...]
    dependencies: tuple[str, ...]
    property_dependencies: Mapping[str, tuple[str, ...]]
    retain_on_delete: bool
    custom: bool
    timeouts: Mapping[str, str]
    """Of `create`, `update`, `delete`; empty where nothing is said."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Recording:
    """What one program did."""

    stack: str
    resources: tuple[Resource, ...] = ()
    read: tuple[Resource, ...] = ()
    """Other stacks: registered by nobody, and looked up."""
    outputs: Mapping[str, Any] = field(default_factory=dict)
    refused: str | None = None
    """What the program said when it ended with an error of its own."""

    def of_type(self, token: str) -> tuple[Resource, ...]:
        """All resources with that token."""
        return tuple(one for one in self.resources if one.type == token)

    def one(self, token: str, name: str) -> Resource:
        """The only one of that token and name."""
        (found,) = (one for one in self.of_type(token) if one.name == name)
        return found


def recorded(stack: str) -> Recording:
    """What a stack asks for with the configuration that is in the repository."""
    return _recorded(stack, live=False, preview=False)


def recorded_live(stack: str) -> Recording:
    """What a stack asks for when bootstrap has filled its site's secrets and its images are built: it runs."""
    return _recorded(stack, live=True, preview=False)


def previewed(stack: str, *, live: bool = False) -> Recording:
    """What a stack asks for in its first preview, in which nothing of it is there."""
    return _recorded(stack, live=live, preview=True)


@cache
def recorded_filling(stack: str, *, preview: bool = False) -> Recording:
    """What a stack asks for when its settings name who may fill its site's places for secrets."""
    return record(stack, preview=preview, filling=dict(FILLING))


@cache
def _recorded(stack: str, *, live: bool, preview: bool) -> Recording:
    return record(stack, preview=preview, **(gone_live(stack) if live else {}))


def record(stack: str, *, preview: bool = False, stacks: Mapping[str, Any] | None = None, **changed: object) -> Recording:
    """What a stack asks for when some of its configuration is changed. In a preview nothing that a cloud makes up is known.

    `stacks`: what the others have published, by full name, in place of what their programs publish. One that is left out was never applied.
    """
    others = _others(stack) if stacks is None else stacks
    order = {"stack": stack, "preview": preview, "config": dict(configuration(stack, **changed)), "stacks": others}
    ended = subprocess.run(
        (sys.executable, "-W", "ignore", "-m", "tests.infra.playing"),
        input=json.dumps(order),
        capture_output=True,
        text=True,
        timeout=LIMIT,
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        check=False,
    )
    if ended.returncode != 0:
        raise AssertionError(f"{stack}:\n{ended.stderr[-6000:]}")
    told = json.loads(ended.stdout)
    return Recording(
        stack=stack,
        resources=tuple(_resource(one) for one in told["resources"]),
        read=tuple(_resource(one) for one in told["read"]),
        outputs=told["outputs"],
        refused=told["refused"],
    )


def _others(stack: str) -> Mapping[str, Any]:
    """What the stacks that are applied before this one have published, each by itself. The three sites read nobody."""
    environment, role = stack.split("-")
    earlier = list(Role)[: list(Role).index(Role(role))] if role not in tuple(Cloud) else []
    names = [f"{environment}-{one}" for one in earlier if find_spec(MODULES[one])]
    return {f"organization/trimaran/{name}": dict(recorded(name).outputs) for name in names}


def _resource(told: Mapping[str, Any]) -> Resource:
    return Resource(
        **{
            **told,
            "ignore_changes": tuple(told["ignore_changes"]),
            "dependencies": tuple(told["dependencies"]),
            "property_dependencies": {key: tuple(urns) for key, urns in told["property_dependencies"].items()},
        }
    )
