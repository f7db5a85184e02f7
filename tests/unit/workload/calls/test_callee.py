"""How often, where and how many at once: every call ends with an answer or with the reason why there is none."""

import asyncio
from collections import deque
from datetime import timedelta
from typing import Any

import pytest

from workload.calls.answer import Answered, Outcome, Question, Reason, Unavailable
from workload.calls.callee import Callee
from workload.calls.deadline import ending
from workload.calls.instance import Instance
from workload.calls.settings import CalleeSettings

pytestmark = pytest.mark.asyncio

OK = Answered(status=200, body=b"{}", headers={}, site="aws")
UNREACHABLE = Unavailable(reason=Reason.UNREACHABLE, detail="refused")
SILENT = Unavailable(reason=Reason.SILENT, detail="lost", reached=True)
TROUBLED = Unavailable(reason=Reason.TROUBLED, detail="HTTP 503", reached=True)
SITES = ("azure", "aws", "gcp")


class Vault:
    """A callee, played: answers as the test says, each attempt taking some time of a clock that nobody else moves."""

    def __init__(self, *outcomes: Outcome, takes: float = 0.0, **settings: Any) -> None:
        self.outcomes = deque(outcomes)
        self.takes = takes
        self.elapsed = 0.0
        self.asked: list[tuple[str, float]] = []
        """Which site was asked, and how many seconds it was given."""
        self.headers: list[Any] = []
        self.pauses: list[float] = []
        self.told: list[str] = []
        self.hold: asyncio.Event | None = None
        self.drowse: asyncio.Event | None = None
        """While it is not set, no pause ends."""
        table = {"instances": {site: {"host": "127.0.0.1", "port": 1} for site in SITES}, **settings}
        self.callee = Callee(
            CalleeSettings.model_validate(table),
            self,
            own_site="aws",
            monotonic=self.tick,
            draw=lambda: 0.5,
            pause=self.pause,
            on_outcome=self.told.append,
            outgoing=lambda: {"traceparent": "t"},
        )

    def tick(self) -> float:
        """Some of it passes between any two looks."""
        self.elapsed += 1e-6
        return self.elapsed

    async def attempt(self, instance: Instance, question: Question, limit: timedelta) -> Outcome:
        """One attempt."""
        self.asked.append((instance.site, limit.total_seconds()))
        self.headers.append(question.headers)
        if self.hold is not None:
            await self.hold.wait()
        self.elapsed += self.takes
        return self.outcomes.popleft() if len(self.outcomes) > 1 else self.outcomes[0]

    async def pause(self, seconds: float) -> None:
        """Let the time pass at once."""
        self.pauses.append(seconds)
        if self.drowse is not None:
            await self.drowse.wait()
        self.elapsed += seconds

    @property
    def sites(self) -> list[str]:
        """Which were asked, in order."""
        return [site for site, _ in self.asked]

    async def call(self, **changes: Any) -> Outcome:
        """One call."""
        given = {"method": "GET", "path": "/v1/x", "within": timedelta(seconds=1), "idempotent": True, **changes}
        return await self.callee.ask(Question(**given))


async def test_the_own_sites_instance_is_asked() -> None:
    """Once, with the headers of the whole request."""
    vault = Vault(OK)
    assert await vault.call() == OK
    assert vault.sites == ["aws"] and vault.headers == [{"traceparent": "t"}] and vault.told == ["answered"]


async def test_what_may_not_be_asked_twice_is_not() -> None:
    """It may have arrived, and have been done."""
    vault = Vault(SILENT)
    assert await vault.call(idempotent=False, elsewhere=True) == SILENT
    assert vault.sites == ["aws"]


async def test_what_was_never_sent_may_be_sent_elsewhere() -> None:
    """No connection: nothing was asked, so nothing is asked twice."""
    vault = Vault(UNREACHABLE, OK)
    assert await vault.call(idempotent=False, elsewhere=True) == OK
    assert vault.sites == ["aws", "azure"] and vault.pauses == []


async def test_nobody_elsewhere_is_asked_unless_that_is_allowed() -> None:
    """The own instance three times, with pauses that grow."""
    vault = Vault(UNREACHABLE)
    assert await vault.call() == UNREACHABLE
    assert vault.sites == ["aws"] * 3 and vault.pauses == pytest.approx([0.01, 0.02])


