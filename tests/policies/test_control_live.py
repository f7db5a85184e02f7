"""The control nodes are there only when their stack is live: the rules about machines are tried on that recording as well."""

import pytest

from tests.infra.controls import live
from tests.policies.breaking import Break, broken_by, the_one, with_break
from tests.policies.breaks import BREAKS
from tests.policies.samples import Told
from tests.policies.test_sensitivity import ADVISORY, as_told, params

STACK = "prod-control"
MACHINES = ("aws:ec2/instance:Instance", "azure-native:compute:VirtualMachine", "gcp:compute/instance:Instance")
ROWS = [(STACK, row) for row in BREAKS["control"] if row.type in MACHINES and not row.hand]


def told() -> list[Told]:
    """What the stack asks for once it is live."""
    return as_told(live(STACK))


def test_the_live_stack_keeps_every_mandatory_rule() -> None:
    """With machines in all three clouds."""
    assert {one["type"] for one in told()} >= set(MACHINES)
    assert broken_by(STACK, told(), live="true") - ADVISORY == frozenset()


@pytest.mark.parametrize(("stack", "row"), params(ROWS))
def test_its_machines_are_as_sensitive(stack: str, row: Break) -> None:
    """Every row about a machine meets one."""
    assert the_one(told(), row) is not None
    assert broken_by(stack, with_break(told(), row), live="true") == {row.control} | row.also
