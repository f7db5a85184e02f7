"""Runs one stack's program against a monitor that writes down what it hears. Standard input says which; standard output tells.

Answers are what a cloud would make up (ids, addresses, keys): `answers_*.py`. In a preview nobody has made up anything yet. Nothing is
validated as a provider would; types are mypy's work.
"""

import json
import sys
from collections.abc import Mapping
from typing import Any

import pulumi
from google.protobuf import json_format
from pulumi.runtime import mocks, set_all_config
from pulumi.runtime.settings import get_root_resource
from pulumi.runtime.stack import Stack

from infra.program import run
from tests.infra.answers import ANSWERS, CALLS, planned

TIMEOUTS = ("create", "update", "delete")


class Clouds(mocks.Mocks):
    """Every cloud, and every other stack."""

    def __init__(self, stacks: Mapping[str, Any], *, preview: bool) -> None:
        super().__init__()
        self._stacks, self._preview = stacks, preview

    def new_resource(self, args: mocks.MockResourceArgs) -> tuple[str, dict[str, Any]]:
        """What a resource is once it is there: what was asked for, and what its cloud adds. Before it is there: what was asked for.

        An id of no letters is one that is not known, and so is whatever is not told (`resolve_properties` in pulumi/runtime/rpc.py).
        Other stacks are known in a preview too: the engine asks the backend for them, and for one that was never applied it has nothing.
        """
        state = dict(args.inputs)
        if args.typ == "pulumi:pulumi:StackReference":
            return args.name, {**state, "outputs": self._stacks.get(args.name, {}), "secretOutputNames": []}
        if self._preview:
            return "", planned(state)
        if (answer := ANSWERS.get(args.typ)) is None:
            return args.resource_id or f"{args.name}-id", state
        id, added = answer(args.name, state)
        return id, {**state, **added}

    def call(self, args: mocks.MockCallArgs) -> tuple[dict[Any, Any], list[tuple[str, str]]]:
        """What a question is answered with. Raises KeyError for one that nobody has thought of."""
        return CALLS[args.token](args.args), []


class Monitor(mocks.MockMonitor):
    """The engine's ear. The SDK's own forgets options."""

    def __init__(self, answers: mocks.Mocks) -> None:
        super().__init__(answers)
        self.heard: list[tuple[Any, Any]] = []
        self.read: list[tuple[Any, Any]] = []
        self.exported: dict[str, Any] = {}

    def RegisterResource(self, request: Any) -> Any:  # noqa: N802  the wire's name
        """Answer as the SDK's own does, and write down both."""
        answer = super().RegisterResource(request)  # type: ignore[no-untyped-call]
        self.heard.append((request, answer))
        return answer

    def ReadResource(self, request: Any) -> Any:  # noqa: N802  the wire's name
        """Other stacks. State has them, and policies about a whole stack are told nothing of them."""
        answer = super().ReadResource(request)  # type: ignore[no-untyped-call]
        self.read.append((request, answer))
        return answer

    def RegisterResourceOutputs(self, request: Any) -> Any:  # noqa: N802  the wire's name
        """The stack's own are what it exports."""
        if "::pulumi:pulumi:Stack::" in request.urn:
            self.exported = json_format.MessageToDict(request.outputs)
        return super().RegisterResourceOutputs(request)  # type: ignore[no-untyped-call]


def _told(request: Any, answer: Any) -> dict[str, Any]:
    return {
        "urn": answer.urn,
        "type": request.type,
        "name": request.name,
        "inputs": json_format.MessageToDict(request.object),
        "outputs": json_format.MessageToDict(answer.object),
        "parent": request.parent,
        "provider": request.provider,
        "protect": bool(request.protect),
        "ignore_changes": list(request.ignoreChanges),
        "dependencies": list(request.dependencies),
        "property_dependencies": {key: list(found.urns) for key, found in request.propertyDependencies.items()},
        "retain_on_delete": bool(request.retainOnDelete),
        "custom": bool(request.custom),
        "timeouts": {key: getattr(request.customTimeouts, key) for key in TIMEOUTS if getattr(request.customTimeouts, key)},
    }


def _told_of_read(request: Any, answer: Any) -> dict[str, Any]:
    return {
        "urn": answer.urn,
        "type": request.type,
        "name": request.name,
        "inputs": json_format.MessageToDict(request.properties),
        "outputs": json_format.MessageToDict(answer.properties),
        "parent": request.parent,
        "provider": request.provider,
        "dependencies": list(request.dependencies),
        "protect": False,
        "ignore_changes": [],
        "property_dependencies": {},
        "retain_on_delete": False,
        "custom": True,
        "timeouts": {},
    }


def _tell_exports() -> None:
    """The SDK makes a test's stack before the program runs, and tells what it exports then: nothing."""
    stack = get_root_resource()
    assert isinstance(stack, Stack)
    stack.register_outputs(stack.outputs)


def play(order: Mapping[str, Any]) -> dict[str, Any]:
    """Run it, and tell."""
    clouds = Clouds(order["stacks"], preview=order["preview"])
    monitor = Monitor(clouds)
    refused: list[str] = []

    def program() -> None:
        try:
            run()
            _tell_exports()
        except pulumi.RunError as error:
            refused.append(str(error))

    mocks.set_mocks(
        clouds, project="trimaran", stack=order["stack"], preview=order["preview"], monitor=monitor, organization="organization"
    )
    set_all_config(dict(order["config"]))
    pulumi.runtime.test(program)()  # type: ignore[no-untyped-call]
    return {
        "resources": [_told(request, answer) for request, answer in monitor.heard if request.type != "pulumi:pulumi:Stack"],
        "read": [_told_of_read(request, answer) for request, answer in monitor.read],
        "outputs": monitor.exported,
        "refused": refused[0] if refused else None,
    }


if __name__ == "__main__":
    told = play(json.load(sys.stdin))
    json.dump(told, sys.stdout)
