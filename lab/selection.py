"""Which of a zone's authorities a resolver asks next, and what it makes of silence.

Modelled on Unbound, whose rules are documented and do not favour the nearest: every server whose time-out is within 400 ms of the
best one's is asked with equal chance (NLnet Labs, "Unbound Timeout Information"; util/rtt.c of its source for the numbers). Of
resolvers in the field up to 69 % send most queries to the fastest server, and there is always a share for the slower ones (Müller et
al., "Recursives in the Wild", IMC 2017); between three authorities that are equally near both come to the same.

A server that stays silent costs the asker its present time-out, which doubles each time; a few such, and it is out of the band and
left alone until what is known of it is forgotten. So a dead authority costs a resolver less than a second in all, and no lookup.
Each device keeps its own figures, as if it had its resolver to itself; in the field one resolver learns for thousands.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace

from lab.resolver import Answer, Ask, UnresolvedError

BAND = 0.4
"""Seconds above the best time-out within which a server is still asked."""
SHORTEST, LONGEST = 0.05, 120.0
"""Bounds of a time-out, in seconds."""
FORGOTTEN = 900.0
"""Seconds after which a server's figures are forgotten and it is asked as a new one (`infra-host-ttl`)."""
TRIES = 5
"""Queries per server and lookup, at most (`outbound-msg-retry`)."""

Choose = Callable[[int], int]
"""A number below the one given, by chance: `random.Random.randrange`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Figures:
    """What is known of one server's round trips, as RFC 6298 keeps it, in seconds; to begin with, what Unbound supposes."""

    smoothed: float = 0.0
    deviation: float = 0.094
    timeout: float = 0.376
    since: float
    """Monotonic time of the first query of these figures."""


def heard(known: Figures, took: float) -> Figures:
    """The figures after an answer."""
    deviation = known.deviation * 0.75 + abs(known.smoothed - took) * 0.25
    smoothed = known.smoothed * 0.875 + took * 0.125
    timeout = min(max(smoothed + 4 * deviation, SHORTEST), LONGEST)
    return Figures(smoothed=smoothed, deviation=deviation, timeout=timeout, since=known.since)


def missed(known: Figures) -> Figures:
    """The figures after silence: the time-out doubles, the rest stays."""
    return replace(known, timeout=min(known.timeout * 2, LONGEST))


Tell = Callable[[str, str, Answer | None], None]
"""Told of every query: the name, the authority, and what it answered; None: nothing that could be used."""


class Authorities:
    """The servers of one zone, from one resolver's side."""

    def __init__(
        self, servers: Mapping[str, Ask], choose: Choose, monotonic: Callable[[], float], tell: Tell | None = None
    ) -> None:
        """`servers`: how to ask, by authority."""
        self._servers, self._choose, self._monotonic, self._tell = dict(servers), choose, monotonic, tell
        self._known: dict[str, Figures] = {}

    def candidates(self) -> tuple[str, ...]:
        """Servers that may be asked now; at least one."""
        timeouts = {name: self._figures(name).timeout for name in self._servers}
        best = min(timeouts.values())
        return tuple(name for name, timeout in timeouts.items() if timeout <= best + BAND)

    async def ask(self, name: str, patience: float) -> Answer:
        """One lookup, with as many queries as fit into `patience` seconds. Raises UnresolvedError when none was answered."""
        until, failure = self._monotonic() + patience, "no time"
        for _ in range(TRIES * len(self._servers)):
            began = self._monotonic()
            if began >= until:
                break
            candidates = self.candidates()
            server = candidates[self._choose(len(candidates))]
            known = self._figures(server)
            try:
                answer = await self._servers[server](name, min(until - began, known.timeout))
            except UnresolvedError as error:
                failure = str(error)
                # An asker who gives up before the server's own time-out knows nothing of it: one late answer in a busy quarter of a
                # second would leave the server out for a quarter of an hour, and nothing that it answers would be on any record.
                if self._monotonic() < until or until - began >= known.timeout:
                    self._known[server] = missed(known)
                self._say(name, server, None)
                continue
            self._known[server] = heard(known, self._monotonic() - began)
            self._say(name, server, answer)
            return answer
        raise UnresolvedError(f"{name}: {failure}")

    def _figures(self, server: str) -> Figures:
        now, known = self._monotonic(), self._known.get(server)
        return Figures(since=now) if known is None or now - known.since >= FORGOTTEN else known

    def _say(self, name: str, server: str, answer: Answer | None) -> None:
        if self._tell is not None:
            self._tell(name, server, answer)
