"""Every fault from end to end: payments offered throughout, the writer's site hurt and healed, every payment accounted for."""

import asyncio
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from datetime import timedelta

import aiohttp
import pytest

from controller.actions import Patience
from controller.core.model import JournalEntry
from lab.aftermath import broken_aftermath
from lab.cabling import CLIENTS, ISSUER, Door
from lab.faults import Fault, OccupiedError, UnknownTargetError, parse
from lab.fleet import LEAN, PAYMENTS, WHOLE
from lab.laboratory import Laboratory, laboratory
from lab.offering import Offering, offer
from lab.record import Unanswered
from lab.rehearsal import RETURNING, Course, rehearse
from lab.report import broken_promises
from lab.resolver import udp
from lab.retrospect import look_back
from lab.site_settings import ADDRESSES, NAMES
from lab.timeline import failover_plan, spans
from lab.vault_offering import entrust
from lab.vendors import AUTHORITIES, VENDORS

WRITER, OTHER = "azure", "gcp"
RATE = 25
"""Payments a second. These tests ask what becomes of payments, on a machine that also runs the tests; the bench asks how soon."""
pytestmark = pytest.mark.timeout(300)


@asynccontextmanager
async def offering(lab: Laboratory, run: str) -> AsyncIterator[Offering]:
    """Load for the length of the block; at its end every promise that any run is judged by was kept."""
    began, load = time.monotonic(), await offer(lab, run, rate=RATE)
    yield load
    found, _ = await look_back(lab, load, since=began)
    assert broken_aftermath(found) == (), found.reconciliation.findings[:3]


async def epoch(lab: Laboratory) -> int:
    """The present reign."""
    control = await lab.witness.control()
    assert control is not None
    return control.posture.reign


@pytest.mark.parametrize("services", [LEAN, pytest.param(WHOLE, marks=pytest.mark.long)], ids=["lean", "whole"])
@pytest.mark.parametrize("fault", [Fault.CRASH, pytest.param(Fault.FREEZE, marks=pytest.mark.long), Fault.PARTITION])
async def test_payments_survive_the_loss_of_the_writers_site(fault: Fault, services: Sequence[str]) -> None:
    """Another site writes in the next epoch, nothing acknowledged is lost, and the site comes back as a follower that counts; where it
    comes back believing that it still writes, payers were there to be told so."""
    async with laboratory(f"test-{fault}", services=services) as lab:
        seen = await rehearse(lab, Course(fault=fault, rate=RATE))
    assert broken_promises(seen) == ()
    assert seen.site == WRITER
    assert fault not in RETURNING or seen.met_old_writer > 0
    assert seen.etcd_leader_on_site
    assert {span.name for span in seen.spans} == {"detect", "decide", "cut", "elect", "attach", "open", "steer", "verify"}


@pytest.mark.long
async def test_small_faults_do_not_move_the_writer() -> None:
    """A slow follower, a dead controller and a dead etcd member cost no reign and no payment; nor does a slow writer, for longer than
    any rule of accusation needs: twenty late answers in a row, one every quarter of a second."""
    async with laboratory("test-small-faults", services=LEAN) as lab:
        before = await epoch(lab)
        async with offering(lab, "small"):
            for fault, place, seconds in (
                (Fault.SLOW, OTHER, 2),
                (Fault.CONTROLLER, WRITER, 2),
                (Fault.ETCD, OTHER, 2),
                (Fault.SLOW, WRITER, 10),
            ):
                await lab.faults.inject(fault, place)
                with pytest.raises(OccupiedError, match=f"{place} suffers from {fault}"):
                    await lab.faults.inject(fault, place)
                await asyncio.sleep(seconds)
                await lab.faults.heal(place)
            await lab.wait_until_whole(timedelta(seconds=30))
        assert await epoch(lab) == before
        assert lab.supervisor.exits == []
        assert (await lab.etcd.compare()).disagreeing == frozenset()


SMALL: tuple[tuple[Fault, str, float], ...] = (
    (Fault.SLOW, OTHER, 3),
    (Fault.CONTROLLER, WRITER, 2),
    (Fault.ETCD, OTHER, 2),
    (Fault.API_REFUSE, "route53", 2),
    (Fault.API_THROTTLE, "azuredns", 2),
    (Fault.API_LOSE_ANSWER, "clouddns", 2),
    (Fault.API_HANG, "azuredns", 3),
    (Fault.DNS_STALE, "route53", 2),
    (Fault.DNS_DOWN, "clouddns", 3),
    (Fault.AUTHORITY_DOWN, "azuredns", 3),
    (Fault.ISSUER_DOWN, ISSUER, 3),
)
"""Faults that cost nobody the reign, with the seconds that each lasts. The APIs of clouds are those of the vault's keys, too."""


