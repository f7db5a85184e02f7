"""Every guard as one function: it looks at the posture that would result, and answers with its reason.

Rules for changing this file: a guard reads and answers, it never repairs a proposal. A refusal carries what was seen, what is
needed and the way out. Each guard has a test in which removing it lets the harm through.

| guard | refuses |
|---|---|
| `mode` | what the mode leaves to people |
| `pause` | automation while an operator has paused it |
| `quorum-or-hold` | automation without etcd's majority or with too few fresh vantages |
| `one-plan` | a second plan, unless it may replace the first |
| `freeze-window` | what can wait, inside a freeze |
| `velocity` | one automatic failover too many |
| `no-orphan-drain`, `surviving-capacity` | traffic left with too little (here) |
| `exactly-one-writer`, `provable-durability` | a next writer that is nobody, or lacks a payment (`reign_guards`) |
| `epoch-monotone`, `no-surprise-return` | an etcd from the past, a move nobody needs (`reign_guards`) |
| `schema` | a planned move to a node with other tables or functions (`schema_guard`) |
"""

from collections.abc import Callable
from dataclasses import dataclass, replace

from controller.core.circumstances import Circumstances, allowed, names, refused
from controller.core.health import fresh_vantages
from controller.core.limits import allowed_again, within_window
from controller.core.model import Health, Mode, Reason, Site, Trigger, Verdict
from controller.core.plans import GIVES_WAY, Plan, PlanKind
from controller.core.proposals import (
    DrainOnly,
    Failover,
    GiveUp,
    Grow,
    Proposal,
    Return,
    SetMode,
    SetPause,
    Switchover,
    TakeOver,
    subject_of,
    trigger_of,
    weights_of,
)
from controller.core.reign_guards import epoch_monotone, exactly_one_writer, no_surprise_return, provable_durability
from controller.core.schema_guard import schema
from controller.core.stalls import stalled

Guard = Callable[[Proposal, Circumstances], Reason]

OVERRIDABLE = frozenset({"surviving-capacity", "provable-durability", "freeze-window", "schema"})
"""Guards an operator may override, one by one, by name and with a reason. The others protect what no person can wish."""

OVERRIDDEN = "overridden: "
"""How the value of an overridden refusal begins on the record."""

CLAIMING = frozenset({PlanKind.FAILOVER, PlanKind.SWITCHOVER})


def mode(proposal: Proposal, now: Circumstances) -> Reason:
    """The mode says how much happens without a person; a plan that has begun is finished in every mode."""
    present = now.posture.mode
    if trigger_of(proposal) is Trigger.OPERATOR or isinstance(proposal, TakeOver | GiveUp):
        return allowed("mode", str(present), "asked for by an operator, or begun already")
    if present is Mode.AUTOMATIC or (present is Mode.TRAFFIC_ONLY and not isinstance(proposal, Failover)):
        return allowed("mode", str(present), "leaves this to automation")
    site = subject_of(proposal)
    way_out = f"Approve it: failover --from {site}" if isinstance(proposal, Failover) else "Do it by hand, or change the mode"
    return refused("mode", str(present), "a mode that leaves this to automation", f"{way_out}.")


def pause(proposal: Proposal, now: Circumstances) -> Reason:
    """A pause stops automation, never operators, and never a plan half done: A is fenced already, and stopping there would
    leave nobody who can acknowledge."""
    paused = now.posture.pause
    if paused is None or (paused.until is not None and paused.until <= now.now.wall):
        return allowed("pause", "not paused", "not paused")
    if trigger_of(proposal) is Trigger.OPERATOR or isinstance(proposal, TakeOver | GiveUp):
        return allowed("pause", f"paused by {paused.by}", "asked for by an operator, or begun already")
    until = paused.until.isoformat() if paused.until else "resumed"
    return refused("pause", f"paused by {paused.by} until {until}: {paused.reason}", "not paused", "Resume, or do it by hand.")


