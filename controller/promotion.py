"""Waiting for a provider: its promotion of a read replica is asked about until it ends, by whoever owns the plan then."""

from datetime import timedelta

from controller.core.steps import Promotion, PromotionState
from controller.ports import Clock, ManagedDatabase

ASK_EVERY = timedelta(seconds=1)
ASK_FOR = timedelta(seconds=10)
"""After this a step answers with what it knows, so that an owner who lost the plan notices."""

CALL = timedelta(seconds=5)
"""For one question."""


async def follow_promotion(server: ManagedDatabase, operation: str, clock: Clock) -> Promotion:
    """How the promotion ended, or that it still runs. Raises ProviderError when the provider cannot be asked: then nothing is known,
    and whoever owns the plan asks again."""
    give_up = clock.monotonic() + ASK_FOR
    while True:
        seen = await server.promotion(operation, CALL)
        if seen.state is not PromotionState.RUNNING or clock.monotonic() >= give_up:
            return seen
        await clock.sleep(ASK_EVERY)
