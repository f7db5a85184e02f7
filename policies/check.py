"""The same rules on what there is: `pulumi stack export` files, and recordings of what a program asks for. Needs no engine and no login.

    python -m policies.check prod-aws.json prod-azure.json

One line for each violation, and one for each resource of which something is not known; exit status 1 when a violation is mandatory, 2 when
a file cannot be read.
"""

import argparse
import json
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from policies.controls import CONTROLS, Control
from policies.facts import facts_of
from policies.rules.seen import UNKNOWN, Finding, Provider, Resource, is_provider, of_provider

ROOT = Path(__file__).resolve().parent.parent
SIGNATURE, SECRET = "4dabf18193072939515e22adb298388d", "1b47061264138c4ac30d75fd1eb44270"
"""How Pulumi marks secrets in state (sdk/go/common/resource/properties.go)."""
UNKNOWNS = frozenset(
    {
        "1c4a061d-8072-4f0a-a4cb-0ff528b18fe7",
        "3eeb2bf0-c639-47a8-9e75-3b44932eb421",
        "04da6b54-80e4-46f7-96ec-b56ff0331ba9",
        "6a19a0b0-7e62-4c92-b797-7f8e31da9cc2",
        "030794c1-ac77-496b-92df-f27374a8bd58",
        "e48ece36-62e2-4504-bad9-02848725956a",
        "dd056dcd-154b-4c76-9bd3-c8f88648b5ff",
    }
)
"""How the wire writes what is not known (pulumi_policy.proxy)."""
MINE = frozenset({"pulumi:pulumi:Stack"})


