"""What keeps the promises, each taken away by itself, and the promise that breaks then.

One row per safeguard: how it is removed, in which weather the search meets what it keeps away, and a seed known to show it. A
safeguard whose removal changes nothing here says who else shows it, or what stands behind it.
"""

from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import dataclass, field, replace
from typing import Any

from controller.core.policy import Policy
from tests.simulation import removals
from tests.simulation.course import Setting
from tests.simulation.faults import (
    EDGES,
    MEMBERS,
    ORDERS,
    PARTITIONS,
    SHUT_OUT_WRITER,
    STALLS,
    STANDBYS,
    SWITCHOVERS,
    TRAFFIC,
    TROUBLE_WITH_WRITERS,
    Fault,
    Weather,
)

OFTEN = Policy(automatic_failovers=9)
Removal = tuple[Any, str, Any]
"""Owner, name, and what stands there instead."""


def _at(at: float, lasts: float, kind: str, victim: str, other: str = "", amount: float = 0.5) -> Fault:
    return Fault(at=at, lasts=lasts, kind=kind, victim=victim, other=other or victim, amount=amount)


ONE_AFTER_THE_OTHER = (
    _at(3.5, 10, "follower lags", "gcp", amount=0.9),
    _at(5, 14, "database dies", "azure"),
    _at(8, 12, "database dies", "aws"),
)
"""gcp lags, the writer dies, and then the winner, when gcp has some of what it missed and not all."""
LAST_OF_TWO = (
    _at(4, 14, "follower stands still", "gcp"),
    _at(5, 16, "database dies", "aws"),
    _at(15, 6, "site dies", "azure"),
)
"""aws alone had the last payments, is taken out of the set, and gcp has not caught up when the writer dies."""
SHUT_OUT_MEMBER = (
    _at(4, 11, "database shuts controllers out", "aws"),
    _at(4, 11, "follower lags", "gcp", amount=0.15),
    _at(8.5, 10, "site dies", "azure"),
)
"""aws streams on while it is taken out of the set."""
GONE_TIMELINE = (_at(5, 0.1, "in-cloud failover loses the last transaction", "azure"),)
OWNER_DIES = (_at(4, 14, "database dies", "azure"), _at(5.42, 16, "controller dies", "owner"))
LOSSES = tuple(_at(3.5 + number / 10, 18, "link loses", site, amount=0.3) for number, site in enumerate(("aws", "azure", "gcp")))
TWICE = (_at(4, 5, "database dies", "azure"), _at(13, 9, "database dies", "writer"))
FORGOTTEN = (*(_at(10 + number / 10, 1, "controller dies", site) for number, site in enumerate(("aws", "azure", "gcp"))),)
"""Every controller starts anew between two deaths."""
UNSETTLED = (
    _at(4.4, 8, "follower stands still", "azure"),
    _at(4.5, 0, "switchover", "aws"),
    _at(4.97, 2, "etcd majority dies", "gcp"),
    _at(5.6, 10, "controller dies", "owner"),
    _at(6.0, 12, "database dies", "aws"),
)
"""The new writer dies before etcd knows that gcp holds its marker; azure was level with it, and got nothing since."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Ablation:
    """One safeguard, and what happens without it."""

    safeguard: str
    removed: tuple[Removal, ...]
    breaks: str = ""
    """The promise that breaks first. Empty: none does here."""
    weather: Weather = TROUBLE_WITH_WRITERS
    faults: tuple[Fault, ...] | None = None
    """Exactly these, instead of weather."""
    stalls: float = 0.01
    policy: Policy | None = OFTEN
    without: Callable[[Policy], Policy] = field(default=lambda policy: policy)
    """What the removal makes of the policy."""
    seed: int | None = None
    """Known to show it, and to be clean with it."""
    found: int | None = None
    """Known to show it; whether it is clean with it was not looked at yet."""
    shown_by: str = ""
    """Of a safeguard that the search cannot miss: the test that shows it on real servers, or what stands behind it."""

    def setting(self, *, taken: bool) -> Setting:
        """The same course with the safeguard, or without."""
        policy = self.without(self.policy) if taken and self.policy is not None else self.policy
        return Setting(weather=self.weather, faults=self.faults, policy=policy, stalls=self.stalls)

    def apart(self) -> AbstractContextManager[None]:
        """The product without it."""
        return _apart(self.removed)


@contextmanager
def _apart(removed: Sequence[Removal]) -> Iterator[None]:
    with ExitStack() as stack:
        for owner, name, instead in removed:
            stack.enter_context(replaced(owner, name, instead))
        yield


@contextmanager
def replaced(owner: Any, name: str, instead: Any) -> Iterator[None]:
    """Something of the product is another one for a while. It is the product's absence that is tried here, not a test's convenience."""
    inherited = isinstance(owner, type) and name not in owner.__dict__
    before = owner.__dict__[name] if isinstance(owner, type) and not inherited else getattr(owner, name)
    setattr(owner, name, instead)
    try:
        yield
    finally:
        if inherited:
            delattr(owner, name)
        else:
            setattr(owner, name, before)


def _one_voice(policy: Policy) -> Policy:
    return replace(policy, vantages=1)


def _hasty(policy: Policy) -> Policy:
    return replace(policy, misses_to_accuse=1, misses_to_drain=1, successes_to_forgive=2)


LOSS, ONE, FINISHES = "no-loss", "one-acknowledger", "always-finishes"
QUORUM, RETURN, DRAIN, STABLE = "quorum-or-hold", "no-surprise-return", "no-orphan-drain", "static-stability"

ABLATIONS = (
    Ablation(safeguard="the barrier", removed=removals.BARRIER, breaks=LOSS, seed=3),
    Ablation(
        safeguard="a cut waits until the worker is gone",
        removed=removals.WAITED_CUT,
        breaks=LOSS,
        weather=SHUT_OUT_WRITER,
        seed=2,
    ),
    Ablation(safeguard="every member is read", removed=removals.ALL_MEMBERS, breaks=LOSS, seed=1),
    Ablation(safeguard="grow: etcd before the row", removed=removals.GROW_ORDER, breaks=LOSS, weather=MEMBERS, seed=0),
    Ablation(safeguard="shrink: the row before etcd", removed=removals.SHRINK_ORDER, breaks=LOSS, weather=MEMBERS, seed=4),
    Ablation(
        safeguard="shrink: wait for a remaining member", removed=removals.SHRINK_WAIT, breaks=LOSS, faults=LAST_OF_TWO, found=0
    ),
    Ablation(
        safeguard="a look releases who waited before",
        removed=removals.WAITERS_KNOWN,
        breaks=LOSS,
        faults=SHUT_OUT_MEMBER,
        stalls=0.5,
        shown_by="tests/unit/workload/durable/test_barrier.py::test_a_look_never_releases_who_registered_after_it_was_sent",
    ),
    Ablation(
        safeguard="the token is checked",
        removed=removals.TOKEN_CHECKED,
        breaks=LOSS,
        weather=STALLS,
        shown_by="tests/protocol/test_safeguards.py::test_a_stale_controller_is_turned_away_by_the_database",
    ),
    Ablation(
        safeguard="the token is left as a promise",
        removed=removals.TOKEN_KEPT,
        breaks=LOSS,
        weather=STALLS,
        shown_by="tests/contract/test_database.py::test_an_older_owner_is_turned_away_by_every_step",
    ),
    Ablation(
        safeguard="an unsettled winner must be cut", removed=removals.SETTLED, breaks=LOSS, faults=ONE_AFTER_THE_OTHER, found=1
    ),
    Ablation(safeguard="the epoch marker", removed=removals.EPOCH_MARKER, breaks=LOSS, faults=UNSETTLED, found=0),
    Ablation(
        safeguard="the join marker",
        removed=removals.JOIN_MARKER,
        breaks=LOSS,
        weather=MEMBERS,
        shown_by="tests/unit/core/test_phases.py::test_a_newcomer_that_does_not_reach_the_marker_is_not_counted",
    ),
    Ablation(
        safeguard="a fence waits for payments under way", removed=removals.DRAINED, breaks=LOSS, weather=SWITCHOVERS, found=3
    ),
    Ablation(
        safeguard="the pin in the guard",
        removed=removals.PIN_IN_GUARD,
        breaks=LOSS,
        faults=GONE_TIMELINE,
        shown_by="tests/protocol/test_pins.py::test_a_writer_on_a_new_timeline_admits_nothing_and_acknowledges_nothing",
    ),
    Ablation(
        safeguard="the pin in the barrier",
        removed=removals.PIN_IN_BARRIER,
        breaks=LOSS,
        faults=GONE_TIMELINE,
        shown_by="tests/protocol/test_pins.py::test_a_writer_on_a_new_timeline_admits_nothing_and_acknowledges_nothing",
    ),
    Ablation(
        safeguard="the pin, in the guard and in the barrier",
        removed=removals.PIN_IN_BOTH,
        breaks=LOSS,
        faults=GONE_TIMELINE,
        found=0,
    ),
    Ablation(
        safeguard="the pin in every step after a cut",
        removed=removals.PIN_IN_STEPS,
        breaks=LOSS,
        weather=STANDBYS,
        shown_by="tests/contract/test_database_upkeep.py::test_a_node_on_a_new_timeline_proves_nothing",
    ),
    Ablation(safeguard="the pin in an election", removed=removals.PIN_IN_ELECTION, breaks=LOSS, weather=STANDBYS, found=0),
    Ablation(
        safeguard="positions match exactly",
        removed=removals.EXACT,
        breaks=LOSS,
        shown_by="tests/contract/test_database.py::test_a_position_without_an_exact_match_is_refused_with_the_reason",
    ),
    Ablation(safeguard="spare slots, and positions mapped in them", removed=removals.MAPPED, breaks=LOSS, found=1),
    Ablation(
        safeguard="older subscriptions are dropped",
        removed=removals.OLDER_DROPPED,
        breaks=LOSS,
        shown_by="tests/contract/test_database.py::test_a_sibling_goes_on_exactly_where_it_stands",
    ),
    Ablation(
        safeguard="epochs in names",
        removed=removals.EPOCH_IN_NAMES,
        breaks=LOSS,
        shown_by="tests/protocol/test_late_steps.py::test_a_late_cut_leaves_the_new_stream_alone",
    ),
    Ablation(
        safeguard="an opened epoch stays open",
        removed=removals.OPEN_TWICE,
        breaks=FINISHES,
        weather=STALLS,
        shown_by="tests/contract/test_database.py::test_a_reign_is_opened_once_and_never_backwards",
    ),
    Ablation(
        safeguard="a copy begins once per token",
        removed=removals.CLEAR_TWICE,
        breaks=LOSS,
        weather=STALLS,
        shown_by="tests/protocol/test_late_steps.py::test_a_late_clear_does_not_empty_a_member",
    ),
    Ablation(safeguard="two vantages", removed=(), without=_one_voice, breaks=QUORUM, weather=PARTITIONS, found=0),
    Ablation(safeguard="self-suspicion", removed=removals.SELF_SUSPICION, breaks=QUORUM, weather=PARTITIONS, found=3),
    Ablation(
        safeguard="hysteresis",
        removed=(),
        without=_hasty,
        breaks=QUORUM,
        faults=LOSSES,
        shown_by="tests/unit/core/test_health.py::test_calm_in_noise",
    ),
    Ablation(
        safeguard="own absence accuses nobody",
        removed=removals.SLEEP,
        breaks=QUORUM,
        weather=STALLS,
        shown_by="tests/unit/core/test_health.py::test_counting_ones_own_absence_would_accuse_a_healthy_writer",
    ),
    Ablation(
        safeguard="words have an age",
        removed=removals.FRESHNESS,
        breaks=QUORUM,
        weather=STALLS,
        shown_by="tests/unit/coordination/test_freshness.py::test_what_was_written_while_this_reader_was_cut_off_is_old",
    ),
    Ablation(safeguard="velocity", removed=removals.VELOCITY, breaks=RETURN, faults=TWICE, policy=Policy(), found=0),
    Ablation(
        safeguard="the past is recalled from the journal",
        removed=removals.RECALLED,
        breaks=RETURN,
        faults=(TWICE[0], *FORGOTTEN, TWICE[1]),
        policy=Policy(),
        found=0,
    ),
    Ablation(safeguard="pause", removed=removals.PAUSE, breaks=RETURN, weather=ORDERS, found=0),
    Ablation(safeguard="mode", removed=removals.MODE, breaks=RETURN, weather=ORDERS, found=0),
    Ablation(safeguard="no orphan drain", removed=removals.ORPHAN, breaks=DRAIN, weather=EDGES, found=0),
    Ablation(
        safeguard="a member is not wiped",
        removed=removals.RETURN_OF_MEMBERS,
        breaks=LOSS,
        weather=MEMBERS,
        shown_by="tests/unit/core/test_guards.py::test_exactly_this_guard_refuses",
    ),
    Ablation(
        safeguard="a claim rests on a living session",
        removed=removals.SESSION,
        breaks=QUORUM,
        weather=STALLS,
        shown_by="tests/unit/coordination/test_store.py::test_nothing_is_taken_under_a_session_that_is_gone",
    ),
    Ablation(
        safeguard="a commit compares what it rests on",
        removed=removals.COMPARED,
        breaks=FINISHES,
        weather=STALLS,
        shown_by="tests/contract/test_coordination.py::test_one_of_two_claims_wins",
    ),
    Ablation(
        safeguard="a plan without a living owner is taken over",
        removed=removals.TAKEOVER,
        breaks=FINISHES,
        faults=OWNER_DIES,
        shown_by="tests/unit/test_execute.py::test_a_controller_that_dies_after_any_effect_is_replaced",
    ),
    Ablation(
        safeguard="floors are raised only where traffic goes", removed=removals.FLOORS, breaks=STABLE, weather=TRAFFIC, found=0
    ),
)


def named(safeguard: str) -> Ablation:
    """The row of this safeguard."""
    return next(row for row in ABLATIONS if row.safeguard == safeguard)
