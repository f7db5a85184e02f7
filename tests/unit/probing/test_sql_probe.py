"""One question gives both health and facts."""

import asyncio
from dataclasses import replace
from datetime import timedelta

import pytest

from controller.core.model import Epoch, Lsn, NodeFacts, Role, Site, Token
from controller.errors import Denied
from controller.ports import ProbeResult
from controller.probing.sql_probe import SqlProbe
from controller.providers.memory.clock import SteppedClock
from controller.providers.memory.probe import Behaviour, MemoryNode, MemoryProbe

FACTS = NodeFacts(
    site=Site("gcp"),
    role=Role.FOLLOWER,
    epoch=Epoch(3),
    token=Token(1),
    ack_slots=(),
    pinned=True,
    flushed=Lsn(1),
    subscriptions=(),
    slots=(),
)


def asked(node: MemoryNode, clock: SteppedClock) -> tuple[ProbeResult, SqlProbe]:
    """Ask once, letting as much time pass as it takes."""
    probe = SqlProbe(node, clock)

    async def run() -> ProbeResult:
        task = asyncio.create_task(probe.measure(timedelta(seconds=1)))
        await clock.advance(timedelta(seconds=2))
        return await task

    return asyncio.run(run()), probe


def node(behaviour: Behaviour) -> tuple[MemoryNode, SteppedClock]:
    """A node that behaves so."""
    clock = SteppedClock()
    return MemoryNode(probe=MemoryProbe(clock=clock, behaviour=behaviour), said=FACTS), clock


def test_an_answer_is_well_and_leaves_facts() -> None:
    """Role and epoch are told as evidence."""
    result, probe = asked(*node(Behaviour.ANSWERS))
    assert result == ProbeResult(ok=True, latency=timedelta(milliseconds=25), detail="follower of epoch 3")
    assert probe.latest == FACTS


def test_an_unpinned_node_is_well_and_says_so() -> None:
    """Being on another timeline is a fact to decide on, not a failed measurement."""
    given, clock = node(Behaviour.ANSWERS)
    given.said = replace(FACTS, pinned=False)
    result, probe = asked(given, clock)
    assert result.ok
    assert "not on its pinned timeline" in result.detail
    assert probe.latest == given.said


@pytest.mark.parametrize(("behaviour", "latency"), [(Behaviour.FAILS, 0.025), (Behaviour.HANGS, 1.0)])
def test_a_failure_is_a_result_and_leaves_no_facts(behaviour: Behaviour, latency: float) -> None:
    """Refused or silent: not well, and nothing learned."""
    result, probe = asked(*node(behaviour))
    assert not result.ok
    assert result.latency == timedelta(seconds=latency)
    assert probe.latest is None


def test_not_being_able_to_ask_is_no_result() -> None:
    """Missing credentials say nothing about the node."""
    with pytest.raises(Denied):
        asked(*node(Behaviour.DENIES))
