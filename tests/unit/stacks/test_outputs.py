"""Outputs are read from live stacks and from files; what cannot be used is refused with everything that is wrong."""

import json
import stat
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from controller.cli import app
from controller.cli.exits import Exit
from controller.errors import Refused
from controller.stacks.contract import MARK, SECRET, Stack, understood
from controller.stacks.outputs import Live, exported, live
from tests.unit.stacks.samples import exported as state
from tests.unit.stacks.samples import files, outputs

GONE = object()
CHOSEN = ("settings", "from-stacks", "--site", "gcp", "--writer", "azure", "--issuer", "https://issuer.example.com/token")
PROD = Live(environment="prod", organization="organization", project="trimaran")


def test_state_and_outputs_say_the_same(tmp_path: Path) -> None:
    """Whichever was exported."""
    told = outputs()[Stack.AWS]
    (tmp_path / "state.json").write_text(json.dumps(state("prod-aws", told)))
    (tmp_path / "outputs.json").write_text(json.dumps(told))
    assert exported(Stack.AWS, tmp_path / "state.json") == exported(Stack.AWS, tmp_path / "outputs.json") == told


def test_the_state_of_another_stack_is_refused(tmp_path: Path) -> None:
    """Azure's databases under AWS's name would be dialled by everybody."""
    file = tmp_path / "aws.json"
    file.write_text(json.dumps(state("prod-azure", outputs()[Stack.AZURE])))
    with pytest.raises(Refused, match="the state of prod-azure"):
        exported(Stack.AWS, file)


def test_the_state_of_another_environment_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """dev's database would be one of prod's followers. Whichever file it is, and whatever was asked for by name."""
    told = outputs()
    given = files(tmp_path, told)
    (tmp_path / "azure.json").write_text(json.dumps(state("dev-azure", told[Stack.AZURE])))
    assert app.run([*CHOSEN, *given], ()) == Exit.USAGE
    assert "azure.json: the state of dev-azure" in (refused := capsys.readouterr()).err and "that of prod-azure" in refused.err
    given = files(tmp_path, told)
    assert app.run([*CHOSEN, *given, "--environment", "dev"], ()) == Exit.USAGE
    assert "aws.json: the state of prod-aws" in capsys.readouterr().err


@pytest.mark.parametrize(
    "text", ["", "[]", '{"deployment": null}', '{"deployment": {"resources": []}}', '{"deployment": {"resources": 3}}']
)
def test_what_is_no_export_is_refused(tmp_path: Path, text: str) -> None:
    """With the file, and how to make one."""
    file = tmp_path / "aws.json"
    file.write_text(text)
    with pytest.raises(Refused, match=r"aws\.json.*pulumi stack export") as refused:
        exported(Stack.AWS, file)
    assert str(file) in str(refused.value)


def wrong() -> dict[Stack, dict[str, Any]]:
    """Something of every kind."""
    told = outputs()
    del told[Stack.AWS]["region"], told[Stack.AZURE]["account"]["tenant"], told[Stack.AZURE]["peaks"]["vault"]
    told[Stack.GCP]["database_hosts"] = {SECRET: "1b47061264138c4ac30d75fd1eb44270", "ciphertext": "v1:x"}
    told[Stack.EDGE][MARK] = 2
    told[Stack.CONTROL]["providers"]["aws"] = "aws"
    return told


def test_everything_that_is_wrong_is_told_at_once() -> None:
    """With the stack and the output."""
    with pytest.raises(Refused) as refused:
        understood(wrong())
    for said in (
        "aws.region: Field required",
        "azure.account: no tenant",
        "azure.peaks: no vault",
        "gcp.database_hosts: sealed",
        "edge.contract: it speaks contract 2, and 1 is read here",
        "control.providers: none of Google's for aws",
    ):
        assert said in str(refused.value)
    assert "ciphertext" not in str(refused.value)