def quorum_or_hold(proposal: Proposal, now: Circumstances) -> Reason:
    """Nothing without etcd's majority; nothing automatic unless enough fresh vantages speak, one outside the site concerned.

    A plan that has begun was agreed on; the last controller that lives finishes it alone. Two of three controllers die in the middle
    of a switchover: the old writer is fenced, and payments would stand still until a person looks.
    """
    if not now.snapshot.majority:
        return refused(
            "quorum-or-hold", "etcd's majority did not answer", "its majority", "Mend etcd; payments go on as they are."
        )
    fresh, needed = fresh_vantages(now.snapshot, now.policy), now.policy.vantages
    limit = f"{needed} fresh vantages, one outside the site"
    if trigger_of(proposal) is Trigger.OPERATOR or isinstance(proposal, TakeOver):
        return allowed("quorum-or-hold", "asked for by an operator, or begun already", limit)
    if len(fresh) >= needed and fresh - {subject_of(proposal)}:
        return allowed("quorum-or-hold", names(fresh), limit)
    return refused("quorum-or-hold", names(fresh), limit, "Start the missing controllers, or do it by hand.")


def one_plan(proposal: Proposal, now: Circumstances) -> Reason:
    """One plan at a time. A new claim may replace upkeep and steering; a claim under way gives way only to a failover. A drain may be
    decided beside a plan that has no traffic to move: sites die while a copy runs for an hour, too.

    A half-done failover is not replaced by a switchover: A is failing and B is being elected; a switchover to C would wait for
    followers of a writer that is gone.
    """
    if now.running is None or isinstance(proposal, SetPause | SetMode):
        return allowed("one-plan", "no plan in the way", "one plan at a time")
    plan = now.running.plan
    value = f"{plan.kind} {plan.id} in phase {plan.phase}"
    if isinstance(proposal, TakeOver):
        if proposal.plan.id == plan.id and (not now.running.owner_alive or stalled(now)):
            return allowed("one-plan", value, "its owner is gone, or gets nowhere")
        return refused("one-plan", value, "a plan without a living owner", "Let its owner finish.")
    if isinstance(proposal, GiveUp):
        return allowed("one-plan", value, "the plan to be given up")
    if isinstance(proposal, DrainOnly) and (plan.weights is None or plan.steered):
        return allowed("one-plan", value, "a plan that has no traffic to move")
    if isinstance(proposal, Failover) and _repeats(proposal, plan):
        way_out = "Wait; or name the members it cannot cut, to leave them uncut (--waive)."
        return refused("one-plan", value, f"no failover from {proposal.site} under way", way_out)
    if isinstance(proposal, Failover) or (isinstance(proposal, Switchover) and plan.kind not in CLAIMING):
        return allowed("one-plan", value, "a failover replaces any plan, a switchover only upkeep")
    if plan.kind in GIVES_WAY and trigger_of(proposal) is Trigger.UPKEEP:
        return allowed("one-plan", value, "a plan that gives way to upkeep: the provider goes on by itself")
    return refused("one-plan", value, "no other plan under way", "Wait until it is done; see status.")


def _repeats(proposal: Failover, plan: Plan) -> bool:
    return plan.kind is PlanKind.FAILOVER and plan.subject == proposal.site and proposal.waived <= plan.waived


def freeze_window(proposal: Proposal, now: Circumstances) -> Reason:
    """Inside a freeze nothing that can wait begins; failures are answered."""
    active = [window for window in now.policy.freezes if window.start <= now.now.wall < window.end]
    if not active or not isinstance(proposal, Switchover | Grow | Return):
        return allowed("freeze-window", "no freeze in the way", "outside freezes, or an answer to a failure")
    window = active[0]
    value = f"frozen until {window.end.isoformat()}: {window.reason}"
    return refused("freeze-window", value, "outside freezes", "Wait, or override freeze-window with a reason.")


