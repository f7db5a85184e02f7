"""A collector of traces for the lab: takes OTLP over HTTP and keeps every span as a line of JSON for the report.

Run as `python -m lab.collector --settings FILE`. It stands beside the lab's sites as a collector stands beside a cloud's: nothing waits
for it, and the lab is as well without it.
"""

import asyncio
import json
from collections.abc import Iterable, Iterator, Mapping
from contextlib import AsyncExitStack
from pathlib import Path
from typing import BinaryIO

from aiohttp import web
from google.protobuf.message import DecodeError
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest, ExportTraceServiceResponse
from opentelemetry.proto.common.v1.common_pb2 import AnyValue, KeyValue
from opentelemetry.proto.trace.v1.trace_pb2 import Span, Status
from pydantic import BaseModel, ConfigDict

from lab.addresses import LOCAL
from lab.program import Ready, read_settings, run_until_told

PATH = "/v1/traces"
PROTOBUF = "application/x-protobuf"
LARGEST_MESSAGE = 16 * 2**20
_PLAIN = frozenset({"string_value", "int_value", "double_value", "bool_value"})


class Settings(BaseModel):
    """What the collector needs to know."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    port: int = 0
    """0: any free one, told on standard output."""
    file: Path
    """Every span becomes a line of it; made if needed, appended to otherwise."""
    most_bytes: int = 256 * 2**20
    """Of the file. What comes after that is refused and counted: a lab's disk is a person's disk."""


class Collector:
    """The file, and what was taken into it."""

    def __init__(self, file: BinaryIO, most_bytes: int) -> None:
        self._file, self._most = file, most_bytes
        self._written = file.tell()
        self.taken = self.rejected = 0

    async def take(self, request: web.Request) -> web.Response:
        """One message of spans, whole or not at all (OTLP 1.x, OTLP/HTTP)."""
        try:
            message = ExportTraceServiceRequest.FromString(await request.read())
        except DecodeError:
            return web.Response(status=400, text="not an ExportTraceServiceRequest")
        lines = [json.dumps(line, separators=(",", ":")) + "\n" for line in read_message(message)]
        text, answer = "".join(lines).encode(), ExportTraceServiceResponse()
        if self._written + len(text) > self._most:
            self.rejected += len(lines)
            answer.partial_success.rejected_spans = len(lines)
            answer.partial_success.error_message = "the file is full"
        else:
            self._file.write(text)
            self._written += len(text)
            self.taken += len(lines)
        return web.Response(body=answer.SerializeToString(), content_type=PROTOBUF)

    async def status(self, _: web.Request) -> web.Response:
        """What was taken so far, in spans."""
        return web.json_response({"taken": self.taken, "rejected": self.rejected})


def read_message(message: ExportTraceServiceRequest) -> Iterator[Mapping[str, object]]:
    """Every span as a line of the file; `lab.spans.read_spans` reads it."""
    for group in message.resource_spans:
        of_resource = _values(group.resource.attributes)
        for scope in group.scope_spans:
            for span in scope.spans:
                notes = _values(span.attributes)
                yield {
                    "trace": span.trace_id.hex(),
                    "span": span.span_id.hex(),
                    "parent": span.parent_span_id.hex(),
                    "name": span.name,
                    "service": of_resource.get("service.name", ""),
                    "site": of_resource.get("site", notes.get("site", "")),
                    "begin": span.start_time_unix_nano,
                    "end": span.end_time_unix_nano,
                    "outcome": _outcome(span),
                    "notes": notes,
                }


def _outcome(span: Span) -> str:
    return (span.status.message or "error") if span.status.code == Status.STATUS_CODE_ERROR else ""


def _values(attributes: Iterable[KeyValue]) -> dict[str, object]:
    return {one.key: _value(one.value) for one in attributes}


def _value(given: AnyValue) -> object:
    kind = given.WhichOneof("value")
    return None if kind is None else getattr(given, kind) if kind in _PLAIN else str(given)


async def run(settings: Settings, stop: asyncio.Event, ready: Ready) -> None:
    """Take spans until `stop`."""
    async with AsyncExitStack() as stack:
        collector = Collector(stack.enter_context(settings.file.open("ab", buffering=0)), settings.most_bytes)
        application = web.Application(client_max_size=LARGEST_MESSAGE)
        application.add_routes([web.post(PATH, collector.take), web.get("/status", collector.status)])
        runner = web.AppRunner(application, access_log=None)
        await runner.setup()
        stack.push_async_callback(runner.cleanup)
        await web.TCPSite(runner, LOCAL, settings.port).start()
        port: int = runner.addresses[0][1]
        ready(port, port)
        await stop.wait()


def main() -> None:
    """Take spans until SIGTERM or SIGINT."""
    settings = read_settings("lab.collector", Settings)
    run_until_told(lambda stop, ready: run(settings, stop, ready))


if __name__ == "__main__":
    main()
