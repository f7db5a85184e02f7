"""The control nodes are there only when their stack is live: the rules about machines are tried on that recording as well."""

from dataclasses import asdict

import pytest

from policies.controls import CONTROLS
from tests.infra.controls import live
from tests.policies.breaking import Break, broken_by, the_one, with_break
from tests.policies.breaks import BREAKS
from tests.policies.samples import Told

STACK = "prod-control"
MACHINES = ("aws:ec2/instance:Instance", "azure-native:compute:VirtualMachine", "gcp:compute/instance:Instance")
ROWS = [pytest.param(row, id=str(row)) for row in BREAKS["control"] if row.type in MACHINES and not row.hand]
ADVISORY = frozenset(control.id for control in CONTROLS if control.advisory)


def told() -> list[Told]:
    """What the stack asks for once it is live, as rules are given it."""
    return [
        {**asdict(one), "property_dependencies": {key: list(urns) for key, urns in one.property_dependencies.items()}}
        for one in live(STACK).resources
    ]


def test_the_live_stack_keeps_every_mandatory_rule() -> None:
    """With machines in all three clouds."""
    assert {one["type"] for one in told()} >= set(MACHINES)
    assert broken_by(STACK, told(), live="true") - ADVISORY == frozenset()


@pytest.mark.parametrize("row", ROWS)
def test_its_machines_are_as_sensitive(row: Break) -> None:
    """Every row about a machine meets one."""
    assert the_one(told(), row) is not None
    usually = broken_by(STACK, told(), live="true")
    assert broken_by(STACK, with_break(told(), row), live="true") - usually == ({row.control} | row.also) - usually