async def test_all_are_asked_before_one_is_asked_again() -> None:
    """The own one first."""
    vault = Vault(SILENT, attempts=5)
    assert await vault.call(elsewhere=True) == SILENT
    assert vault.sites == ["aws", "azure", "gcp", "aws", "azure"]


async def test_who_says_that_it_cannot_is_not_asked_again() -> None:
    """Another instance may be; the same one needs fewer questions, not more."""
    vault = Vault(TROUBLED)
    assert await vault.call() == TROUBLED
    assert vault.sites == ["aws"]
    vault = Vault(TROUBLED, OK)
    assert await vault.call(elsewhere=True) == OK
    assert vault.sites == ["aws", "azure"]


async def test_whether_anything_arrived_is_known_of_all_attempts_together() -> None:
    """The first may have arrived, the last certainly did not: it may have been done."""
    vault = Vault(SILENT, UNREACHABLE)
    outcome = await vault.call()
    assert isinstance(outcome, Unavailable) and (outcome.reason, outcome.reached) == (Reason.UNREACHABLE, True)


async def test_a_call_ends_within_its_time() -> None:
    """Attempts that take 0.3 s each: the fourth has what is left, and there is no fifth."""
    vault = Vault(SILENT, takes=0.3, attempts=5, attempt=0.3, pause=0.02)
    await vault.call(within=timedelta(seconds=1), elsewhere=True)
    assert [limit for _, limit in vault.asked] == pytest.approx([0.3, 0.3, 0.3, 0.09], abs=1e-4)


async def test_a_last_attempt_has_all_that_is_left() -> None:
    """Nobody comes after it."""
    vault = Vault(OK)
    await vault.call(idempotent=False, within=timedelta(seconds=2))
    assert vault.asked == [("aws", pytest.approx(2.0, abs=1e-4))]


async def test_what_is_over_is_not_asked() -> None:
    """Not even once."""
    vault = Vault(OK)
    outcome = await vault.call(within=timedelta(0))
    assert isinstance(outcome, Unavailable) and outcome.reason is Reason.OVER and vault.asked == []


async def test_one_more_than_the_limit_is_refused_at_once() -> None:
    """And let in again as soon as one is back."""
    vault = Vault(OK, most=2)
    vault.hold = asyncio.Event()
    two = [asyncio.create_task(vault.call()) for _ in range(2)]
    await asyncio.sleep(0)
    outcome = await vault.call()
    assert isinstance(outcome, Unavailable) and (outcome.reason, outcome.reached) == (Reason.FULL, False)
    vault.hold.set()
    assert await asyncio.gather(*two) == [OK, OK] and vault.callee.inside == 0
    assert await vault.call() == OK


async def test_who_does_not_answer_is_left_alone_for_a_while() -> None:
    """After five failures nobody is asked for a second, then one finds out."""
    vault = Vault(UNREACHABLE, attempts=1)
    for _ in range(5):
        await vault.call()
    outcome = await vault.call()
    assert isinstance(outcome, Unavailable) and outcome.reason is Reason.OPEN and len(vault.asked) == 5
    assert vault.callee.breakers == {"aws": True, "azure": False, "gcp": False}
    vault.elapsed, vault.outcomes = 1.1, deque([OK])
    assert await vault.call() == OK and not vault.callee.breakers["aws"]


async def test_an_instance_that_is_left_alone_costs_those_who_may_go_elsewhere_nothing() -> None:
    """The next one is asked first."""
    vault = Vault(UNREACHABLE, attempts=1)
    for _ in range(5):
        await vault.call()
    vault.outcomes = deque([OK])
    assert await vault.call(elsewhere=True) == OK and vault.sites[-1] == "azure"


@pytest.mark.parametrize("failure", [SILENT, TROUBLED])
async def test_requests_with_a_moment_left_close_no_way(failure: Unavailable) -> None:
    """No answer in ten milliseconds, or that their time is over (504): that says nothing about the callee."""
    vault = Vault(failure, attempts=1)
    for _ in range(20):
        with ending(0.01):
            await vault.call(within=timedelta(seconds=1))
    assert not vault.callee.breakers["aws"]
    for _ in range(5):
        await vault.call(within=timedelta(seconds=1))
    assert vault.callee.breakers["aws"]


@pytest.mark.parametrize("within", [0.06, 0.3])
async def test_who_is_silent_for_as_long_as_a_question_allows_is_left_alone(within: float) -> None:
    """Screening is given less than an attempt and the vault a little more: a stuck one is found all the same, and another is asked."""
    vault = Vault(SILENT, takes=within, attempt=0.3)
    for _ in range(6):
        await vault.call(within=timedelta(seconds=within), elsewhere=True)
    assert vault.callee.breakers["aws"] and vault.sites == [*["aws"] * 5, "azure"]


