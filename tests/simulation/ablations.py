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
    _at(7.8, 10, "follower stands still", "gcp"),
    _at(8.6, 10, "site dies", "azure"),
)
"""aws streams on after it was taken out of the set, and looks that began before that are still under way."""
WIPED = (
    _at(3.5, 18, "follower stands still", "gcp"),
    _at(4.9, 0.1, "in-cloud failover", "aws"),
    _at(5, 16, "link is cut", "aws", other="azure"),
    _at(16, 6, "site dies", "azure"),
)
"""aws alone has the last payments, is on another timeline, and cannot be copied to when it was emptied."""
GONE_TIMELINE = (_at(5, 0.1, "in-cloud failover loses the last transaction", "azure"),)
OWNER_DIES = (_at(4, 14, "database dies", "azure"), _at(5.42, 16, "controller dies", "owner"))
LOSSES = tuple(_at(3.5 + number / 10, 18, "link loses", site, amount=0.3) for number, site in enumerate(("aws", "azure", "gcp")))
AWAY = (_at(4, 6, "database dies", "azure"),)
FORSAKEN = (_at(4, 14, "database dies", "azure"), _at(5.42, 8, "link is cut one way", "aws", other="gcp"))
"""gcp's controller asked the winner, aws, to open, and hears nothing from it."""
LINGERS = (_at(4, 12, "follower stands still", "gcp"), _at(5, 4, "database dies", "azure"))
"""The new reign is not settled when the old writer comes back."""
BACK_AGAIN = (_at(3.5, 4.2, "etcd majority dies", "gcp"), _at(4.6, 1.4, "database dies", "azure"))
"""When controllers may act again the writer answers, and is not forgiven yet."""
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
    planted: tuple[Removal, ...] = ()
    """What is wrong elsewhere, in both courses, where nothing else in the product asks for what the safeguard refuses."""
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
    shown_by: str = ""
    """Of a safeguard that the search cannot miss: the test that shows it on real servers, or what stands behind it."""

    def setting(self, *, taken: bool) -> Setting:
        """The same course with the safeguard, or without."""
        policy = self.without(self.policy) if taken and self.policy is not None else self.policy
        return Setting(weather=self.weather, faults=self.faults, policy=policy, stalls=self.stalls)

    def apart(self) -> AbstractContextManager[None]:
        """The product without it."""
        return _apart((*self.planted, *self.removed))

    def whole(self) -> AbstractContextManager[None]:
        """The product with it, and with what is planted."""
        return _apart(self.planted)


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
TOLD = "explained"

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
        safeguard="shrink: wait for a remaining member", removed=removals.SHRINK_WAIT, breaks=LOSS, faults=LAST_OF_TWO, seed=0
    ),
    Ablation(
        safeguard="a look releases who waited before",
        removed=removals.WAITERS_KNOWN,
        breaks=LOSS,
        faults=SHUT_OUT_MEMBER,
        stalls=0.9,
        seed=3,
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
        safeguard="an unsettled winner must be cut", removed=removals.SETTLED, breaks=LOSS, faults=ONE_AFTER_THE_OTHER, seed=3
    ),
    Ablation(safeguard="the epoch marker", removed=removals.EPOCH_MARKER, breaks=LOSS, faults=UNSETTLED, seed=0),
    Ablation(
        safeguard="the join marker",
        removed=removals.JOIN_MARKER,
        breaks=LOSS,
        weather=MEMBERS,
        shown_by="tests/unit/core/test_phases.py::test_a_newcomer_that_does_not_reach_the_marker_is_not_counted",
    ),
    Ablation(
        safeguard="a fence waits for payments under way", removed=removals.DRAINED, breaks=LOSS, weather=SWITCHOVERS, seed=0
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
        seed=0,
    ),
    Ablation(
        safeguard="the pin in every step after a cut",
        removed=removals.PIN_IN_STEPS,
        breaks=LOSS,
        weather=STANDBYS,
        shown_by="tests/contract/test_database_upkeep.py::test_a_node_on_a_new_timeline_proves_nothing",
    ),
    Ablation(safeguard="the pin in an election", removed=removals.PIN_IN_ELECTION, breaks=LOSS, weather=STANDBYS, seed=0),
    Ablation(
        safeguard="positions match exactly",
        removed=removals.EXACT,
        breaks=LOSS,
        shown_by="tests/contract/test_database.py::test_a_position_without_an_exact_match_is_refused_with_the_reason",
    ),
    Ablation(safeguard="spare slots, and positions mapped in them", removed=removals.MAPPED, breaks=LOSS, seed=1),
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
        faults=FORSAKEN,
        seed=4,
    ),
    Ablation(
        safeguard="a copy begins once per token",
        removed=removals.CLEAR_TWICE,
        breaks=LOSS,
        weather=STALLS,
        shown_by="tests/protocol/test_late_steps.py::test_a_late_clear_does_not_empty_a_member",
    ),
    Ablation(safeguard="two vantages", removed=(), without=_one_voice, breaks=QUORUM, weather=PARTITIONS, seed=0),
    Ablation(safeguard="self-suspicion", removed=removals.SELF_SUSPICION, breaks=QUORUM, weather=PARTITIONS, seed=3),
    Ablation(
        safeguard="hysteresis",
        removed=(),
        without=_hasty,
        breaks=QUORUM,
        faults=LOSSES,
        shown_by="tests/unit/core/test_health.py::test_calm_in_noise",
    ),
    Ablation(
        safeguard="who is answered again accuses nobody",
        removed=removals.ANSWERED,
        breaks=QUORUM,
        faults=BACK_AGAIN,
        seed=0,
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
    Ablation(safeguard="velocity", removed=removals.VELOCITY, breaks=RETURN, faults=TWICE, policy=Policy(), seed=0),
    Ablation(
        safeguard="the past is recalled from the journal",
        removed=removals.RECALLED,
        breaks=RETURN,
        faults=(TWICE[0], *FORGOTTEN, TWICE[1]),
        policy=Policy(),
        seed=0,
    ),
    Ablation(safeguard="pause", removed=removals.PAUSE, breaks=RETURN, weather=ORDERS, seed=0),
    Ablation(safeguard="mode", removed=removals.MODE, breaks=RETURN, weather=ORDERS, seed=0),
    Ablation(safeguard="no orphan drain", removed=removals.ORPHAN, breaks=DRAIN, weather=EDGES, seed=0),
    Ablation(
        safeguard="a member is not wiped",
        removed=removals.RETURN_OF_MEMBERS,
        breaks=LOSS,
        faults=WIPED,
        seed=0,
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
        faults=OWNER_DIES[:1],
        seed=0,
    ),
    Ablation(
        safeguard="a plan without a living owner is taken over",
        removed=removals.TAKEOVER,
        breaks=FINISHES,
        faults=OWNER_DIES,
        seed=0,
    ),
    Ablation(
        safeguard="the reason travels in the same write", removed=removals.JOURNALED, breaks=TOLD, weather=SWITCHOVERS, seed=0
    ),
    Ablation(safeguard="plans only go forward", removed=removals.FORWARD, breaks=ONE, faults=FORSAKEN, seed=4),
    Ablation(
        safeguard="nobody goes home by itself",
        removed=removals.SURPRISE,
        planted=removals.GOES_HOME,
        breaks=RETURN,
        faults=AWAY,
        seed=0,
    ),
    Ablation(
        safeguard="one plan at a time",
        removed=removals.ONE_PLAN,
        planted=removals.RIPENS,
        breaks=FINISHES,
        faults=LINGERS,
        seed=0,
    ),
    Ablation(
        safeguard="exactly one writer",
        removed=removals.WRITER,
        breaks=ONE,
        shown_by="tests/unit/core/test_guards.py::test_exactly_this_guard_refuses",
    ),
    Ablation(
        safeguard="floors are raised only where traffic goes", removed=removals.FLOORS, breaks=STABLE, weather=TRAFFIC, seed=0
    ),
)


def named(safeguard: str) -> Ablation:
    """The row of this safeguard."""
    return next(row for row in ABLATIONS if row.safeguard == safeguard)
