"""`trimaran promote`: what it asks for, and that its exit status is what became of it at the provider."""

import json
from collections.abc import AsyncIterator
from dataclasses import dataclass, field, replace
from pathlib import Path

import pytest

from controller.cli.exits import Exit
from controller.core.model import Token
from controller.core.policy import Policy
from controller.core.steps import AwaitPromotion, BeginPromotion, Promotion, PromotionState, Result, Step
from tests.unit.cli.conftest import Trimaran, driven
from tests.unit.core.worlds import GCP
from tests.unit.room import Hands, Room, room

pytestmark = pytest.mark.asyncio
RUNNING, DONE, FAILED = PromotionState.RUNNING, PromotionState.DONE, PromotionState.FAILED


@dataclass
class Provider(Hands):
    """Everything works; a promotion goes through these states, one for each question, and stays in the last."""

    states: list[PromotionState] = field(default_factory=lambda: [RUNNING, RUNNING, DONE])
    asked: list[Step] = field(default_factory=list)

    async def perform(self, step: Step, token: Token) -> Result:
        """See `Hands`."""
        if not isinstance(step, BeginPromotion | AwaitPromotion):
            return await super().perform(step, token)
        self.asked.append(step)
        state = self.states.pop(0) if len(self.states) > 1 else self.states[0]
        return Promotion(operation="op-7", state=state, detail="no room" if state is FAILED else "")


@pytest.fixture
async def kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[tuple[Room, Provider]]:
    """A room whose service keeps a read replica at gcp."""
    async with room(policy=replace(Policy(), replicas=frozenset({GCP}))) as made:
        provider = Provider()
        for loop in made.loops.values():
            loop.executor.actions = provider  # type: ignore[assignment]
        monkeypatch.setenv("TRIMARAN_CONTEXT", made.write_context(tmp_path))
        async with driven(made):
            yield made, provider


async def test_a_promotion_is_followed_to_its_end(kept: tuple[Room, Provider], trimaran: Trimaran) -> None:
    """Begun once, and asked about by the provider's own name for it."""
    said = await trimaran("promote", "--site", "gcp", "--reason", "the primary is gone")
    assert said.status == Exit.DONE, said
    assert kept[1].asked[:2] == [BeginPromotion(site=GCP), AwaitPromotion(site=GCP, operation="op-7")]
    assert "asking the provider" in said.out or "begin_promotion gcp" in said.out


@pytest.mark.parametrize("states", [[FAILED], [RUNNING, RUNNING, FAILED]])
async def test_a_promotion_that_failed_is_no_success(
    kept: tuple[Room, Provider], trimaran: Trimaran, states: list[PromotionState]
) -> None:
    """Whether at once or in the end: the status and the last line say so, with the provider's words, for people and machines."""
    kept[1].states = list(states)
    said = await trimaran("promote", "--site", "gcp", "--reason", "drill")
    assert said.status == Exit.UNDONE and "undone: no room" in said.out
    kept[1].states = list(states)
    document = json.loads((await trimaran("promote", "--site", "gcp", "--reason", "drill", "--json")).out)
    assert (document["outcome"], document["failure"]) == ("undone", "no room")


async def test_a_promotion_that_takes_longer_than_the_patience_goes_on(kept: tuple[Room, Provider], trimaran: Trimaran) -> None:
    """The command ends and says so; the same order, given again, is the same promotion."""
    kept[1].states = [RUNNING]
    order = ("promote", "--site", "gcp", "--reason", "drill", "--request", "order-1")
    said = await trimaran(*order, "--timeout", "0.5")
    assert said.status == Exit.UNFINISHED and "goes on without us" in said.out
    kept[1].states = [DONE]
    assert (await trimaran(*order)).status == Exit.DONE
    assert kept[1].asked.count(BeginPromotion(site=GCP)) == 1


async def test_a_second_operator_is_told_to_wait(kept: tuple[Room, Provider], trimaran: Trimaran) -> None:
    """Another order beside one that runs is refused by the guard's name; nothing begins twice."""
    kept[1].states = [RUNNING]
    await trimaran("promote", "--site", "gcp", "--reason", "drill", "--timeout", "0.5")
    said = await trimaran("promote", "--site", "gcp", "--reason", "drill")
    assert said.status == Exit.REFUSED and "one-plan" in said.out
    assert kept[1].asked.count(BeginPromotion(site=GCP)) == 1


@pytest.mark.parametrize("site", ["aws", "mars"])
async def test_only_a_replica_that_is_kept_is_promoted(kept: tuple[Room, Provider], trimaran: Trimaran, site: str) -> None:
    """A follower of ours is none: it is moved to by switchover and failover. The answer names those that are."""
    said = await trimaran("promote", "--site", site, "--reason", "drill")
    assert said.status == Exit.REFUSED and "provider-managed replica: gcp" in said.out
    assert not kept[1].asked


async def test_a_promotion_needs_a_reason(kept: tuple[Room, Provider], trimaran: Trimaran) -> None:
    """It cannot be taken back, and it is on the record."""
    assert (await trimaran("promote", "--site", "gcp")).status == Exit.USAGE
    assert (await trimaran("promote", "--site", "gcp", "--reason", " ")).status in (Exit.USAGE, Exit.REFUSED)
    assert not kept[1].asked