REFUSED: Mapping[str, tuple[Stack, tuple[str, ...], object]] = {
    "aws.address: Field required": (Stack.AWS, ("address",), GONE),
    "aws.address: an IPv4 address": (Stack.AWS, ("address",), "edge.example.net"),
    "aws.region: Input should be a valid string": (Stack.AWS, ("region",), 1),
    "aws.region: String should have at least 1 character": (Stack.AWS, ("region",), ""),
    "aws.peaks.payments: Input should be a valid integer": (Stack.AWS, ("peaks", "payments"), "many"),
    "aws.peaks.payments: Input should be greater than or equal to 1": (Stack.AWS, ("peaks", "payments"), 0),
    "aws.cluster: empty": (Stack.AWS, ("cluster",), ""),
    "aws.doors: no agent": (Stack.AWS, ("doors", "agent"), GONE),
    "azure.doors.agent: host:port": (Stack.AZURE, ("doors", "agent"), "http://10.20.31.250:8445"),
    "azure.database_hosts: Input should be a valid dictionary": (Stack.AZURE, ("database_hosts",), ["a", "b"]),
    "azure.database_hosts.vault: Input should be a valid string": (Stack.AZURE, ("database_hosts", "vault"), {SECRET: "x"}),
    "azure.group: sealed": (Stack.AZURE, ("group",), "[secret]"),
    "azure.contract: sealed": (Stack.AZURE, (MARK,), {SECRET: "x", "ciphertext": "v1:x"}),
    "azure.contract: it speaks contract 2": (Stack.AZURE, (MARK,), 2),
    "azure.contract: it speaks contract '1'": (Stack.AZURE, (MARK,), "1"),
    "azure.contract: it speaks contract True": (Stack.AZURE, (MARK,), True),
    "azure: it has published nothing": (Stack.AZURE, (MARK,), GONE),
    "gcp.address: 192.0.2.10 is aws.address already": (Stack.GCP, ("address",), "192.0.2.10"),
    "gcp.database_hosts.payments: PAYMENTS.eu-central-1.example.net. is aws.database_hosts.payments already": (
        Stack.GCP,
        ("database_hosts", "payments"),
        "PAYMENTS.eu-central-1.example.net.",
    ),
    "gcp.database_hosts.vault: payments.europe-southwest1.example.net is gcp.database_hosts.payments already": (
        Stack.GCP,
        ("database_hosts", "vault"),
        "payments.europe-southwest1.example.net",
    ),
    "gcp.doors.agent: side-door.eu-central-1.example.net:8445 is aws.doors.agent already": (
        Stack.GCP,
        ("doors", "agent"),
        "side-door.eu-central-1.example.net:8445",
    ),
    "edge.names: Dictionary should have at least 1 item": (Stack.EDGE, ("names",), {}),
    "edge.asked_by: a host name": (Stack.EDGE, ("asked_by",), "https://api.pay.example.com"),
    "edge.served_by: no clouddns": (Stack.EDGE, ("served_by", "clouddns"), GONE),
    "edge.served_by.azure: List should have at least 1 item": (Stack.EDGE, ("served_by", "azure"), []),
    "control.nodes: no gcp": (Stack.CONTROL, ("nodes", "gcp"), GONE),
    "control.nodes.gcp: 10.10.240.10 is control.nodes.aws already": (Stack.CONTROL, ("nodes", "gcp"), "10.10.240.10"),
    "control.roles: no azure": (Stack.CONTROL, ("roles", "azure"), GONE),
}
"""What is said, by what one output is changed to; `GONE`: it is not there."""


@pytest.mark.parametrize("said", REFUSED)
def test_one_wrong_output_is_refused_with_its_stack_its_name_and_the_rule(said: str) -> None:
    """And nothing else is said about it, so that who mends it looks in one place."""
    stack, (*path, last), value = REFUSED[said]
    told = outputs()
    table: dict[str, Any] = told[stack]
    for key in path:
        table = table[key]
    if value is GONE:
        del table[last]
    else:
        table[last] = value
    with pytest.raises(Refused) as refused:
        understood(told)
    assert refused.value.value.startswith(said), refused.value.value
    assert "; " not in refused.value.value and "pulumi up" in refused.value.way_out


