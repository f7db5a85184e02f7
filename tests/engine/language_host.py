"""`python -m tests.engine.language_host ENGINE`: stands in for `pulumi-language-python` where only the engine itself is installed.

It does what the engine asks of the real one (`LanguageRuntime` in pulumi's language.proto): runs the program of a stack, and starts the
policies' process. An installation of Pulumi has the real one beside the engine, and then this one is not used.
"""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from typing import Any

from pulumi.runtime.proto import language_pb2, language_pb2_grpc, plugin_pb2

from tests.engine.lasting import serve


class LanguageHost(language_pb2_grpc.LanguageRuntimeServicer):
    """Promise: a program runs as `pulumi up` has it run: from its own directory, in a process of its own."""

    def __init__(self, engine: str) -> None:
        self._engine = engine

    def GetPluginInfo(self, request: Any, context: Any) -> Any:  # noqa: N802  the wire's name
        """Of no version."""
        return plugin_pb2.PluginInfo(version="0.0.1")

    def GetRequiredPackages(self, request: Any, context: Any) -> Any:  # noqa: N802  the wire's name
        """None: what a resource needs is found when it is registered."""
        return language_pb2.GetRequiredPackagesResponse()

    def GetRequiredPlugins(self, request: Any, context: Any) -> Any:  # noqa: N802  the wire's name
        """None."""
        return language_pb2.GetRequiredPluginsResponse()

    def Run(self, request: Any, context: Any) -> Any:  # noqa: N802  the wire's name
        """One program, to its end."""
        told = {
            "monitor": request.monitor_address,
            "engine": self._engine,
            "project": request.project,
            "stack": request.stack,
            "parallel": request.parallel,
            "dry_run": request.dryRun,
            "organization": request.organization,
            "root_directory": request.info.root_directory,
            "config": dict(request.config),
            "secrets": list(request.configSecretKeys),
            "program": os.path.join(request.info.program_directory, request.info.entry_point),
        }
        ended = subprocess.run(
            (sys.executable, "-m", "tests.engine.program"),
            input=json.dumps(told),
            capture_output=True,
            text=True,
            cwd=request.info.program_directory,
            check=False,
        )
        return language_pb2.RunResponse(error="" if ended.returncode == 0 else ended.stderr or f"exit {ended.returncode}")

    def RunPlugin(self, request: Any, context: Any) -> Iterator[Any]:  # noqa: N802  the wire's name
        """The policies, as the SDK serves them: what they print is handed on, their port first."""
        process = subprocess.Popen(
            (sys.executable, "-u", "-m", "pulumi.policy", *request.args, request.info.program_directory),
            stdout=subprocess.PIPE,
            cwd=request.pwd,
            env={**os.environ, **dict(one.split("=", 1) for one in request.env), "PYTHONPATH": ""},
        )
        context.add_callback(process.kill)
        assert process.stdout is not None
        for line in process.stdout:
            yield language_pb2.RunPluginResponse(stdout=line)
        yield language_pb2.RunPluginResponse(exitcode=process.wait())


def main(engine: str) -> None:
    """Serve until the engine ends it."""
    host = LanguageHost(engine)
    serve(lambda server: language_pb2_grpc.add_LanguageRuntimeServicer_to_server(host, server))  # type: ignore[no-untyped-call]


if __name__ == "__main__":
    main(next(one for one in reversed(sys.argv[1:]) if not one.startswith("-")))
