"""The collector of traces as a running part of the lab, and what services are told about it.

It stands outside of every site and no link leads to it: a collector stands beside each cloud in the field, and nobody waits for one. A
site that is cut off from the others still tells what it did; one that died takes its last second with it.
"""

import json
from dataclasses import dataclass
from pathlib import Path

from lab.addresses import LOCAL
from lab.authorities import await_ready
from lab.collector import PATH
from lab.errors import LabError
from lab.processes import Supervised, launch_module
from lab.spans import Span, read_spans
from lab.workspace import Workspace

RATIO = 0.01
"""Of all traces: of a hundred payments a second this is one, enough to find a usual one in some seconds of calm."""

FAILED_PER_SECOND = 5
"""Errors that each process shows beside them, and as many slow requests. With twenty of both together, twelve processes told of 27,000
steps in a run in which two cores had no time for anything."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CollectorProcess:
    """It, and the file in which it keeps what it is told."""

    process: Supervised
    file: Path
    port: int

    def settings(self) -> str:
        """`[telemetry]` of a service, as the last lines of its settings."""
        lines = (
            f'collector = "http://{LOCAL}:{self.port}{PATH}"',
            f"ratio = {RATIO}",
            f"failed_per_second = {FAILED_PER_SECOND}",
        )
        return "\n".join(("[telemetry]", *lines, ""))

    def controllers_settings(self) -> tuple[str, ...]:
        """`[traces]` of a controller."""
        return "[traces]", f'collector = "http://{LOCAL}:{self.port}{PATH}"'

    def spans(self) -> list[Span]:
        """Everything that was told so far. Raises LabError when it cannot be read."""
        try:
            with self.file.open(encoding="utf-8") as lines:
                return read_spans(lines)
        except (OSError, ValueError) as error:
            raise LabError(f"the collector's file cannot be read: {error}") from error


async def start_collector(workspace: Workspace) -> CollectorProcess:
    """Returns once it takes spans. Raises LabError when it does not."""
    place, port = workspace.directory("traces"), workspace.port()
    file, settings = place / "spans.jsonl", place / "collector.json"
    settings.write_text(json.dumps({"port": port, "file": str(file)}))
    process = launch_module(workspace, "collector", "lab.collector", "--settings", settings)
    await await_ready(process)
    return CollectorProcess(process=process, file=file, port=port)