def test_stacks_that_are_missing_are_named() -> None:
    """And those that were never applied."""
    with pytest.raises(Refused, match="aws: it has published nothing; azure: nothing is known"):
        understood({Stack.AWS: {}})


def test_the_command_writes_a_file_or_to_the_screen(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The same text."""
    given = files(tmp_path, outputs())
    assert app.run([*CHOSEN, *given], ()) == Exit.DONE
    shown = capsys.readouterr().out
    assert app.run([*CHOSEN, *given, "--out", str(tmp_path / "controller.toml")], ()) == Exit.DONE
    assert (tmp_path / "controller.toml").read_text() == shown and 'site = "gcp"' in shown
    assert 'client = "controller-gcp"' in shown and 'mode = "observe"' in shown
    assert app.run([*CHOSEN, *given, "--issuer-authority", "authority.pem"], ()) == Exit.DONE
    assert 'authority = "authority.pem"' in capsys.readouterr().out and 'authority = "authority.pem"' not in shown


def test_each_authority_is_named_for_one_thing(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The issuer's for tokens, the edges' for who shows itself to clients."""
    authorities = ("--issuer-authority", "issuer.pem", "--edge-authority", "edges.pem")
    assert app.run([*CHOSEN, *files(tmp_path, outputs()), *authorities], ()) == Exit.DONE
    written = tomllib.loads(capsys.readouterr().out)
    assert (written["tokens"]["authority"], written["identity"]["authority"]) == ("issuer.pem", "edges.pem")


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ((), "expected --environment NAME"),
        (("--outputs", "mesh=x.json"), "not mesh"),
        (("--outputs", "aws"), "--outputs STACK=FILE"),
        (("--outputs", "aws=missing.json"), "No such file"),
    ],
)
def test_a_command_that_cannot_be_used_says_why(given: tuple[str, ...], said: str, capsys: pytest.CaptureFixture[str]) -> None:
    """Exit 2, and nothing on standard output."""
    assert app.run([*CHOSEN, *given], ()) == Exit.USAGE
    told = capsys.readouterr()
    assert said in told.err and not told.out


def engine(folder: Path, script: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """A stand-in for the engine, alone on PATH beside a shell."""
    file = folder / "pulumi"
    file.write_text(f"#!/bin/sh\n{script}\n")
    file.chmod(file.stat().st_mode | stat.S_IXUSR)
    monkeypatch.setenv("PATH", f"{folder}:/usr/bin:/bin")


def test_live_stacks_are_asked_by_their_full_names(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """One question for each that no file was given for."""
    for stack, told in outputs().items():
        (tmp_path / f"prod-{stack}").write_text(json.dumps(told))
    engine(tmp_path, f'echo "$@" >> {tmp_path}/asked; for last; do :; done; cat {tmp_path}/$(basename "$last")', monkeypatch)
    aws = files(tmp_path, {Stack.AWS: outputs()[Stack.AWS]})
    assert app.run([*CHOSEN, *aws, "--environment", "prod"], ()) == Exit.DONE
    assert "trimaran-prod-site" in capsys.readouterr().out
    asked = (tmp_path / "asked").read_text().splitlines()
    assert asked == [
        f"stack output --json --non-interactive --stack organization/trimaran/prod-{stack}" for stack in Stack if stack != "aws"
    ]


@pytest.mark.parametrize(
    ("script", "said"),
    [("echo no stack named >&2; exit 255", "no stack named"), ("echo not json", "no JSON"), ("echo 3", "no object")],
)
def test_an_engine_that_does_not_tell_is_quoted(script: str, said: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """With the stack, and the way by files."""
    engine(tmp_path, script, monkeypatch)
    with pytest.raises(Refused, match=said) as refused:
        live(PROD, Stack.EDGE)
    assert "organization/trimaran/prod-edge" in str(refused.value) and "pulumi stack export" in str(refused.value)


def test_without_an_engine_files_are_the_way(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Control nodes have none."""
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(Refused, match="pulumi is not on PATH"):
        live(PROD, Stack.AWS)
