"""The pack as the engine runs it: a process of its own, asked over gRPC."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import grpc
from google.protobuf import empty_pb2, struct_pb2
from pulumi.runtime.proto import analyzer_pb2, analyzer_pb2_grpc

from policies.check import ROOT
from tests.policies.samples import Told

MANDATORY = analyzer_pb2.MANDATORY


@dataclass(frozen=True, slots=True, kw_only=True)
class Heard:
    """One diagnostic."""

    control: str
    mandatory: bool
    message: str
    urn: str


class Pack:
    """The process, and the questions that the engine would ask."""

    def __init__(self, channel: grpc.Channel) -> None:
        self._analyzer = analyzer_pb2_grpc.AnalyzerStub(channel)

    def info(self) -> Any:
        """What it says of itself."""
        return self._analyzer.GetAnalyzerInfo(empty_pb2.Empty())

    def asked(self, told: Sequence[Told]) -> list[Heard]:
        """Each resource with its inputs, and then all of them with their outputs."""
        providers = {one["urn"]: one for one in told}
        heard: list[Any] = []
        whole = analyzer_pb2.AnalyzeStackRequest()
        for one in told:
            options = analyzer_pb2.AnalyzerResourceOptions(
                protect=one.get("protect", False), ignoreChanges=one.get("ignore_changes", ())
            )
            about = {"type": one["type"], "urn": one["urn"], "name": one["name"], "options": options}
            if (provider := providers.get(str(one.get("provider")).rpartition("::")[0])) is not None:
                about["provider"] = analyzer_pb2.AnalyzerProviderResource(
                    type=provider["type"], urn=provider["urn"], name=provider["name"], properties=_struct(provider["inputs"])
                )
            heard += self._analyzer.Analyze(analyzer_pb2.AnalyzeRequest(properties=_struct(one["inputs"]), **about)).diagnostics
            made = analyzer_pb2.AnalyzerResource(properties=_struct({**one["inputs"], **one["outputs"]}), **about)
            for name, urns in one["property_dependencies"].items():
                made.propertyDependencies[name].urns.extend(urns)
            whole.resources.append(made)
        heard += self._analyzer.AnalyzeStack(whole).diagnostics
        return [
            Heard(control=one.policyName, mandatory=one.enforcementLevel == MANDATORY, message=one.message, urn=one.urn)
            for one in heard
        ]


def _struct(values: Mapping[str, Any]) -> struct_pb2.Struct:
    made = struct_pb2.Struct()
    made.update(values)
    return made


@contextmanager
def pack(stack: str, config: Mapping[str, Any], *, in_environment: bool = False) -> Iterator[Pack]:
    """Started as the engine's language host starts it, and ended. Told which stack it is asked about as today's engine does it, or, as
    earlier ones did, `in_environment`."""
    told = {key: value if isinstance(value, str) else json.dumps(value) for key, value in config.items()}
    about = {"project": "trimaran", "stack": stack, "organization": "organization"}
    environment = {f"PULUMI_{key.upper()}": value for key, value in about.items()} if in_environment else {}
    if in_environment:
        environment |= {"PULUMI_DRY_RUN": "true", "PULUMI_CONFIG": json.dumps(told)}
    process = subprocess.Popen(
        (sys.executable, "-u", "-m", "pulumi.policy", "127.0.0.1:1", str(ROOT / "policies")),
        stdout=subprocess.PIPE,
        cwd=ROOT / "policies",
        env={**os.environ, **environment, "PYTHONPATH": ""},
        text=True,
    )
    try:
        assert process.stdout is not None
        port = int(process.stdout.readline())
        with grpc.insecure_channel(f"127.0.0.1:{port}") as channel:
            if not in_environment:
                analyzer_pb2_grpc.AnalyzerStub(channel).ConfigureStack(
                    analyzer_pb2.AnalyzerStackConfigureRequest(dry_run=True, config=told, **about)
                )
            yield Pack(channel)
    finally:
        process.kill()
        process.communicate()
