"""When a condition is journaled: once it has held for its time, and once it has not held for a while. Pure.

Rules for changing this file: what stands is read from the journal (`situation`), never remembered; what is remembered is only for how long
something has held, and whoever begins anew counts anew.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta

from controller.core.conditions import ENDS_AFTER, Condition

NOTICE = "notice"
"""Kind of the journal entry that says what began to stand and what ended."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Patience:
    """Since when what holds has held, and since when what stands has not; monotonic."""

    holding: Mapping[str, timedelta] = field(default_factory=dict)
    gone: Mapping[str, timedelta] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class News:
    """What is to be journaled."""

    begun: tuple[tuple[Condition, timedelta], ...] = ()
    """With the time that each has held."""
    ended: tuple[str, ...] = ()

    def __bool__(self) -> bool:
        return bool(self.begun or self.ended)


def watch(before: Patience, holds: Sequence[Condition], standing: Collection[str], now: timedelta) -> Patience:
    """The memory after one more look."""
    keys = {condition.key for condition in holds}
    return Patience(
        holding={key: before.holding.get(key, now) for key in sorted(keys)},
        gone={key: before.gone.get(key, now) for key in sorted(set(standing) - keys)},
    )


def news(patience: Patience, holds: Sequence[Condition], standing: Collection[str], now: timedelta) -> News:
    """What has held long enough and does not stand yet, and what stands and has not held for long enough."""
    held = [(condition, now - patience.holding[condition.key]) for condition in holds if condition.key not in standing]
    return News(
        begun=tuple((condition, lasted) for condition, lasted in held if lasted >= condition.begins_after),
        ended=tuple(sorted(key for key, since in patience.gone.items() if now - since >= ENDS_AFTER)),
    )


def noticed(found: News, said: Mapping[str, str]) -> Mapping[str, object]:
    """Body of the entry. `said`: in what words what ends now had begun."""
    begun = [
        {
            "key": condition.key,
            "kind": str(condition.kind),
            "site": condition.site or "",
            "severity": str(condition.severity),
            "said": condition.said,
            "command": condition.command,
            "held_s": round(lasted.total_seconds(), 1),
        }
        for condition, lasted in found.begun
    ]
    over = [f"no longer: {said.get(key, key)}" for key in found.ended]
    return {
        "sentence": "; ".join([*(condition.said for condition, _ in found.begun), *over]),
        "begun": begun,
        "ended": list(found.ended),
    }