def velocity(proposal: Proposal, now: Circumstances) -> Reason:
    """Few automatic failovers per window: what looks like the third dead cloud in ten minutes is probably us.

    Going on with a failover under way (its winner died) is the same move, not another one.
    """
    limit = f"{now.policy.automatic_failovers} in {now.policy.velocity_window}"
    if not isinstance(proposal, Failover) or proposal.trigger is not Trigger.AUTOMATIC:
        return allowed("velocity", "not an automatic failover", limit)
    if now.running is not None and now.running.plan.kind is PlanKind.FAILOVER:
        return allowed("velocity", "goes on with a failover under way", limit)
    counting = within_window(now.history, now.policy, now.now)
    value = f"{len(counting)} in the last {now.policy.velocity_window}"
    if len(counting) < now.policy.automatic_failovers:
        return allowed("velocity", value, f"fewer than {limit}")
    again = allowed_again(now.history, now.policy, now.now)
    wait = f" or wait until {again.isoformat()}" if again else ""
    return refused("velocity", value, f"fewer than {limit}", f"Look first; then failover --from {proposal.site}{wait}.")


def no_orphan_drain(proposal: Proposal, now: Circumstances) -> Reason:
    """Somebody who is not failing keeps traffic; an empty target set is an error and never means "all"."""
    weights, limit = weights_of(proposal), f"at least {now.policy.minimum_serving} serving site that is not failing"
    if weights is None:
        return allowed("no-orphan-drain", "traffic stays as it is", limit)
    left = {site for site, weight in weights.items() if weight > 0 and now.edge(site) is not Health.FAILING}
    if len(left) >= now.policy.minimum_serving:
        return allowed("no-orphan-drain", names(left), limit)
    return refused("no-orphan-drain", names(left), limit, "Bring a site back first; traffic stays as it is.")


def surviving_capacity(proposal: Proposal, now: Circumstances) -> Reason:
    """What is left must carry the load. Draining what has failed takes no capacity away, so it is never refused for that."""
    weights, needed = weights_of(proposal), now.policy.required_capacity
    if weights is None:
        return allowed("surviving-capacity", "traffic stays as it is", f"{needed:g} of the load")
    after = _capacity({site for site, weight in weights.items() if weight > 0}, now)
    before = _capacity({site for site, weight in now.posture.weights.items() if weight > 0}, now)
    value, limit = f"{after:g} of the load (now {before:g})", f"{needed:g} of the load, or no less than now"
    if after >= min(needed, before):
        return allowed("surviving-capacity", value, limit)
    return refused("surviving-capacity", value, limit, "Add capacity, or override surviving-capacity with a reason.")


def _capacity(sites: set[Site], now: Circumstances) -> float:
    return sum(now.policy.capacity(site) for site in sites if now.edge(site) is not Health.FAILING)


GUARDS: tuple[Guard, ...] = (
    mode,
    pause,
    quorum_or_hold,
    one_plan,
    freeze_window,
    velocity,
    no_orphan_drain,
    surviving_capacity,
    exactly_one_writer,
    provable_durability,
    epoch_monotone,
    no_surprise_return,
    schema,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Review:
    """What all guards said about one proposal."""

    reasons: tuple[Reason, ...]

    @property
    def refusals(self) -> tuple[Reason, ...]:
        """The reasons not to."""
        return tuple(reason for reason in self.reasons if reason.verdict is Verdict.REFUSED)


def review(proposal: Proposal, now: Circumstances, overrides: frozenset[str] = frozenset()) -> Review:
    """Ask every guard; a refusal that an operator has overridden by name is kept on the record as overridden."""
    return Review(reasons=tuple(_overridden(guard(proposal, now), overrides) for guard in GUARDS))


def _overridden(reason: Reason, overrides: frozenset[str]) -> Reason:
    if reason.verdict is Verdict.REFUSED and reason.guard in overrides & OVERRIDABLE:
        return replace(reason, verdict=Verdict.ALLOWED, value=f"{OVERRIDDEN}{reason.value}")
    return reason
