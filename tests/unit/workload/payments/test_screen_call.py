"""Screening as payments calls it, with everything in between that has a deadline of its own."""

import asyncio
import random
from datetime import timedelta

import pytest

from tests.unit.workload.payments.desk import ORDER
from workload.calls.answer import Answered, Outcome, Question, Reason, Unavailable
from workload.calls.callee import Callee
from workload.calls.instance import Instance
from workload.calls.settings import CalleeSettings
from workload.payments.screen import Habits, Screening
from workload.payments.screen_call import CalledScreen

pytestmark = pytest.mark.asyncio

SCORED = Answered(status=200, body=b'{"score": 1.0, "reasons": [], "advice": "pass"}', headers={}, site="azure")
ADDRESS = {"host": "127.0.0.1", "port": 1}


class Stuck:
    """Screening at two sites, of which the own one takes questions and answers none. Accounts that never paid."""

    def __init__(self) -> None:
        self.asked: list[str] = []
        self.words: list[str] = []

    async def attempt(self, instance: Instance, question: Question, limit: timedelta) -> Outcome:
        """As `Connections`."""
        self.asked.append(instance.site)
        if instance.site != "aws":
            return SCORED
        await asyncio.sleep(limit.total_seconds())
        return Unavailable(reason=Reason.SILENT, detail="", reached=True)

    async def of(self, account: object, deadline: timedelta) -> Habits | None:
        """As `Profiles`."""
        return None

    def screened(self, said: str) -> None:
        """As `Meter`."""
        self.words.append(said)


async def test_a_stuck_instance_is_left_alone_and_another_site_screens() -> None:
    """It hangs for longer than a payment waits. After a few payments that nobody screened, all are again, at once."""
    stuck, loop = Stuck(), asyncio.get_running_loop()
    table = CalleeSettings.model_validate({"instances": {"aws": ADDRESS, "azure": ADDRESS}})
    callee = Callee(table, stuck, own_site="aws", monotonic=loop.time, draw=random.random, pause=asyncio.sleep)
    screening = Screening(screen=CalledScreen(callee), profiles=stuck, meter=stuck, deadline=timedelta(milliseconds=20))
    for _ in range(20):
        await screening.advice(ORDER)
    assert stuck.asked[0] == "aws" and stuck.words[0] == "absent"
    assert stuck.asked[-1] == "azure" and stuck.words[-1] == "pass"
