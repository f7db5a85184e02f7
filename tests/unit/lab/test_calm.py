"""Calm is broken by whatever moved, was lost or fell over, and noise is what it says it is."""

import asyncio
import random
import threading
from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest

from controller.core.model import Health, JournalEntry, Part
from lab.aftermath import Aftermath
from lab.calm_figures import Look, Stood, TrafficCalled, broken_calm, claims, nearness, traffic_called, waited
from lab.calm_noise import pause_now_and_then, victims
from lab.calm_report import calm_said
from lab.fleet import LEAN, WHOLE
from lab.reconcile_rows import Fault, Finding
from lab.record import Acknowledged, Line, Offered
from tests.unit.core.worlds import said
from tests.unit.lab.runs import reconciliation
from tests.unit.lab.vault_runs import aftermath


def look(t: float, *words: tuple[str, str], part: Part = Part.DATABASE, alone: str = "", answered: bool = True) -> Look:
    return Look(
        t=t,
        accused=frozenset((vantage, site, str(part)) for vantage, site in words),
        suspecting_themselves=frozenset(filter(None, [alone])),
        answered=answered,
    )


def test_one_accuser_is_an_accusation_two_are_an_agreement() -> None:
    """Each is counted when it begins and measured to the first look without it."""
    both = (("aws", "azure"), ("gcp", "azure"))
    seen = nearness([look(0), look(1, both[0]), look(2, *both), look(2.5, *both), look(3, both[1]), look(4), look(5, both[0])])
    assert seen.accusations == {"database": 3}
    assert (seen.agreements, seen.longest_agreement_s, seen.longest_accusation_s) == (1, 1.0, 2.0)


def test_agreement_is_about_one_database_and_counts_voices_that_count() -> None:
    """Two accusers of two sites, of an edge, or one of them suspecting itself, agree on nothing that leads to a failover."""
    two = (("aws", "azure"), ("gcp", "azure"))
    looks = [look(0, ("aws", "azure"), ("gcp", "aws")), look(1, *two, part=Part.EDGE), look(2, *two, alone="gcp")]
    seen = nearness(looks)
    assert (seen.agreements, seen.self_suspicions) == (0, 1)


def test_what_etcd_did_not_answer_is_unknown() -> None:
    """A gap ends what was going on and is counted as such, so it cannot lengthen an agreement nobody saw."""
    two = (("aws", "azure"), ("gcp", "azure"))
    seen = nearness([look(0, *two), look(1, answered=False), look(9, *two), look(9.5)])
    assert (seen.unanswered, seen.agreements, seen.longest_agreement_s) == (1, 2, 1.0)


def test_traffic_called_failing_is_counted_by_windows_and_compared_with_the_others() -> None:
    """Ten looks a second are one window; what fails everywhere is failing and blames nobody; what etcd did not answer is nothing."""
    well, bad, silent = (said(health) for health in (Health.HEALTHY, Health.FAILING, Health.UNKNOWN))
    looks = [
        *(Look(t=tenth / 10, accused=frozenset(), traffic={"aws": well, "gcp": silent}) for tenth in range(10)),
        Look(t=1.0, accused=frozenset(), traffic={"aws": bad, "gcp": well}),
        Look(t=1.9, accused=frozenset(), traffic={"aws": bad, "gcp": well}),
        Look(t=2.0, accused=frozenset(), traffic={"aws": bad, "gcp": bad}),
        Look(t=3.0, accused=frozenset(), traffic={"aws": bad, "gcp": well}, answered=False),
    ]
    assert traffic_called(looks) == TrafficCalled(windows=6, known=5, failing=3, alone=1, sites={"aws": 1})
    assert traffic_called([look(0)]).windows == 0


WATCHED = nearness([look(0), look(1, answered=False)])
PAUSES = {"controller-aws": 2, "payments-gcp": 1, "payments-aws": 0, "vault-aws": 1}
CALM = Aftermath(reconciliation=reconciliation(), writer_after="azure", epoch_after=1, etcd_disagreeing=())


