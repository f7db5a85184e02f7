"""How long the work of one controller takes, counted as it happens: from the first miss to the claim, each step, whole plans, questions to
clouds; and which guards refuse. Each controller counts its own work, so sums over the three are right.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from prometheus_client import CollectorRegistry, Counter, Histogram

from controller.core.model import Part, Site, Trigger, Verdict
from controller.core.plans import Plan, PlanKind
from controller.core.spans import Span, carried, detection, over
from controller.execute import Executor
from controller.loop import Loop, View
from controller.ports import Clock, Control, Draft

PHASES = (0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0)
"""Seconds. A cut to open has half a second; a provider's floor may take many."""
PLANS = (0.25, 0.5, 1.0, 1.5, 2.0, 3.0, 5.0, 10.0, 30.0, 120.0, 600.0)
"""Seconds. A failover has three; a return copies the whole ledger."""
DETECTION = (0.25, 0.5, 0.75, 1.0, 1.25, 1.5, 2.0, 3.0, 5.0, 10.0)


class Durations:
    """One controller's."""

    def __init__(self, registry: CollectorRegistry, clock: Clock) -> None:
        self._clock = clock
        self.tell: Callable[[Span], None] | None = None
        """Takes what plans took, as spans of their traces; never waits. None: nobody collects them."""
        self._missing: dict[tuple[str, Site], timedelta] = {}
        self._claimed: dict[str, str] = {}
        self._detection = Histogram(
            "trimaran_detection_seconds",
            "From this vantage's first missed probe of the writer's database to this controller's claim of an automatic failover.",
            ["service"],
            buckets=DETECTION,
            registry=registry,
        )
        self._steps = Histogram(
            "trimaran_step_seconds", "Steps with a result, until it is known.", ["service", "kind", "step"], buckets=PHASES,
            registry=registry,
        )  # fmt: skip
        self._plans = Histogram(
            "trimaran_plan_seconds",
            "Plans that ended here, from their claim by the wall clocks of who claimed and who ended them.",
            ["service", "kind", "outcome"],
            buckets=PLANS,
            registry=registry,
        )
        self._refusals = Counter(
            "trimaran_guard_refusals", "Refusals that were news and are in the journal.", ["service", "guard"], registry=registry
        )
        self._questions = Histogram(
            "trimaran_api_seconds",
            "Questions to a cloud.",
            ["provider", "question", "outcome"],
            buckets=PHASES,
            registry=registry,
        )
        self._spans = Counter("trimaran_spans", "Spans of plans, by what became of them.", ["fate"], registry=registry)

    def sent(self, fate: str, spans: int) -> None:
        """The collector of traces has taken them, or not. See `tracing.Count`."""
        self._spans.labels(fate).inc(spans)

    def asked(self, provider: str, question: str, outcome: str, took: timedelta) -> None:
        """A question to a cloud is over. See `counted.Tally`."""
        self._questions.labels(provider, question, outcome).observe(took.total_seconds())

    def ticked(self, loop: Loop, view: View) -> None:
        """A tick is over."""
        if view.decision.news and view.written:
            for reason in view.decision.reasons:
                if reason.verdict is Verdict.REFUSED:
                    self._refusals.labels(loop.service, reason.guard).inc()
        self._follow_misses(loop, view)
        plan = view.control.plan
        if plan is None or self._claimed.get(loop.service) == plan.id:
            return
        self._claimed[loop.service] = plan.id
        if plan.kind is PlanKind.FAILOVER and plan.trigger is Trigger.AUTOMATIC and plan.by == loop.controller and plan.subject:
            began = self._missing.get((loop.service, plan.subject))
            if began is not None:
                took = self._clock.monotonic() - began
                self._detection.labels(loop.service).observe(took.total_seconds())
                self._tell(detection(plan, began=plan.started - took, claimed=plan.started))

    def written(self, service: str, plan: Plan, drafts: Sequence[Draft], ended: datetime) -> None:
        """Results of this plan are in etcd, and were known at `ended`."""
        for draft in drafts:
            took_ms = draft.body.get("took_ms")
            if draft.kind.startswith("step.") and isinstance(took_ms, float):
                step, took = draft.kind.removeprefix("step."), timedelta(milliseconds=took_ms)
                self._steps.labels(service, plan.kind, step).observe(took.total_seconds())
                said, left_behind = str(draft.body["sentence"]), draft.body["left_behind"] is True
                self._tell(carried(plan, step=step, took=took, ended=ended, said=said, left_behind=left_behind))
            if draft.kind == "plan.done":
                span = over(plan, ended=ended)
                self._plans.labels(service, plan.kind, "failed" if plan.failure else "done").observe(
                    (span.ended - span.began).total_seconds()
                )
                self._tell(span)

    def _tell(self, span: Span) -> None:
        if self.tell is not None:
            self.tell(span)

    def _follow_misses(self, loop: Loop, view: View) -> None:
        own = view.snapshot.observations.get(view.snapshot.vantage)
        for site, parts in own.value.opinions.items() if own else ():
            opinion = parts.get(Part.DATABASE)
            if opinion is not None and opinion.misses:
                self._missing.setdefault((loop.service, site), self._clock.monotonic())
            else:
                self._missing.pop((loop.service, site), None)


@dataclass(slots=True, kw_only=True)
class MeasuredExecutor(Executor):
    """An executor whose steps and plans are timed."""

    durations: Durations

    async def _commit(self, control: Control, wanted: Control, drafts: Sequence[Draft]) -> Control:
        ended = self.clock.now()
        written = await Executor._commit(self, control, wanted, drafts)
        assert wanted.plan is not None, "only an owned plan is carried out"
        self.durations.written(control.posture.service, wanted.plan, drafts, ended)
        return written
