"""`python -m tests.engine.provider CALLS [out]`: stands in for a vendor's plugin. Promise: it keeps the engine's protocol, asks no cloud,
and makes up what `tests.infra.answers` makes up, so that other stacks have addresses and ids to read. It wants anew what the vendor makes
anew, and deletes nothing that the vendor would keep (`tests.engine.replacing`).

Nothing is validated as the vendor's plugin would, but the few names and texts of `tests.engine.limits`: a misspelt region is none of its
business, and an update that is well here has not been validated. It prints its port, and ends with the engine.
Whatever it makes, changes and deletes is a line in the file CALLS, without any value. With `out` its cloud does not answer.
"""

import json
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import grpc
from google.protobuf import empty_pb2, json_format, struct_pb2
from pulumi import output
from pulumi.runtime import rpc
from pulumi.runtime.proto import plugin_pb2, provider_pb2, provider_pb2_grpc

from tests.engine.lasting import serve
from tests.engine.limits import refused
from tests.engine.replacing import REPLACED, guards
from tests.infra.answers import ANSWERS, CALLS, planned


class Provider(provider_pb2_grpc.ResourceProviderServicer):
    """One vendor. What is asked for is what there is, and what a cloud makes up besides."""

    def __init__(self, calls: Path, *, is_out: bool = False) -> None:
        self._calls, self._is_out = calls, is_out

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
        is_same = _told(request.old_inputs) == _told(request.news)
        kind = provider_pb2.DiffResponse.DIFF_NONE if is_same else provider_pb2.DiffResponse.DIFF_SOME
        return provider_pb2.DiffResponse(changes=kind)

    def Configure(self, request: Any, context: Any) -> Any:  # noqa: N802  the wire's name
        """Previews are told what would be made up."""
        return provider_pb2.ConfigureResponse(supportsPreview=True)

    def Check(self, request: Any, context: Any) -> Any:  # noqa: N802  the wire's name
        """Everything is taken as it is given, but what a row of `limits` says that the vendor would refuse."""
        wrong = refused(token_of(request.urn), request.urn.rpartition("::")[2], _told(request.news))
        failures = [provider_pb2.CheckFailure(property=key, reason=why) for key, why in wrong]
        return provider_pb2.CheckResponse(inputs=request.news, failures=failures)

    def Diff(self, request: Any, context: Any) -> Any:  # noqa: N802  the wire's name
        """What is asked for now against what was asked for then, key by key; in place, or anew where the vendor cannot change it."""
        before, now = _told(request.old_inputs), _told(request.news)
        changed = sorted(key for key in {*before, *now} if before.get(key) != now.get(key))
        kind = provider_pb2.DiffResponse.DIFF_SOME if changed else provider_pb2.DiffResponse.DIFF_NONE
        anew = sorted(REPLACED.get(token_of(request.urn), frozenset()).intersection(changed))
        return provider_pb2.DiffResponse(changes=kind, diffs=changed, replaces=anew)

    def Create(self, request: Any, context: Any) -> Any:  # noqa: N802  the wire's name
        """It is there. In a preview nothing is, and nothing is made up."""
        asked = _told(request.properties)
        if request.preview:
            return provider_pb2.CreateResponse(properties=_struct(planned(asked)))
        self._note("create", request.urn, context)
        id, made = _made(request.urn, asked)
        return provider_pb2.CreateResponse(id=id, properties=_struct(made))

    def Update(self, request: Any, context: Any) -> Any:  # noqa: N802  the wire's name
        """As it was made, with what is asked for now. What the cloud has made up stays as it is, and is known in a preview too."""
        asked = _told(request.news)
        if request.preview:
            return provider_pb2.UpdateResponse(properties=_struct({**_told(request.olds), **planned(asked)}))
        self._note("update", request.urn, context)
        return provider_pb2.UpdateResponse(properties=_struct(_made(request.urn, asked)[1]))

    def Delete(self, request: Any, context: Any) -> Any:  # noqa: N802  the wire's name
        """It is gone. Ends with an error for what guards itself: it stays, whatever the engine has been told."""
        if kept := ", ".join(guards(_told(request.properties))):
            context.abort(grpc.StatusCode.FAILED_PRECONDITION, f"the vendor deletes nothing that is guarded by {kept}")
        self._note("delete", request.urn, context)
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

    def _note(self, did: str, urn: str, context: Any) -> None:
        """One line, written at once: plugins of all vendors write to one file. Ends the call when the cloud does not answer."""
        if self._is_out:
            context.abort(grpc.StatusCode.UNAVAILABLE, "the cloud does not answer")
        with self._calls.open("a") as file:
            file.write(f"{json.dumps((did, urn))}\n")


def token_of(urn: str) -> str:
    """The type of what is called so, without those that it is part of."""
    return urn.split("::")[2].rpartition("$")[2]


def _made(urn: str, asked: Mapping[str, Any]) -> tuple[str, Mapping[str, Any]]:
    name = urn.rpartition("::")[2]
    if (answer := ANSWERS.get(token_of(urn))) is None:
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


def main(calls: Path, *, is_out: bool) -> None:
    """Serve until whoever started it ends it."""
    provider = Provider(calls, is_out=is_out)
    serve(lambda server: provider_pb2_grpc.add_ResourceProviderServicer_to_server(provider, server))  # type: ignore[no-untyped-call]


if __name__ == "__main__":
    main(Path(sys.argv[1]), is_out="out" in sys.argv[2:])
