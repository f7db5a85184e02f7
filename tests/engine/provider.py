"""`python -m tests.engine.provider NAME`: stands in for a vendor's provider plugin. Promise: it keeps the engine's protocol, asks no cloud,
and makes up what `tests.infra.answers` makes up, so that other stacks have addresses and ids to read.

Nothing is validated as the vendor's plugin would: a misspelt region is none of its business. It prints its port, and ends with the engine.
"""

import sys
from collections.abc import Mapping
from concurrent import futures
from contextlib import suppress
from typing import Any

import grpc
from google.protobuf import empty_pb2, json_format, struct_pb2
from pulumi import output
from pulumi.runtime import rpc
from pulumi.runtime.proto import plugin_pb2, provider_pb2, provider_pb2_grpc

from tests.infra.answers import ANSWERS, CALLS, planned

THREADS = 16
MESSAGE = 64 * 1024 * 1024
"""Bytes of one message at most: a stack's whole state never comes near it."""


class Provider(provider_pb2_grpc.ResourceProviderServicer):
    """One vendor. What is asked for is what there is, and what a cloud makes up besides."""

    def GetPluginInfo(self, request: Any, context: Any) -> Any:  # noqa: N802  the wire's name
        """Of a version that is new enough for every SDK."""
        return plugin_pb2.PluginInfo(version="99.0.0")

    def Handshake(self, request: Any, context: Any) -> Any:  # noqa: N802  the wire's name
        """The engine is told what it can leave in a message."""
        return provider_pb2.ProviderHandshakeResponse()

    def CheckConfig(self, request: Any, context: Any) -> Any:  # noqa: N802  the wire's name
        """Any configuration will do."""
        return provider_pb2.CheckResponse(inputs=request.news)

    def DiffConfig(self, request: Any, context: Any) -> Any:  # noqa: N802  the wire's name
        """A changed provider makes nothing anew."""
        return provider_pb2.DiffResponse(changes=provider_pb2.DiffResponse.DIFF_NONE)

    def Configure(self, request: Any, context: Any) -> Any:  # noqa: N802  the wire's name
        """Previews are told what would be made up."""
        return provider_pb2.ConfigureResponse(supportsPreview=True)

    def Check(self, request: Any, context: Any) -> Any:  # noqa: N802  the wire's name
        """Everything is taken as it is given."""
        return provider_pb2.CheckResponse(inputs=request.news)

    def Diff(self, request: Any, context: Any) -> Any:  # noqa: N802  the wire's name
        """What is asked for now against what was asked for then, key by key; whatever differs is changed in place."""
        before, now = _told(request.old_inputs), _told(request.news)
        changed = sorted(key for key in {*before, *now} if before.get(key) != now.get(key))
        kind = provider_pb2.DiffResponse.DIFF_SOME if changed else provider_pb2.DiffResponse.DIFF_NONE
        return provider_pb2.DiffResponse(changes=kind, diffs=changed)

    def Create(self, request: Any, context: Any) -> Any:  # noqa: N802  the wire's name
        """It is there. In a preview nothing is, and nothing is made up."""
        asked = _told(request.properties)
        if request.preview:
            return provider_pb2.CreateResponse(properties=_struct(planned(asked)))
        id, made = _made(request.urn, asked)
        return provider_pb2.CreateResponse(id=id, properties=_struct(made))

    def Update(self, request: Any, context: Any) -> Any:  # noqa: N802  the wire's name
        """As it was made, with what is asked for now."""
        asked = _told(request.news)
        return provider_pb2.UpdateResponse(
            properties=_struct(planned(asked) if request.preview else _made(request.urn, asked)[1])
        )

    def Delete(self, request: Any, context: Any) -> Any:  # noqa: N802  the wire's name
        """It is gone."""
        return empty_pb2.Empty()

    def Read(self, request: Any, context: Any) -> Any:  # noqa: N802  the wire's name
        """Nobody but the engine ever changes anything."""
        return provider_pb2.ReadResponse(id=request.id, properties=request.properties, inputs=request.inputs)

    def Invoke(self, request: Any, context: Any) -> Any:  # noqa: N802  the wire's name
        """What a question is answered with. Ends with an error for one that nobody has thought of."""
        return provider_pb2.InvokeResponse(**{"return": _struct(CALLS[request.tok](_told(request.args)))})

    def Cancel(self, request: Any, context: Any) -> Any:  # noqa: N802  the wire's name
        """Nothing here takes time."""
        return empty_pb2.Empty()


def _made(urn: str, asked: Mapping[str, Any]) -> tuple[str, Mapping[str, Any]]:
    *_, kind, name = urn.split("::")
    token = kind.rpartition("$")[2]
    if (answer := ANSWERS.get(token)) is None:
        return f"{name}-id", asked
    id, added = answer(name, asked)
    return id, {**asked, **added}


def _told(message: struct_pb2.Struct) -> dict[str, Any]:
    return json_format.MessageToDict(message)


def _struct(values: Mapping[str, Any]) -> struct_pb2.Struct:
    made = struct_pb2.Struct()
    made.update(_on_the_wire(values))
    return made


def _on_the_wire(value: Any) -> Any:
    """What is not known has a name there."""
    if value is output.UNKNOWN:
        return rpc.UNKNOWN
    if isinstance(value, Mapping):
        return {key: _on_the_wire(one) for key, one in value.items()}
    return [_on_the_wire(one) for one in value] if isinstance(value, list | tuple) else value


def serve() -> None:
    """Until whoever started it ends it."""
    limits = (("grpc.max_receive_message_length", MESSAGE), ("grpc.max_send_message_length", MESSAGE))
    server = grpc.server(futures.ThreadPoolExecutor(THREADS), options=limits)
    provider_pb2_grpc.add_ResourceProviderServicer_to_server(Provider(), server)  # type: ignore[no-untyped-call]
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    sys.stdout.write(f"{port}\n")
    sys.stdout.flush()
    with suppress(KeyboardInterrupt):
        server.wait_for_termination()


if __name__ == "__main__":
    serve()
