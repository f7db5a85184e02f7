"""`trimaran doctor`: one exit status for each answer, what is bad first, and what to do beside it."""

import io
import json
import socket
from contextlib import ExitStack
from pathlib import Path

import pytest
from rich.console import Console

from controller.cli.doctor import document
from controller.cli.exits import Exit
from controller.cli.findings import said, show
from controller.core.checkup.catalogue import Check
from controller.core.checkup.finding import Finding, Verdict
from tests.unit.cli.conftest import Trimaran
from tests.unit.test_settings import ENVIRON, spelled
from tests.unit.test_settings import document as settings_document


def finding(check: Check, verdict: Verdict, value: str = "seen", subject: str = "payments at aws") -> Finding:
    way_out = "" if verdict is Verdict.GOOD else f"Mend {check}."
    return Finding(check=check, subject=subject, verdict=verdict, value=value, limit="needed", way_out=way_out)


def shown(*findings: Finding, everything: bool = False) -> str:
    into = io.StringIO()
    show(findings, Console(file=into, width=160), everything=everything)
    return into.getvalue()


@pytest.fixture
def closed(tmp_path: Path) -> Path:
    """Settings whose servers all refuse: ports that were free a moment ago, and no cloud."""
    given = settings_document()
    for table in ("clouds", "authorities", "groups"):
        del given[table]
    service = given["services"]["payments"]
    for table in ("capacity", "replicas", "servers"):
        del service[table]
    with ExitStack() as stack:
        held = [stack.enter_context(socket.create_server(("127.0.0.1", 0))) for _ in range(4)]
        ports = [one.getsockname()[1] for one in held]
    for port, site in zip(ports, service["databases"], strict=False):
        service["databases"][site]["port"] = port
    given["etcd"]["endpoints"] = [f"http://127.0.0.1:{ports[3]}"]
    path = tmp_path / "aws.toml"
    path.write_text("\n".join(f'"{key}" = {spelled(value)}' for key, value in given.items()))
    return path


@pytest.mark.asyncio
async def test_settings_that_cannot_be_used_are_told(trimaran: Trimaran, tmp_path: Path) -> None:
    """Before anybody is asked anything."""
    ended = await trimaran("doctor", "--settings", str(tmp_path / "nothing.toml"))
    assert ended.status == Exit.USAGE and "nothing.toml" in ended.err


@pytest.mark.asyncio
async def test_where_nobody_answers_everything_is_unknown(
    trimaran: Trimaran, closed: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A status of its own: nothing is known to be bad, and nothing is known to be good."""
    for name, value in ENVIRON.items():
        monkeypatch.setenv(name, value)
    ended = await trimaran("doctor", "--settings", str(closed), "--timeout", "0.5", "--json")
    told = json.loads(ended.out)
    assert (ended.status, told["verdict"]) == (Exit.UNTOLD, "unknown"), told["counts"]
    assert {one["verdict"] for one in told["findings"] if one["check"] == "wal_level"} == {"unknown"}
    assert told["counts"]["bad"] == 0 and told["counts"]["unknown"] > 100
    ended = await trimaran("doctor", "--settings", str(closed), "--service", "nothing")
    assert ended.status == Exit.USAGE and "payments" in ended.err


def test_what_is_bad_comes_first_and_says_what_to_do() -> None:
    """What is good is counted, and shown when it is asked for."""
    findings = (
        finding(Check.VERSION, Verdict.GOOD),
        finding(Check.CLOCK, Verdict.WARNING),
        finding(Check.STORAGE, Verdict.UNKNOWN),
        finding(Check.FSYNC, Verdict.BAD, "off"),
    )
    told = shown(*findings)
    assert told.index("Mend fsync.") < told.index("Mend storage.") < told.index("Mend clock.")
    assert "version" not in told and "version" in shown(*findings, everything=True)
    assert "needed: needed" in told
    assert said(findings) == "4 findings: 1 bad, 1 unknown, 1 warning, 1 good"


def test_what_is_unknown_for_one_reason_is_one_row() -> None:
    """A silent server is one line for a person, and every check of it for a machine."""
    checks = [check for check in Check if check is not Check.LOGIN][:20]
    findings = [finding(check, Verdict.UNKNOWN, "it did not answer") for check in checks]
    assert shown(*findings).count("it did not answer") == 1
    assert "and 17 more" in shown(*findings)
    assert len(document(findings)["findings"]) == 20
