"""Operators' wishes become proposals, or refusals that say what was expected.

Rules for changing this file: a wish is only translated here; whether it may be is the guards' word. Nothing is guessed: a wish
that cannot be read in full is refused in full.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

from controller.core.circumstances import Circumstances, names, refused
from controller.core.guards import OVERRIDABLE
from controller.core.model import Mode, Pause, Reason, Site, Trigger
from controller.core.proposals import Asked, Failover, Promote, Proposal, SetMode, SetPause, Switchover
from controller.core.reign_guards import uncuttable
from controller.core.steering import weights_without

PAUSE = "pause"
"""The one verb that is answered before anything else is done."""

ARGUMENTS: Mapping[str, frozenset[str]] = {
    "switchover": frozenset({"to", "override"}),
    "failover": frozenset({"from", "waive", "override"}),
    "promote": frozenset({"site"}),
    PAUSE: frozenset({"until"}),
    "resume": frozenset(),
    "mode": frozenset({"mode"}),
}
"""What each verb understands; anything else is refused, so that a misspelt argument is never silently dropped."""


EXPIRES = timedelta(seconds=60)
"""Age at which an order is no longer what anybody wants.

Of moves: etcd is out of reach when a failover is asked for; the outage ends, and a day later, with all well, the writer is moved.
Of pause and resume too: yesterday's pause would keep today's failover from happening, and yesterday's resume would lift the pause
that somebody has set since.
"""

LONGEST_PAUSE = timedelta(days=365)
"""A longer one is a slip of the pen; until somebody resumes is said by naming no end."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Wish:
    """A request that could be read: what it asks for, and which guards it overrides."""

    proposal: Proposal
    overrides: frozenset[str] = frozenset()


def read_request(asked: Asked, now: Circumstances) -> Wish | Reason:
    """What the operator wants, or why it cannot be understood."""
    age = now.now.wall - asked.at
    if age > EXPIRES:
        value = f"asked {age.total_seconds():.0f} s ago, by the clock of the controller that was asked"
        way_out = "Ask again; if that is refused too, compare the controllers' clocks."
        return refused("request", value, f"at most {EXPIRES.total_seconds():.0f} s", way_out)
    understood = ARGUMENTS.get(asked.verb)
    if understood is None:
        return refused("request", f"verb {asked.verb}", f"one of {', '.join(sorted(ARGUMENTS))}", "Use one of them.")
    strange = sorted(set(asked.arguments) - understood)
    if strange:
        return refused("request", f"argument {', '.join(strange)}", f"of {', '.join(sorted(understood)) or 'none'}", "Drop it.")
    overrides = _listed(asked, "override")
    if overrides - OVERRIDABLE:
        value = ", ".join(sorted(overrides - OVERRIDABLE))
        return refused("request", f"override of {value}", f"one of {', '.join(sorted(OVERRIDABLE))}", "Mend what it protects.")
    if (overrides or _listed(asked, "waive")) and not asked.reason.strip():
        return refused("request", "an override without a reason", "a reason, for the record", "Add --reason.")
    match asked.verb:
        case "switchover":
            return _switchover(asked, overrides, now)
        case "failover":
            return _failover(asked, overrides, now)
        case "promote":
            return _promote(asked, now)
        case "mode":
            return _mode(asked)
        case "pause":
            return _pause(asked, now)
        case _:
            return Wish(proposal=SetPause(pause=None, because=asked.reason, by=asked.by))


def _switchover(asked: Asked, overrides: frozenset[str], now: Circumstances) -> Wish | Reason:
    site = _site(asked.arguments.get("to", ""), now)
    if isinstance(site, Reason):
        return site
    proposal = Switchover(to=site, trigger=Trigger.OPERATOR, because=asked.reason, by=asked.by)
    return Wish(proposal=proposal, overrides=overrides)


def _failover(asked: Asked, overrides: frozenset[str], now: Circumstances) -> Wish | Reason:
    named = [_site(name, now) for name in (asked.arguments.get("from", ""), *sorted(_listed(asked, "waive")))]
    for site in named:
        if isinstance(site, Reason):
            return site
    leaving, *waive = [site for site in named if not isinstance(site, Reason)]
    waived = frozenset(waive) | (uncuttable(leaving, now) if "provable-durability" in overrides else frozenset())
    weights = weights_without(leaving, now)
    proposal = Failover(
        site=leaving,
        weights=weights if any(weights.values()) else None,
        trigger=Trigger.OPERATOR,
        because=asked.reason,
        by=asked.by,
        waived=waived,
    )
    return Wish(proposal=proposal, overrides=overrides)


def _promote(asked: Asked, now: Circumstances) -> Wish | Reason:
    site, kept = asked.arguments.get("site", ""), now.policy.replicas
    if site not in kept:
        way_out = "Name one of them." if kept else "There is nothing to promote; the writer is moved by switchover and failover."
        return refused("request", f"site {site or 'missing'}", f"one with a provider-managed replica: {names(kept)}", way_out)
    if not asked.reason.strip():
        return refused("request", "a promotion without a reason", "a reason: it cannot be taken back", "Add --reason.")
    return Wish(proposal=Promote(site=Site(site), because=asked.reason, by=asked.by))


def _mode(asked: Asked) -> Wish | Reason:
    wanted = asked.arguments.get("mode", "")
    if wanted not in list(Mode):
        return refused("request", f"mode {wanted or 'missing'}", f"one of {', '.join(Mode)}", "Name one of them.")
    return Wish(proposal=SetMode(mode=Mode(wanted), because=asked.reason, by=asked.by))


def _pause(asked: Asked, now: Circumstances) -> Wish | Reason:
    text = asked.arguments.get("until", "")
    try:
        until = datetime.fromisoformat(text) if text else None
    except ValueError:
        return refused("request", f"until {text}", "a date and time in ISO 8601", "For example 2026-01-31T12:00:00+00:00.")
    if until is not None and until.tzinfo is None:
        return refused("request", f"until {text}", "a time with its zone", "Append +00:00 for UTC.")
    if until is not None and until <= now.now.wall:
        return refused("request", f"until {text}", f"later than {now.now.wall.isoformat()}", "Choose a later end, or none.")
    if until is not None and until - now.now.wall > LONGEST_PAUSE:
        way_out = "Choose an earlier end, or none: then it lasts until resumed."
        return refused("request", f"until {text}", f"at most {LONGEST_PAUSE.days} days from now", way_out)
    pause = Pause(by=asked.by, reason=asked.reason, since=now.now.wall, until=until)
    return Wish(proposal=SetPause(pause=pause, because=asked.reason, by=asked.by))


def _listed(asked: Asked, argument: str) -> frozenset[str]:
    return frozenset(filter(None, (item.strip() for item in asked.arguments.get(argument, "").split(","))))


def _site(name: str, now: Circumstances) -> Site | Reason:
    known = frozenset(now.posture.weights)
    if name in known:
        return Site(name)
    return refused("request", f"site {name or 'missing'}", f"one of {names(known)}", "Name one of them.")