def stood(service: str = "payments", **changes: Any) -> Stood:
    """A reign that stayed."""
    usual: dict[str, Any] = {"epoch_before": 1, "epoch_after": 1, "claimed": {"grow": 1}, "near": WATCHED}
    return Stood(service=service, **{**usual, **changes})


def judged(
    *services: Stood, found: Aftermath = CALM, pauses: Mapping[str, int] = PAUSES, unscreened: int | None = 0
) -> tuple[str, ...]:
    """Broken promises of a calm run; payments and the vault stood unless it is said otherwise."""
    return broken_calm(stood=services or (stood(), stood("vault")), aftermath=found, pauses=pauses, unscreened=unscreened)


def booked(**changes: Any) -> Callable[[Aftermath], Aftermath]:
    """Change the reconciliation."""
    return lambda found: replace(found, reconciliation=replace(found.reconciliation, **changes))


@pytest.mark.parametrize(
    "worse",
    [
        lambda found: replace(found, etcd_disagreeing=("gcp",)),
        lambda found: replace(found, fallen=("controller-gcp at 3.0 s with 1: panic",)),
        booked(lost=1),
        booked(duplicated=1),
        booked(acknowledged=0),
        booked(unresolved=4000),
        booked(unplanted=9),
        booked(planted=50, caught=0),
        booked(remembered=1),
        booked(strangers=1),
        booked(unfulfilled=1),
        booked(declined=900),
        booked(digests={"aws": "a", "gcp": "b"}),
        booked(findings=(Finding(fault=Fault.UNBALANCED, site="aws", subject="x", detail="y"),)),
        booked(defects=("bound",)),
    ],
)
def test_calm_is_broken_by_whatever_every_run_is_judged_by(worse: Callable[[Aftermath], Aftermath]) -> None:
    """Each alone; the control is a calm run."""
    assert judged() == ()
    assert len(judged(found=worse(CALM), unscreened=None)) == 1


@pytest.mark.parametrize("service", ["payments", "vault"])
@pytest.mark.parametrize(
    "change",
    [
        {"epoch_after": 2},
        {"epoch_after": None},
        {"claimed": {"failover": 1}},
        {"claimed": {"switchover": 1}},
        {"near": nearness([look(0, answered=False)])},
        {"near": nearness([])},
    ],
)
def test_calm_is_broken_by_whatever_moved_any_writer(service: str, change: dict[str, Any]) -> None:
    """Also by a plan that gave the reign back, which the epoch alone would not show, and by a service that nobody watched."""
    (said,) = judged(*(stood(name, **(change if name == service else {})) for name in ("payments", "vault")))
    assert said.startswith(f"{service}: ")


@pytest.mark.parametrize("pauses", [{"controller-aws": 0}, {}, {**PAUSES, "vault-aws": 0, "vault-gcp": 0}])
def test_noise_that_somebody_did_not_meet_proves_nothing(pauses: dict[str, int]) -> None:
    """A calm that is kept because nothing was disturbed is no calm, and of a vault whose processes never paused nothing is known."""
    assert len(judged(pauses=pauses)) == 1


def test_what_had_to_be_held_and_passed_was_not_screened_in_time() -> None:
    """Screening that is slow lets payments pass, and counts them; one that finds nothing unusual any more would count none."""
    passed = booked(planted=50, caught=44)(CALM)
    assert (judged(found=passed, unscreened=6), judged(found=passed, unscreened=None)) == ((), ())
    (said,) = judged(found=passed, unscreened=5)
    assert "6 payments passed that had to be held, and only 5" in said


def test_every_service_is_paused_and_nothing_else() -> None:
    """Controllers decide, services answer; databases and edges have noise enough on their links."""
    labels = [
        "controller-aws",
        "payments-aws",
        "vault-gcp",
        "screening-azure",
        "webhooks-aws",
        "postgres-aws",
        "edge-aws",
        "links",
    ]
    assert victims(labels, WHOLE) == labels[:5]
    assert victims(labels, LEAN) == labels[:2]


