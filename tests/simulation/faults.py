"""What goes wrong, drawn from a seed: bursts of faults, each about a thing and for a while.

A fault names its victim by what it is at that moment (the writer's site, the site of the plan's owner), because trouble is
most interesting there; or by site.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from random import Random

WHOLE = ("site dies", "site freezes", "site is cut off", "site hears nobody", "nobody hears site")
PARTS = (
    "database dies",
    "database shuts controllers out",
    "edge dies",
    "controller dies",
    "controller freezes",
    "controller dies soon",
    "controller freezes soon",
    "service dies",
    "service freezes",
    "only one controller is left",
    "etcd member dies",
    "etcd majority dies",
    "link is cut",
    "link is cut one way",
    "link is slow",
    "link loses",
    "follower lags",
    "follower stands still",
    "clock jumps",
    "in-cloud failover",
    "in-cloud failover loses the last transaction",
    "authority hangs",
    "authority lies",
    "authority is throttled",
    "provider hangs",
    "schema differs",
    "all edges die",
)
REQUESTS = ("switchover", "switchover", "failover", "pause", "resume", "mode", "promote", "nonsense")
VICTIMS = ("writer", "writer", "writer", "owner", "follower", "aws", "azure", "gcp")


@dataclass(frozen=True, slots=True, kw_only=True)
class Fault:
    """One thing that goes wrong, or that somebody asks for."""

    at: float
    """Seconds after the start."""
    lasts: float
    kind: str
    victim: str
    other: str
    """The far end of a link."""
    amount: float
    """From 0 to 1; what it scales is the kind's business."""

    def __str__(self) -> str:
        return f"{self.at:6.2f} s for {self.lasts:5.2f} s: {self.kind} ({self.victim}, {self.other}, {self.amount:.2f})"


@dataclass(frozen=True, slots=True, kw_only=True)
class Weather:
    """From what faults are drawn."""

    kinds: tuple[str, ...] = ()
    """Only these; empty: whatever there is."""
    victims: tuple[str, ...] = VICTIMS
    bursts: tuple[int, int] = (2, 4)
    most: float = 1.0
    """Largest amount."""

    def schedule(self, chance: Random, begin: float, end: float) -> tuple[Fault, ...]:
        """A few bursts, in each of which one to four things happen at almost the same time."""
        faults = []
        for _ in range(chance.randint(*self.bursts)):
            about = chance.uniform(begin, end - 3)
            count = chance.choice((1, 1, 2, 2, 3, 4))
            faults += [self._fault(chance, about, end) for _ in range(count)]
        return tuple(sorted(faults, key=lambda fault: fault.at))

    def _fault(self, chance: Random, about: float, end: float) -> Fault:
        kinds: Sequence[str] = self.kinds or chance.choice((WHOLE, WHOLE, PARTS, PARTS, PARTS, REQUESTS))
        at = about + chance.uniform(0, 2.5)
        lasts = chance.choice((chance.uniform(0.2, 3), chance.uniform(2, 8), chance.uniform(5, 25)))
        return Fault(
            at=round(at, 3),
            lasts=round(min(lasts, max(end - at, 0.1)), 3),
            kind=chance.choice(kinds),
            victim=chance.choice(self.victims),
            other=chance.choice(("aws", "azure", "gcp")),
            amount=round(chance.random() * self.most, 3),
        )


ANY = Weather(bursts=(3, 5))

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
LONELY = Weather(
    kinds=(
        "only one controller is left",
        "only one controller is left",
        "in-cloud failover",
        "database dies",
        "edge dies",
        "pause",
    ),
    bursts=(3, 5),
)
ERRANDS = Weather(
    kinds=("failover", "failover", "promote", "promote", "switchover", "resume", "edge dies", "provider hangs"),
    victims=("writer", "writer", "gcp", "aws", "azure"),
    bursts=(4, 6),
)
"""What only people ask for: a promotion, and a writer left although its site can serve."""
MIXED = (
    ANY,
    ANY,
    ANY,
    ANY,
    TROUBLE_WITH_WRITERS,
    STANDBYS,
    STALLS,
    MEMBERS,
    PARTITIONS,
    ORDERS,
    LONELY,
    EDGES,
    NOISE,
    SWITCHOVERS,
    ERRANDS,
)
"""What a seed draws its own from."""