@pytest.mark.long
@pytest.mark.timeout(240)
async def test_small_faults_cost_the_whole_fleet_nothing() -> None:
    """One after the other, in one lab, while payers pay, some of them from tokens, cardholders have numbers kept, shown and erased, held
    payments are approved and merchants are told: no writer moves, and nothing of any service is lost."""
    async with laboratory("test-small-fleet") as lab:
        before = await reigns(lab)
        began, load = time.monotonic(), await offer(lab, "fleet", rate=RATE / 2, beside=True)
        holding = await entrust(lab, "fleet")
        for fault, place, seconds in SMALL:
            await lab.faults.inject(fault, place)
            await asyncio.sleep(seconds)
            await lab.faults.heal(place)
        await lab.wait_until_whole(timedelta(seconds=30))
        found, _ = await look_back(lab, load, since=began, holding=holding)
        assert broken_aftermath(found) == (), found.reconciliation.findings[:3]
        assert found.unproven == {} and await reigns(lab) == before
        assert found.vault is not None and found.webhooks is not None
        paid, kept = found.reconciliation, found.vault.reconciliation
        assert min(paid.from_tokens, paid.approved, paid.erasures, kept.erasures, kept.refused, found.webhooks.sent) > 0


async def reigns(lab: Laboratory) -> dict[str, int]:
    """The present reign of every service that has one."""
    found = {service: await witness.control() for service, witness in lab.witnesses.items()}
    return {service: int(control.posture.reign) for service, control in found.items() if control is not None}


async def test_a_failover_does_not_wait_for_apis_that_hang() -> None:
    """Answers go on naming the dead site; payments are acknowledged in a new epoch and the plan ends all the same. Once the APIs are
    healed, and with the site still dead, answers leave it out without anybody's help."""
    async with laboratory("test-hanging-apis", services=LEAN) as lab:
        before = await epoch(lab)
        async with offering(lab, "hang") as load:
            for place in AUTHORITIES:
                await lab.faults.inject(Fault.API_HANG, place)
            crash = await lab.faults.inject(Fault.CRASH, WRITER)
            assert await load.wait_for_epoch(before, timedelta(seconds=20))
            plan = await finished_failover(lab, before)
            for place in AUTHORITIES:
                assert ADDRESSES[WRITER] in await answers(lab, place), "nothing could be steered"
            assert not [entry for entry in plan if entry.kind == "step.steer" and "in sync" in str(entry.body["result"])]
            decide = next(span for span in spans(plan, crash.wall) if span.name == "decide")
            assert decide.ms < Patience().steer.total_seconds() * 1000, "the first cut waited for the authority"
            for place in AUTHORITIES:
                await lab.faults.heal(place)
            for place in AUTHORITIES:
                await drained(lab, place, 15)
            await lab.faults.heal(WRITER)
            await lab.wait_until_whole(timedelta(seconds=45))
        assert await epoch(lab) == before + 1


@pytest.mark.long
@pytest.mark.parametrize(
    ("fault", "place"), [(Fault.API_HANG, "route53"), (Fault.DNS_DOWN, "azuredns"), (Fault.AUTHORITY_DOWN, "clouddns")]
)
async def test_losing_an_authority_holds_back_no_other(fault: Fault, place: str) -> None:
    """With the API, the name servers or both of one authority lost, the other two leave the dead site out as the plan says, and no
    client is lost: it asks another authority. Healed, the lost one is brought to the same weights by itself."""
    async with laboratory(f"test-{fault}-{place}", services=LEAN) as lab:
        before = await epoch(lab)
        async with offering(lab, "lost") as load:
            await lab.faults.inject(fault, place)
            await lab.faults.inject(Fault.CRASH, WRITER)
            assert await load.wait_for_epoch(before, timedelta(seconds=20))
            for other in AUTHORITIES:
                if other != place:
                    await drained(lab, other, 2)
            if fault is not Fault.API_HANG:
                assert any(isinstance(line, Unanswered) and line.authority == place for line in load.lines())
            await lab.faults.heal(place)
            await drained(lab, place, 15)
            await lab.faults.heal(WRITER)
            await lab.wait_until_whole(timedelta(seconds=45))


@pytest.mark.long
async def test_answers_change_although_no_api_answers() -> None:
    """The static path: with all three APIs hanging, the authorities' own health checks leave the dead site out, each at its vendor's
    pace. Route 53 asks every 10 s and needs 3 failures, each of up to 6 s; Traffic Manager needs 4, of up to 5 s."""
    beside = [(Fault.API_HANG, place) for place in AUTHORITIES]
    async with laboratory("test-static-path", services=LEAN) as lab:
        seen = await rehearse(lab, Course(rate=RATE, beside=beside, hold=timedelta(seconds=50)))
    assert broken_promises(seen) == ()
    route53, azure = (seen.answers[VENDORS[place].title].last_stale for place in ("route53", "azuredns"))
    assert route53 is not None
    assert 10 < route53 < 36
    assert azure is not None
    assert 20 < azure < 46