def test_the_report_of_a_calm_run_names_every_service() -> None:
    """A failover of the vault would otherwise be a figure that nobody printed."""
    looks = {"payments": [look(0)], "vault": [look(0)]}
    found = replace(CALM, vault=aftermath(), unproven={"webhooks": "it did not run"})
    said = calm_said((stood(), stood("vault", epoch_after=2, claimed={"failover": 1})), looks, found, PAUSES)
    assert (said["failovers"], said["services"]["vault"]["failovers"], said["services"]["vault"]["epoch_after"]) == (0, 1, 2)
    assert (said["services"]["vault"]["tokens"], said["payments"]["attempted"], said["webhooks"]) == (5, 10, None)
    assert said["not_looked_at"] == {"webhooks": "it did not run"}


def test_a_payment_is_timed_from_its_offer() -> None:
    """Four attempts of a second each and a quick fifth are four seconds and more, not a tenth; what was never paid is infinite."""

    def wish(key: str, t: float) -> Offered:
        return Offered(key=key, device=1, name="n", debtor="d", creditor="c", amount=1, currency="EUR", t=t)

    def paid(key: str, t: float, attempt: int = 1) -> Acknowledged:
        return Acknowledged(key=key, attempt=attempt, payment="p", epoch=1, site="aws", status=201, latency=0.1, t=t)

    lines: list[Line] = [wish("slow", 10.0), paid("slow", 14.3, attempt=5), paid("slow", 20.0, attempt=6)]
    assert waited(lines).max == pytest.approx(4.3)
    quick: list[Line] = [line for n in range(3) for line in (wish(f"{n}", 1.0), paid(f"{n}", 1.1))]
    found = waited([*quick, wish("never", 1.0)])
    assert (found.p50, found.max, found.never) == (pytest.approx(0.1), None, 1)


class Victim:
    """A process whose stopping takes a while, as that of a tree does."""

    def __init__(self, *, alive: bool = True) -> None:
        self.alive, self.frozen, self.stops = alive, False, 0
        self.stopping, self.go_on = threading.Event(), threading.Event()

    def freeze(self) -> None:
        self.stopping.set()
        assert self.go_on.wait(5)
        self.frozen = True
        self.stops += 1

    def thaw(self) -> None:
        self.frozen = False


async def at_once(_: float) -> None:
    await asyncio.sleep(0)


async def ended(task: "asyncio.Task[None]") -> None:
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)


async def test_a_pause_that_is_cancelled_half_way_leaves_nobody_stopped() -> None:
    """The noise ends while a thread is still stopping the process."""
    victim = Victim()
    task = asyncio.create_task(pause_now_and_then(lambda: victim, lambda: None, random.Random(1), at_once))
    await asyncio.to_thread(victim.stopping.wait, 5)
    task.cancel()
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    victim.go_on.set()
    await asyncio.gather(task, return_exceptions=True)
    assert victim.stops == 1
    assert not victim.frozen


async def test_the_process_that_runs_is_the_one_that_pauses() -> None:
    """After a restart the new one is stopped; one that has ended is not counted as paused."""
    dead, new, pauses = Victim(alive=False), Victim(), asyncio.Event()
    new.go_on.set()
    found = iter([dead, *[new] * 1000])
    task = asyncio.create_task(pause_now_and_then(lambda: next(found), pauses.set, random.Random(1), at_once))
    async with asyncio.timeout(5):
        await pauses.wait()
    await ended(task)
    assert (dead.stops, new.stops >= 1, new.frozen) == (0, True, False)


def test_claims_are_counted_by_kind() -> None:
    """Only claims: decisions not to act are none."""
    at = datetime(2026, 1, 1, tzinfo=UTC)
    entries = [
        JournalEntry(sequence=number, at=at, actor="aws", kind=kind, body={"plan_kind": plan})
        for number, (kind, plan) in enumerate(
            [("claim", "failover"), ("decision", "failover"), ("claim", "grow"), ("claim", "grow")]
        )
    ]
    assert claims(entries) == {"failover": 1, "grow": 2}