async def test_a_silent_instance_leaves_time_for_another() -> None:
    """An attempt has less than half of what the question has."""
    vault = Vault(SILENT, takes=0.12)
    await vault.call(within=timedelta(seconds=0.3), elsewhere=True)
    assert vault.asked == [("aws", 0.12), ("azure", 0.12), ("gcp", pytest.approx(0.06, abs=1e-4))]
    assert [instance.breaker._failures for instance in vault.callee._instances] == [1, 1, 0]


async def test_a_callee_that_sheds_is_not_asked_more_for_it() -> None:
    """Every call is refused everywhere: after a few, one in ten is asked a second time."""
    vault = Vault(TROUBLED, threshold=1000)
    for _ in range(100):
        await vault.call(elsewhere=True)
    assert 100 + 15 < len(vault.asked) < 100 + 25


async def test_where_little_is_asked_every_call_may_be_repeated() -> None:
    """The own instance is broken for an hour, and each call comes when it is time to find out: another site answers every one."""
    vault = Vault(OK)
    for _ in range(100):
        vault.elapsed, vault.outcomes = vault.elapsed + 2, deque([TROUBLED, OK])
        assert await vault.call(elsewhere=True) == OK
    assert vault.callee.breakers["aws"]


async def test_what_never_arrived_costs_no_repeat() -> None:
    """A process that is gone refuses connections at once: every call finds another site, however many there are."""
    vault = Vault(UNREACHABLE, OK, threshold=1000)
    for _ in range(100):
        vault.outcomes = deque([UNREACHABLE, OK])
        assert await vault.call(elsewhere=True) == OK


async def test_without_an_instance_at_home_what_must_stay_there_is_asked_nowhere() -> None:
    """Another site's would be the first of those that there are."""
    vault = Vault(OK, instances={"gcp": {"host": "127.0.0.1", "port": 1}})
    outcome = await vault.call()
    assert isinstance(outcome, Unavailable) and outcome.reason is Reason.UNREACHABLE and vault.asked == []
    assert await vault.call(elsewhere=True) == OK


async def test_a_call_that_finds_no_time_was_over() -> None:
    """Not left alone: whether the callee answers was not seen."""
    vault = Vault(OK)
    vault.callee._monotonic = iter([0.0, 0.0, 0.0, 2.0]).__next__
    outcome = await vault.call(within=timedelta(seconds=1))
    assert isinstance(outcome, Unavailable) and outcome.reason is Reason.OVER and vault.told == ["over"]


async def test_a_probe_whose_client_hangs_up_keeps_nobody_out() -> None:
    """The next call finds out instead."""
    vault = Vault(UNREACHABLE, attempts=1)
    for _ in range(5):
        await vault.call()
    vault.elapsed, vault.hold, vault.outcomes = 1.1, asyncio.Event(), deque([OK])
    gone = asyncio.create_task(vault.call())
    await asyncio.sleep(0)
    gone.cancel()
    with pytest.raises(asyncio.CancelledError):
        await gone
    vault.hold = None
    assert await vault.call() == OK and vault.callee.inside == 0


async def test_a_probe_whose_client_hangs_up_before_it_is_made_keeps_nobody_out_either() -> None:
    """It had leave, and was resting before it was to ask."""
    vault = Vault(UNREACHABLE, threshold=1, rest=0.01, takes=0.02, attempts=5)
    vault.drowse = asyncio.Event()
    gone = asyncio.create_task(vault.call(elsewhere=True))
    for _ in range(5):
        await asyncio.sleep(0)
    assert (vault.sites, len(vault.pauses), vault.callee.breakers["aws"]) == (["aws", "azure", "gcp"], 1, True)
    gone.cancel()
    with pytest.raises(asyncio.CancelledError):
        await gone
    vault.outcomes, vault.drowse = deque([OK]), None
    assert await vault.call() == OK


async def test_a_refusal_is_an_answer() -> None:
    """404 and 422 come from a service that works."""
    vault = Vault(Answered(status=422, body=b"{}", headers={}, site="aws"))
    for _ in range(10):
        assert isinstance(await vault.call(), Answered)
    assert not vault.callee.breakers["aws"]