async def drained(lab: Laboratory, place: str, seconds: float) -> None:
    """Fails when an authority still names the writer's site after so many seconds."""
    until = time.monotonic() + seconds
    while ADDRESSES[WRITER] in (found := await answers(lab, place)):
        assert time.monotonic() < until, (place, found)
        await asyncio.sleep(0.1)


async def answers(lab: Laboratory, place: str) -> set[str]:
    """Addresses that forty clients are sent to now: one of three equal weights would be missing by chance once in ten million."""
    ask, (name, *_) = udp("127.0.0.1", lab.authorities[place].dns_port), NAMES
    found = [await ask(name, 1.0) for _ in range(40)]
    return {address for answer in found for address in answer.addresses}


async def finished_failover(lab: Laboratory, epoch_before: int) -> tuple[JournalEntry, ...]:
    """Journal of the failover, once it is done."""
    until = time.monotonic() + 30
    while True:
        plan = failover_plan(await lab.witness.journal(), epoch_before)
        if "plan.done" in (kinds := [entry.kind for entry in plan]):
            return plan
        assert time.monotonic() < until, kinds
        await asyncio.sleep(0.1)


async def test_a_crashed_site_is_a_black_hole_and_only_it() -> None:
    """Nothing at a crashed follower's site answers or refuses, from clients or sites; the others serve; healing brings all back."""
    async with laboratory("test-black-hole", services=LEAN) as lab:
        ways = [
            (CLIENTS, OTHER, Door.EDGE),
            ("aws", OTHER, Door.DATABASE),
            ("aws", OTHER, Door.CONTROLLER),
            ("aws", OTHER, Door.ETCD),
        ]
        await lab.faults.inject(Fault.CRASH, OTHER)
        for source, place, door in ways:
            assert await knock(lab.cabling.port(source, place, door)) == "hangs", (source, place, door)
        assert await knock(lab.cabling.direct(OTHER, Door.EDGE)) == "refused"  # past the links: the process is gone
        assert await ready(lab, "aws")
        await lab.faults.heal(OTHER)
        for source, place, door in ways:
            assert await knock(lab.cabling.port(source, place, door)) == "open"
        await lab.wait_until_whole(timedelta(seconds=45))
        assert (await lab.etcd.compare()).disagreeing == frozenset()


async def test_what_ends_by_itself_is_noted_and_started_again() -> None:
    """A service that dies without a fault is a finding, and does not stay dead."""
    async with laboratory("test-supervision", services=LEAN) as lab:
        lab.sites[OTHER].running[PAYMENTS].kill()
        until = time.monotonic() + 20
        while not await ready(lab, OTHER):
            assert time.monotonic() < until
            await asyncio.sleep(0.1)
        assert [one.label for one in lab.supervisor.exits] == [f"payments-{OTHER}"]


def test_unknown_faults_and_places_name_the_known_ones() -> None:
    """Whoever mistypes learns what there is."""
    with pytest.raises(UnknownTargetError, match=", ".join(Fault)):
        parse("explode", "aws")
    with pytest.raises(UnknownTargetError, match="aws, azure, gcp"):
        parse("crash", "ibm")
    with pytest.raises(UnknownTargetError, match="aws, azure, gcp"):
        parse("crash", None)
    with pytest.raises(UnknownTargetError, match="route53, azuredns, clouddns"):
        parse("dns-stale", None)
    with pytest.raises(UnknownTargetError, match="route53, azuredns, clouddns"):
        parse("authority-down", "azure")
    assert parse("dns-stale", "clouddns") == (Fault.DNS_STALE, "clouddns")


async def knock(port: int) -> str:
    """What a new connection meets: `open` when it is kept, `hangs` when nothing is heard within half a second."""
    try:
        async with asyncio.timeout(0.5):
            _, writer = await asyncio.open_connection("127.0.0.1", port)
    except TimeoutError:
        return "hangs"
    except OSError:
        return "refused"
    writer.close()
    return "open"


async def ready(lab: Laboratory, site: str) -> bool:
    """Does a payments service say that its write path works, asked through the clients' link?"""
    url = f"http://127.0.0.1:{lab.cabling.port(CLIENTS, site, Door.HEALTH)}/readyz"
    try:
        async with aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=2)) as http, http.get(url) as answer:
            return answer.status == 200
    except (aiohttp.ClientError, TimeoutError):
        return False
