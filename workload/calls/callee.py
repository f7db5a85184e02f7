"""One other service, as this process calls it: how often, how many at once, where, and when not at all.

A call ends with an answer or with the reason why there is none, within the time that its own caller has left, never with an exception.
"""

from collections import Counter, deque
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import replace
from datetime import timedelta
from typing import Protocol, assert_never

from workload.calls.answer import Answered, Outcome, Question, Reason, Unavailable
from workload.calls.breaker import Breaker, Pass
from workload.calls.deadline import budget
from workload.calls.instance import Instance
from workload.calls.repeats import Repeats
from workload.calls.settings import CalleeSettings

NEARLY = 0.9
"""Of the time that an attempt was to have: what is lost between the question and the attempt says nothing."""


class Attempts(Protocol):
    """Makes one attempt."""

    async def attempt(self, instance: Instance, question: Question, limit: timedelta) -> Outcome:
        """What became of it. Failures are values."""


class Callee:
    """Calls one service."""

    def __init__(
        self,
        settings: CalleeSettings,
        connections: Attempts,
        *,
        own_site: str,
        monotonic: Callable[[], float],
        draw: Callable[[], float],
        pause: Callable[[float], Awaitable[None]],
        on_outcome: Callable[[str], None] = lambda outcome: None,
        outgoing: Callable[[], Mapping[str, str]] = dict,
    ) -> None:
        """`draw`: between 0 and 1. `on_outcome` is told `answered` or the reason. `outgoing`: headers of every call, such as a trace's."""
        self._settings = settings
        self._connections = connections
        self._monotonic = monotonic
        self._draw = draw
        self._pause = pause
        self._on_outcome = on_outcome
        self._outgoing = outgoing
        scheme = "https" if settings.name else "http"
        self._instances = tuple(
            Instance(
                site=site,
                url=f"{scheme}://{address.host}:{address.port}",
                breaker=Breaker(threshold=settings.threshold, rest=settings.rest.total_seconds()),
            )
            for site, address in sorted(settings.instances.items(), key=lambda item: item[0] != own_site)
        )
        self._at_home = tuple(instance for instance in self._instances if instance.site == own_site)
        self._repeats = Repeats(share=settings.repeats)
        self.inside = 0
        """Calls under way."""

    @property
    def breakers(self) -> Mapping[str, bool]:
        """By site: is its instance left alone for now?"""
        return {instance.site: instance.breaker.is_open for instance in self._instances}

    async def ask(self, question: Question) -> Outcome:
        """Ask. Answers within the question's time, or what its own request has left of its; failures are values."""
        began = self._monotonic()
        left = budget(question.within, began)
        if left <= timedelta(0):
            outcome: Outcome = Unavailable(reason=Reason.OVER, detail="the time was over before the call")
        elif self.inside >= self._settings.most:
            # Waiting for a place, requests would fill this service with those that nobody answers, and the others find none.
            outcome = Unavailable(
                reason=Reason.FULL, detail=f"{self.inside} calls are under way, the limit is {self._settings.most}"
            )
        else:
            self.inside += 1
            self._repeats.earn(began)
            try:
                outcome = await self._attempt(question, began + left.total_seconds())
            finally:
                self.inside -= 1
        self._on_outcome("answered" if isinstance(outcome, Answered) else outcome.reason.value)
        return outcome

    async def _attempt(self, question: Question, end: float) -> Outcome:
        asked = replace(question, headers={**self._outgoing(), **question.headers})
        candidates = deque(self._instances if question.elsewhere else self._at_home)
        if not candidates:
            return Unavailable(reason=Reason.UNREACHABLE, detail="it has no instance at this site, and may be asked nowhere else")
        times: Counter[str] = Counter()
        last, reached = Unavailable(reason=Reason.OPEN, detail="it has not answered lately"), False
        for turn in range(1, self._settings.attempts + 1):
            chosen = self._choose(candidates)
            if chosen is None:
                break
            instance, given = chosen
            may_follow = question.idempotent and turn < self._settings.attempts
            outcome = await self._ask(instance, given, asked, end, times=times[instance.site], may_follow=may_follow)
            if outcome is None:
                last = last if times else Unavailable(reason=Reason.OVER, detail="the time was over before the first attempt")
                break
            if isinstance(outcome, Answered):
                return outcome
            times[instance.site] += 1
            last, reached = outcome, reached or outcome.reached
            if outcome.reason is Reason.TROUBLED:
                # It said itself that it cannot; the same question again is what it needs least.
                candidates.remove(instance)
            if turn == self._settings.attempts or not candidates:
                break
            if outcome.reached and not (question.idempotent and self._repeats.spend()):
                break
        return replace(last, reached=reached)

    def _choose(self, candidates: deque[Instance]) -> tuple[Instance, Pass] | None:
        """The first that may be asked, put behind the others for the next time."""
        for instance in tuple(candidates):
            given = instance.breaker.admit(self._monotonic())
            if given is not None:
                candidates.remove(instance)
                candidates.append(instance)
                return instance, given
        return None

    async def _rest(self, times: int, end: float) -> bool:
        """Wait before an instance is asked again, each caller for another time; answers whether any time is left after that."""
        seconds = self._draw() * self._settings.pause.total_seconds() * 2 ** (times - 1) if times else 0.0
        if self._monotonic() + seconds >= end:
            return False
        if seconds > 0:
            await self._pause(seconds)
        return self._monotonic() < end

    def _limit(self, end: float, *, may_follow: bool) -> timedelta:
        left = timedelta(seconds=end - self._monotonic())
        return min(left, self._settings.attempt) if may_follow else left

    async def _ask(
        self, instance: Instance, given: Pass, question: Question, end: float, *, times: int, may_follow: bool
    ) -> Outcome | None:
        """One attempt, after its rest; None: no time is left for it. The pass is given back however this ends."""
        outcome: Outcome | None = None
        limit = timedelta(0)
        try:
            if await self._rest(times, end):
                limit = self._limit(end, may_follow=may_follow)
                outcome = await self._connections.attempt(instance, question, limit)
        finally:
            was_short = limit < NEARLY * min(self._settings.attempt, question.within)
            self._settle(instance.breaker, given, outcome, was_short=was_short)
        return outcome

    def _settle(self, breaker: Breaker, given: Pass, outcome: Outcome | None, *, was_short: bool) -> None:
        match outcome:
            case Answered():
                breaker.succeeded(given)
            case None:
                breaker.abandoned(given)
            case Unavailable(reason=Reason.SILENT | Reason.TROUBLED) if was_short:
                # Requests with a moment left, to whom it says that their time is over, would close the way for those that have time.
                breaker.abandoned(given)
            case Unavailable():
                breaker.failed(given, self._monotonic())
            case _:
                assert_never(outcome)
