"""Where outputs come from: files that were exported, or the engine, when it is on PATH."""

import json
import shutil
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

from controller.errors import Refused
from controller.stacks.contract import Stack

ROOT = "pulumi:pulumi:Stack"
ASKED = timedelta(minutes=1)
"""For the engine to read one stack from its backend."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Live:
    """Stacks as the engine knows them."""

    environment: str
    organization: str
    project: str

    def name(self, stack: Stack) -> str:
        """The full one."""
        return f"{self.organization}/{self.project}/{self.environment}-{stack}"


@dataclass(frozen=True, slots=True, kw_only=True)
class _Exported:
    """What a file holds."""

    outputs: Mapping[str, Any]
    environment: str | None = None
    """Whose state it is; outputs alone do not say."""


def exported(stack: Stack, file: Path) -> Mapping[str, Any]:
    """Outputs in a file: what `pulumi stack export` wrote, or `pulumi stack output --json`. Raises Refused."""
    return _read(stack, file).outputs


def of_one_environment(files: Mapping[Stack, Path], environment: str | None = None) -> Mapping[Stack, Mapping[str, Any]]:
    """The same of several. Raises Refused also for the state of another environment than this, or, without one, than the first file's.

    1. The file of prod's azure is dev's. 2. Everything in it is well. 3. Controllers of prod make dev's database a follower, and count on
    what it confirms.
    """
    read = {stack: _read(stack, file) for stack, file in files.items()}
    named = {stack: one.environment for stack, one in read.items() if one.environment is not None}
    wanted = environment or next(iter(named.values()), None)
    for stack, found in named.items():
        if found != wanted:
            raise _refused(stack, f"{files[stack]}: the state of {found}-{stack}", f"that of {wanted}-{stack}")
    return {stack: one.outputs for stack, one in read.items()}


def _read(stack: Stack, file: Path) -> _Exported:
    try:
        document = json.loads(file.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise _refused(stack, f"{file}: {error}", "a readable file with JSON in it") from error
    if not isinstance(document, dict):
        raise _refused(stack, f"{file}: no object", "exported state, or outputs by name")
    if "deployment" not in document:
        return _Exported(outputs=document)
    return _of_state(stack, file, document)


def _of_state(stack: Stack, file: Path, document: Mapping[str, Any]) -> _Exported:
    """The stack itself is a resource of its state, and its outputs are the stack's."""
    deployment = document["deployment"]
    listed = deployment.get("resources") if isinstance(deployment, dict) else None
    roots = [one for one in (listed if isinstance(listed, list) else ()) if isinstance(one, dict) and one.get("type") == ROOT]
    if len(roots) != 1:
        raise _refused(stack, f"{file}: {len(roots)} stacks in it", "the state of one stack that was applied")
    # urn:pulumi:prod-aws::trimaran::pulumi:pulumi:Stack::trimaran-prod-aws
    name = str(roots[0].get("urn", "")).partition("::")[0].rpartition(":")[2]
    environment, _, role = name.rpartition("-")
    if role != stack or not environment:
        raise _refused(
            stack, f"{file}: the state of {name or 'a stack without a name'}", f"that of an environment's {stack} stack"
        )
    outputs = roots[0].get("outputs")
    return _Exported(outputs=outputs if isinstance(outputs, dict) else {}, environment=environment)


def live(stacks: Live, stack: Stack) -> Mapping[str, Any]:
    """Outputs as the engine tells them now. Raises Refused when it is not there, or does not tell."""
    engine = shutil.which("pulumi")
    if engine is None:
        raise _refused(stack, "pulumi is not on PATH", "the engine, or exported files")
    name = stacks.name(stack)
    command = (engine, "stack", "output", "--json", "--non-interactive", "--stack", name)
    try:
        ended = subprocess.run(command, capture_output=True, text=True, check=False, timeout=ASKED.total_seconds())
        if ended.returncode != 0:
            raise _refused(
                stack, f"pulumi cannot tell of {name}: {ended.stderr.strip() or ended.returncode}", "a stack that it knows"
            )
        found = json.loads(ended.stdout)
    except subprocess.TimeoutExpired as error:
        raise _refused(stack, f"pulumi told nothing of {name} in {ASKED.total_seconds():.0f} s", "an answer") from error
    except ValueError as error:
        raise _refused(stack, f"pulumi told of {name} what is no JSON: {error}", "outputs by name") from error
    if not isinstance(found, dict):
        raise _refused(stack, f"pulumi told of {name} what is no object", "outputs by name")
    return found


def _refused(stack: Stack, value: str, limit: str) -> Refused:
    file = f"{stack}.json"
    way_out = f"Where the engine is, `pulumi stack export --stack ENVIRONMENT-{stack} > {file}`; then give {stack}={file}."
    return Refused(guard=f"outputs of {stack}", value=value, limit=limit, way_out=way_out)
