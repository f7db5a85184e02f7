"""Webhooks in a running lab: merchants that are told, and a run that notices when they are not."""

import asyncio
import time
from dataclasses import replace
from datetime import timedelta

import pytest

from lab.aftermath import Aftermath, broken_aftermath
from lab.fleet import VAULT, WEBHOOKS
from lab.laboratory import Laboratory, laboratory
from lab.offering import offer
from lab.retrospect import look_back

RATE = 25
SECONDS = 5
pytestmark = pytest.mark.timeout(300)


async def some_payments(lab: Laboratory, run: str) -> Aftermath:
    """A few hundred payments, none of which meets a fault, and how things stand afterwards."""
    began, load = time.monotonic(), await offer(lab, run, rate=RATE)
    await asyncio.sleep(SECONDS)
    found, _ = await look_back(lab, load, since=began, without=(VAULT,))
    return found


def misguide(lab: Laboratory) -> None:
    """Have every site's dispatcher leave events out. In one breath, or the supervisor would start the right one again."""
    for site in lab.sites.values():
        wrong = replace(site.programs[WEBHOOKS], module="tests.lab.skipping_dispatcher")
        site.programs = {**site.programs, WEBHOOKS: wrong}
        site.running[WEBHOOKS].kill()
        site.start_program(WEBHOOKS)


@pytest.mark.long
async def test_merchants_are_told_of_every_payment_and_a_run_notices_when_they_are_not() -> None:
    """The same lab with the dispatcher and with one that skips events and calls them delivered: kept, and then broken by name."""
    async with laboratory("test-webhooks") as lab:
        kept = await some_payments(lab, "kept")
        assert broken_aftermath(kept) == (), kept.webhooks
        assert kept.webhooks is not None and kept.webhooks.sent > 0
        assert (kept.webhooks.lost, kept.webhooks.reordered, kept.webhooks.pending) == (0, 0, 0)
        assert kept.webhooks.turned_away + kept.webhooks.duplicated > 0, "no merchant failed, so nothing was tried again"
        misguide(lab)
        broken = await some_payments(lab, "broken")
        assert broken.webhooks is not None and broken.webhooks.lost > 0
        assert f"{broken.webhooks.lost} webhooks are lost" in broken_aftermath(broken)
        assert broken.reconciliation.lost == 0, "payments themselves are well"
        await lab.wait_until_whole(timedelta(seconds=10))
