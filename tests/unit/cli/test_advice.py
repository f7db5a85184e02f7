"""Every command that a message names is one that the command line understands."""

import shlex

import pytest
import typer

from controller.cli.app import build
from controller.core import advice
from controller.core.model import Reason, Site, Verdict

REFUSALS = ("pause", "mode", "velocity", "provable-durability", "quorum-or-hold")


def lines() -> list[str]:
    """Everything that is ever advised."""
    held = [
        advice.out_of_hold("payments", Site("azure"), Reason(guard=guard, verdict=Verdict.REFUSED, value="", limit=""), "aws,gcp")
        for guard in REFUSALS
    ]
    simple = [advice.look("payments"), advice.ask_why("payments"), advice.resume("payments"), advice.pause_on("payments")]
    return [*held, *simple, advice.examine(), advice.leave("payments", Site("azure"))]


@pytest.mark.parametrize("line", lines())
def test_advice_can_be_copied(line: str) -> None:
    """Parsed as a shell and the command line would; an option that does not exist, or is missing, raises."""
    program, *words = shlex.split(line)
    assert program == "trimaran"
    group = typer.main.get_command(build())
    context = group.make_context("trimaran", list(words), resilient_parsing=True)
    name, command, rest = group.resolve_command(context, words)  # type: ignore[attr-defined]
    assert name and command.make_context(name, rest).params


def test_a_held_failover_advises_what_its_guard_needs() -> None:
    """The members that cannot be read are named; without any, nothing is waived."""
    refusal = Reason(guard="provable-durability", verdict=Verdict.REFUSED, value="", limit="")
    assert "--waive aws --waive gcp" in advice.out_of_hold("payments", Site("azure"), refusal, "aws,gcp")
    assert advice.out_of_hold("payments", Site("azure"), refusal, "") == "trimaran explain --service payments"
