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
from tests.simulation.faults import Fault, Weather

OFTEN = Policy(automatic_failovers=9)
Removal = tuple[Any, str, Any]
"""Owner, name, and what stands there instead."""


def _at(at: float, lasts: float, kind: str, victim: str, other: str = "", amount: float = 0.5) -> Fault:
    return Fault(at=at, lasts=lasts, kind=kind, victim=victim, other=other or victim, amount=amount)


ONE_AFTER_THE_OTHER = (
    _at(4, 8, "follower stands still", "gcp"),
    _at(5, 14, "database dies", "azure"),
    _at(8, 12, "database dies", "aws"),
)
"""gcp lags, the writer dies, and then the winner before gcp has caught up."""
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
UNSETTLED = (
    _at(4.4, 8, "follower stands still", "azure"),
    _at(4.5, 0, "switchover", "aws"),
    _at(5.05, 2, "etcd majority dies", "gcp"),
    _at(5.6, 10, "controller dies", "owner"),
    _at(6.0, 12, "database dies", "aws"),
)
"""The new writer dies before etcd knows that gcp holds its marker; azure was level with it, and got nothing since."""
SWITCHOVERS = Weather(kinds=("switchover",), bursts=(5, 7))
SHUT_OUT_WRITER = Weather(kinds=("database shuts controllers out",), victims=("writer",), bursts=(2, 3))
TROUBLE_WITH_WRITERS = Weather(
    kinds=(
        "site dies",
        "site is cut off",
        "site freezes",
        "site hears nobody",
        "nobody hears site",
        "database dies",
        "database shuts controllers out",
        "follower lags",
        "follower stands still",
    ),
    victims=("writer", "writer", "writer", "follower", "gcp", "aws"),
    bursts=(3, 5),
)
STANDBYS = Weather(
    kinds=(
        "in-cloud failover",
        "in-cloud failover loses the last transaction",
        "in-cloud failover loses the last transaction",
        "site dies",
        "database shuts controllers out",
        "follower lags",
        "nobody hears site",
    ),
    victims=("writer", "writer", "follower", "gcp", "aws"),
    bursts=(2, 4),
)
STALLS = Weather(
    kinds=(
        "controller freezes",
        "controller freezes soon",
        "controller freezes soon",
        "controller dies soon",
        "site freezes",
        "nobody hears site",
        "link is cut one way",
        "site dies",
        "database shuts controllers out",
        "switchover",
    ),
    victims=("owner", "owner", "writer", "writer", "follower", "gcp"),
    bursts=(3, 5),
)
MEMBERS = Weather(
    kinds=("site dies", "database dies", "follower stands still", "follower lags", "switchover", "link is cut"),
    victims=("follower", "follower", "gcp", "aws", "writer"),
    bursts=(3, 5),
)
NOISE = Weather(kinds=("link is slow", "link loses", "link loses"), bursts=(3, 5), most=0.3)
PARTITIONS = Weather(
    kinds=("site is cut off", "site hears nobody", "nobody hears site", "link is cut", "link is cut one way"),
    victims=("writer", "follower", "gcp", "aws"),
    bursts=(3, 5),
)
EDGES = Weather(kinds=("edge dies", "all edges die", "all edges die"), bursts=(2, 4))
ORDERS = Weather(kinds=("pause", "mode", "site dies", "in-cloud failover", "follower stands still"), bursts=(3, 5))
TRAFFIC = Weather(kinds=("site dies", "provider hangs", "edge dies"), bursts=(2, 4))


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
    """Known to show it."""
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
        safeguard="shrink: wait for a remaining member", removed=removals.SHRINK_WAIT, breaks=LOSS, faults=LAST_OF_TWO, seed=0
    ),
    Ablation(
        safeguard="a look releases who waited before",
        removed=removals.WAITERS_KNOWN,
        breaks=LOSS,
        faults=SHUT_OUT_MEMBER,
        stalls=0.5,
    ),
    Ablation(safeguard="the token is checked", removed=removals.TOKEN_CHECKED, breaks=LOSS, weather=STALLS),
    Ablation(safeguard="the token is left as a promise", removed=removals.TOKEN_KEPT, breaks=LOSS, weather=STALLS),
    Ablation(safeguard="an unsettled winner must be cut", removed=removals.SETTLED, breaks=LOSS, faults=ONE_AFTER_THE_OTHER),
    Ablation(safeguard="the epoch marker", removed=removals.EPOCH_MARKER, breaks=LOSS, faults=UNSETTLED),
    Ablation(safeguard="the join marker", removed=removals.JOIN_MARKER, breaks=LOSS, weather=MEMBERS),
    Ablation(safeguard="a fence waits for payments under way", removed=removals.DRAINED, breaks=LOSS, weather=SWITCHOVERS),
    Ablation(safeguard="the pin in the guard", removed=removals.PIN_IN_GUARD, breaks=LOSS, weather=STANDBYS),
    Ablation(safeguard="the pin in the barrier", removed=removals.PIN_IN_BARRIER, breaks=LOSS, weather=STANDBYS),
    Ablation(safeguard="the pin, in the guard and in the barrier", removed=removals.PIN_IN_BOTH, breaks=LOSS, weather=STANDBYS),
    Ablation(safeguard="the pin in every step after a cut", removed=removals.PIN_IN_STEPS, breaks=LOSS, weather=STANDBYS),
    Ablation(safeguard="the pin in an election", removed=removals.PIN_IN_ELECTION, breaks=LOSS, weather=STANDBYS),
    Ablation(safeguard="positions match exactly", removed=removals.EXACT, breaks=LOSS),
    Ablation(safeguard="spare slots, and positions mapped in them", removed=removals.MAPPED, breaks=LOSS),
    Ablation(safeguard="older subscriptions are dropped", removed=removals.OLDER_DROPPED, breaks=LOSS),
    Ablation(safeguard="epochs in names", removed=removals.EPOCH_IN_NAMES, breaks=LOSS),
    Ablation(safeguard="an opened epoch stays open", removed=removals.OPEN_TWICE, breaks=FINISHES, weather=STALLS),
    Ablation(safeguard="a copy begins once per token", removed=removals.CLEAR_TWICE, breaks=LOSS, weather=STALLS),
    Ablation(safeguard="two vantages", removed=(), without=_one_voice, breaks=QUORUM, weather=PARTITIONS),
    Ablation(safeguard="self-suspicion", removed=removals.SELF_SUSPICION, breaks=QUORUM, weather=PARTITIONS),
    Ablation(safeguard="hysteresis", removed=(), without=_hasty, breaks=QUORUM, weather=NOISE),
    Ablation(safeguard="own absence accuses nobody", removed=removals.SLEEP, breaks=QUORUM, weather=STALLS),
    Ablation(safeguard="words have an age", removed=removals.FRESHNESS, breaks=QUORUM, weather=STALLS),
    Ablation(safeguard="velocity", removed=removals.VELOCITY, breaks=RETURN, policy=Policy()),
    Ablation(safeguard="the past is recalled from the journal", removed=removals.RECALLED, breaks=RETURN, policy=Policy()),
    Ablation(safeguard="pause", removed=removals.PAUSE, breaks=RETURN, weather=ORDERS),
    Ablation(safeguard="mode", removed=removals.MODE, breaks=RETURN, weather=ORDERS),
    Ablation(safeguard="no orphan drain", removed=removals.ORPHAN, breaks=DRAIN, weather=EDGES),
    Ablation(safeguard="a member is not wiped", removed=removals.RETURN_OF_MEMBERS, breaks=LOSS, weather=MEMBERS),
    Ablation(safeguard="a claim rests on a living session", removed=removals.SESSION, breaks=QUORUM, weather=STALLS),
    Ablation(safeguard="a commit compares what it rests on", removed=removals.COMPARED, breaks=ONE, weather=STALLS),
    Ablation(safeguard="a plan without a living owner is taken over", removed=removals.TAKEOVER, breaks=FINISHES, weather=STALLS),
    Ablation(
        safeguard="floors are raised only where traffic goes",
        removed=removals.FLOORS,
        breaks=STABLE,
        weather=TRAFFIC,
    ),
)


def named(safeguard: str) -> Ablation:
    """The row of this safeguard."""
    return next(row for row in ABLATIONS if row.safeguard == safeguard)