class Unreadable(Exception):
    """The file is no exported state and no recording; says what to do."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Violation:
    """One control that one resource, or the stack, does not keep."""

    control: Control
    finding: Finding

    def line(self, stack: str) -> str:
        """As it is printed."""
        level = "advisory" if self.control.advisory else "mandatory"
        return f"{stack}: {self.control.id} ({level}, {self.control.severity}): {self.finding.problem}; {self.control.way_out}"


def violations(stack: str, told: Sequence[Mapping[str, Any]], config: Mapping[str, Any]) -> Iterator[Violation]:
    """What these resources break. Resource rules see inputs and stack rules outputs over inputs, as they do under the engine."""
    facts = facts_of(stack, config)
    providers = {one["urn"]: one for one in told if str(one.get("type")).startswith("pulumi:providers:")}
    wanted = _wanted(told)
    asked = tuple(_resource(one, providers, {}) for one in wanted)
    made = tuple(_resource(one, providers, one.get("outputs") or {}) for one in wanted)
    for control in CONTROLS:
        for finding in control.found(asked if control.scope == "resource" else made, facts):
            yield Violation(control=control, finding=finding)


def not_known(stack: str, told: Sequence[Mapping[str, Any]]) -> Iterator[str]:
    """As it is printed: what no rule could look at, by resource. A rule that has to see it has said so among the violations."""
    for one in _wanted(told):
        asked, made = _resource(one, {}, {}), _resource(one, {}, one.get("outputs") or {})
        if places := dict.fromkeys((*_unknown(asked.props, ""), *_unknown(made.props, ""))):
            yield f"{stack}: not known: {made.name} ({made.type}): {', '.join(places)}"


def _unknown(value: Any, place: str) -> Iterator[str]:
    if value is UNKNOWN:
        yield place
    elif isinstance(value, Mapping):
        for key, inner in value.items():
            yield from _unknown(inner, f"{place}.{key}" if place else key)
    elif isinstance(value, list):
        for number, inner in enumerate(value):
            yield from _unknown(inner, f"{place}[{number}]")


def _wanted(told: Sequence[Mapping[str, Any]]) -> list[Mapping[str, Any]]:
    return [one for one in told if one.get("type") not in MINE and not one.get("delete")]


def _resource(told: Mapping[str, Any], providers: Mapping[str, Mapping[str, Any]], made: Mapping[str, Any]) -> Resource:
    """State writes `ignoreChanges`, and recordings `ignore_changes`."""
    sources = told.get("propertyDependencies") or told.get("property_dependencies") or {}
    props = {**(told.get("inputs") or {}), **made}
    if "id" in told:
        props.setdefault("id", told["id"])
    return Resource(
        type=told["type"],
        name=told.get("name") or told["urn"].rpartition("::")[2],
        urn=told["urn"],
        props=of_provider(known(props)) if is_provider(told["type"]) else known(props),
        protect=bool(told.get("protect")),
        ignore_changes=tuple(told.get("ignoreChanges") or told.get("ignore_changes") or ()),
        provider=_provider(told.get("provider") or "", providers),
        property_dependencies={name: tuple(urns or ()) for name, urns in sources.items()},
    )


def _provider(reference: str, providers: Mapping[str, Mapping[str, Any]]) -> Provider | None:
    """`urn::id`."""
    urn = reference.rpartition("::")[0]
    if not urn:
        return None
    return Provider(name=urn.rpartition("::")[2], props=of_provider(known(providers.get(urn, {}).get("inputs") or {})))


def known(value: Any) -> Any:
    """Plain values. A secret that was exported encrypted is as unknown as what is not made yet."""
    if isinstance(value, Mapping):
        if value.get(SIGNATURE) == SECRET:
            if "plaintext" in value:
                return known(json.loads(value["plaintext"]))
            return known(value["value"]) if "value" in value else UNKNOWN
        return {key: known(inner) for key, inner in value.items()}
    if isinstance(value, list):
        return [known(inner) for inner in value]
    return UNKNOWN if isinstance(value, str) and value in UNKNOWNS else value


def configuration(stack: str, root: Path = ROOT) -> Mapping[str, Any]:
    """The project's defaults, and over them the stack's file. Raises Unreadable."""
    project = yaml.safe_load((root / "Pulumi.yaml").read_text())
    file = root / project["stackConfigDir"] / f"Pulumi.{stack}.yaml"
    if not file.is_file():
        raise Unreadable(f"{stack} has no file {file.relative_to(root)}: the rules need its topology; run this where it is")
    defaults = {key: given["default"] for key, given in project["config"].items() if "default" in given}
    return {**defaults, **(yaml.safe_load(file.read_text()).get("config") or {})}


def read(text: str) -> tuple[str, list[Mapping[str, Any]]]:
    """The stack and its resources. Raises Unreadable."""
    try:
        document = json.loads(text)
    except json.JSONDecodeError as error:
        raise Unreadable(f"no JSON ({error.msg} at character {error.pos}); write it with `pulumi stack export`") from error
    holder = document.get("deployment", document) if isinstance(document, dict) else {}
    told = holder.get("resources") if isinstance(holder, dict) else None
    if not isinstance(told, list) or not told:
        raise Unreadable("no resources; write it with `pulumi stack export`")
    urn = str(told[0].get("urn"))
    if not urn.startswith("urn:pulumi:"):
        raise Unreadable("its first resource has no URN; write it with `pulumi stack export`")
    return urn.split("::")[0].removeprefix("urn:pulumi:"), told


def main(arguments: Sequence[str] | None = None) -> int:
    """Check every file; the exit status."""
    parser = argparse.ArgumentParser(prog="python -m policies.check", description="Check exported stacks against the policies.")
    parser.add_argument("files", nargs="+", type=Path, metavar="FILE", help="from `pulumi stack export`, or a recording")
    status = 0
    for file in parser.parse_args(arguments).files:
        try:
            stack, told = read(file.read_text())
            found = list(violations(stack, told, configuration(stack)))
        except (OSError, Unreadable) as error:
            print(f"{file}: {error}", file=sys.stderr)
            status = 2
            continue
        for line in (*(one.line(stack) for one in found), *not_known(stack, told)):
            print(line)
        if status == 0 and any(not one.control.advisory for one in found):
            status = 1
    return status


if __name__ == "__main__":
    sys.exit(main())
