"""The issuer of tokens is gone: nobody notices who has a token, and nobody who starts has to wait for it."""

import asyncio
import time
from datetime import timedelta

import aiohttp
import pytest

from controller.core.model import JournalEntry
from controller.probing.bearer import client_context
from lab.addresses import LOCAL
from lab.aftermath import broken_aftermath
from lab.cabling import ISSUER, SITES, Door
from lab.door_settings import issuer_url
from lab.faults import Fault, UnknownTargetError, parse
from lab.fleet import PAYMENTS
from lab.laboratory import Laboratory, laboratory
from lab.offering import Offering, offer
from lab.papers import MERCHANTS
from lab.record import Acknowledged
from lab.retrospect import look_back
from lab.timeline import failover_plan
from lab.vault_offering import entrust

WRITER = "azure"
RATE = 25
"""Payments a second: what becomes of them is asked here, not how soon."""
pytestmark = pytest.mark.timeout(240)


def test_the_issuer_is_a_place_of_its_own() -> None:
    """The fault happens there and nowhere else."""
    assert parse("issuer-down", None) == (Fault.ISSUER_DOWN, ISSUER)
    with pytest.raises(UnknownTargetError):
        parse("issuer-down", WRITER)


async def verified(lab: Laboratory, before: int) -> JournalEntry:
    """How the failover from this epoch ended. Fails when it does not within half a minute."""
    until = time.monotonic() + 30
    while True:
        plan = failover_plan(await lab.witness.journal(), before)
        found = [entry for entry in plan if entry.kind == "step.verify"]
        if found:
            return found[-1]
        assert time.monotonic() < until, [entry.kind for entry in plan]
        await asyncio.sleep(0.2)


async def keys_age(lab: Laboratory, site: str) -> float:
    """Seconds since this site's payments service had its keys from the issuer, by its own word."""
    url, context = f"https://{LOCAL}:{lab.cabling.direct(site, Door.SERVICE)}/readyz", lab.papers.towards(site, PAYMENTS)
    async with aiohttp.ClientSession() as http, http.get(url, ssl=context) as answer:
        return float((await answer.json())["issuer_keys_age_seconds"])


async def standing(lab: Laboratory) -> str:
    """What keeps a site from its traffic, for whoever reads a failure: posture, the last decisions, what observers say of the site."""
    control = await lab.witness.control()
    if control is None:
        return "etcd does not answer"
    said = [f"{entry.kind} {str(entry.body)[:200]}" for entry in (await lab.witness.journal())[-6:]]
    return f"weights {control.posture.weights}, drained {control.posture.drained}, plan {control.plan}; {said}; {control.observations}"


async def served_by(load: Offering, site: str, since: float, seconds: float) -> bool:
    """Was a payment acknowledged by this site after that moment?"""
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        if any(isinstance(line, Acknowledged) and line.site == site and line.t > since for line in load.lines()):
            return True
        await asyncio.sleep(0.5)
    return False


@pytest.mark.long
async def test_a_whole_failover_without_the_issuer() -> None:
    """Gone before the writer's site dies, and until after that site is back: payments go on, the canaries of the failover are paid, and
    the services of the site that was dead start with the keys that they kept, and serve. The issuer comes back with its own keys."""
    async with laboratory("test-issuer-down") as lab:
        control = await lab.witness.control()
        assert control is not None
        before, began = control.posture.reign, time.monotonic()
        load, holding = await offer(lab, "issuer", rate=RATE, beside=True), await entrust(lab, "issuer")
        await asyncio.sleep(1)
        down = await lab.faults.inject(Fault.ISSUER_DOWN, ISSUER)
        await lab.faults.inject(Fault.CRASH, WRITER)
        assert await load.wait_for_epoch(before, timedelta(seconds=20))
        said = str((await verified(lab, before)).body)
        others = [site for site in SITES if site != WRITER]
        assert all(site in said for site in others) and "no access token" not in said, said
        healed = time.monotonic()
        await lab.faults.heal(WRITER)
        await lab.wait_until_whole(timedelta(seconds=60))
        assert await keys_age(lab, WRITER) > time.monotonic() - down.at
        assert await served_by(load, WRITER, healed, 60), await standing(lab)
        process = lab.issuer.process
        assert process is not None and not process.alive, "nobody started it meanwhile"
        await lab.faults.heal(ISSUER)
        found, _ = await look_back(lab, load, since=began, holding=holding)
        assert broken_aftermath(found) == (), found.reconciliation.findings[:3]
        assert await a_token(lab)


async def a_token(lab: Laboratory) -> bool:
    """Does the issuer give tokens again?"""
    context = client_context(lab.papers.client(MERCHANTS[0]), lab.papers.issuer.authority)
    form = {"grant_type": "client_credentials", "client_id": MERCHANTS[0]}
    async with aiohttp.ClientSession() as http:
        async with http.post(f"{issuer_url(lab.cabling, WRITER)}/token", data=form, ssl=context) as answer:
            return answer.status == 200
