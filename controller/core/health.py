"""From probes to opinions to agreement: who says that a part of a site is failing, and whether that is enough.

Rules for changing this file: unknown is a third answer and every doubt ends there; nothing here may turn missing, old or
self-inflicted evidence into an accusation. Calm in noise and 1.6 s to agree on a death are tested against it, together.

How a vantage measures. One probe per target is in flight; every `probe_timeout` of silence counts as a miss *while the probe
goes on waiting*, and a late answer takes the misses back. Giving the probe up at its timeout instead would close the database
session; in noise (25 ms + jitter) the five round trips of a new one never fit into the timeout, and one slow answer would end as
an accusation of a healthy writer.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import timedelta

from controller.core.model import Aged, Health, Observation, Opinion, Part, Reason, Site, Snapshot, Verdict
from controller.core.policy import Policy

ZERO = timedelta(0)


@dataclass(frozen=True, slots=True, kw_only=True)
class Sample:
    """One finished probe as its vantage saw it."""

    ok: bool
    took: timedelta
    """Time this vantage was awake between asking and knowing."""
    slept: timedelta = ZERO
    """Time this vantage itself was not running meanwhile."""
    detail: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Track:
    """What one vantage has made of all its probes of one part of one site so far."""

    health: Health = Health.UNKNOWN
    misses: int = 0
    lates: int = 0
    """Consecutive answers that came later than the probe timeout."""
    successes: int = 0
    latency: timedelta | None = None
    detail: str = "not asked yet"


def slept(gap: timedelta, expected: timedelta, slack: timedelta) -> timedelta:
    """How much of the gap between two looks at the clock this process was not running; small delays are not sleep.

    B is stopped for two seconds with a probe of healthy A in flight; without this rule B wakes up, finds two seconds of
    silence, and accuses A of its own absence.
    """
    return gap - expected if gap - expected > slack else ZERO


def judge(track: Track, part: Part, sample: Sample, policy: Policy) -> Track:
    """The track after one finished probe. A failure during which the vantage itself slept is no measurement.

    An answer so late that the target was accused meanwhile does not take the accusation back: it has to be forgiven.
    """
    if sample.ok:
        return _answered(waiting(track, part, sample.took, policy), sample, policy)
    if sample.slept > ZERO:
        return track
    missed = track.misses + max(1, sample.took // policy.probe_timeout)
    return _missed(track, part, missed, sample.detail, policy)


def waiting(track: Track, part: Part, silence: timedelta, policy: Policy) -> Track:
    """The track as it stands while a probe has been waiting, awake, for `silence`; the kept track is not changed by it."""
    pending = silence // policy.probe_timeout
    if pending == 0:
        return track
    return _missed(track, part, track.misses + pending, f"no answer for {_seconds(silence)}", policy)


def unmeasured(track: Track, detail: str) -> Track:
    """The track when the vantage could not ask at all (its own credentials, its own settings): unknown, never failing."""
    return replace(track, health=Health.UNKNOWN, misses=0, lates=0, successes=0, detail=detail)


def accuses(said: Opinion) -> bool:
    """Does this word still hold against what it is about? An accusation lasts until it is forgiven, but counts only until the accuser is
    answered in time; its next miss makes it count again.

    1. azure's cloud dies while aws's database is away, and the failover waits for it. 2. aws comes back, answers the cut and is elected.
    3. By words that are yet to be forgiven aws is failing too: it is left while it opens, and nobody pays through a second election.
    """
    return said.health is Health.FAILING and said.successes == 0


def opinion(track: Track) -> Opinion:
    """The track as it is published."""
    return Opinion(
        health=track.health, misses=track.misses, successes=track.successes, latency=track.latency, detail=track.detail
    )


def _answered(track: Track, sample: Sample, policy: Policy) -> Track:
    late = sample.took > policy.probe_timeout
    lates = track.lates + 1 if late else 0
    successes = 0 if late else track.successes + 1
    match track.health:
        case Health.FAILING:
            forgiven = successes >= policy.successes_to_forgive
            health = Health.HEALTHY if forgiven else Health.FAILING
        case _:
            health = Health.FAILING if lates >= policy.lates_to_accuse else Health.HEALTHY
    detail = f"answers late, {lates} in a row" if late else sample.detail
    return Track(health=health, misses=0, lates=lates, successes=successes, latency=sample.took, detail=detail)


def _missed(track: Track, part: Part, misses: int, detail: str, policy: Policy) -> Track:
    accusing = policy.misses_to_accuse if part is Part.DATABASE else policy.misses_to_drain
    if misses >= accusing:
        health = Health.FAILING
    elif misses >= policy.misses_to_accuse and track.health is Health.HEALTHY:
        health = Health.UNKNOWN
    else:
        health = track.health
    return replace(track, health=health, misses=misses, successes=0, detail=detail)


def suspects_itself(vantage: Site, opinions: Mapping[Site, Mapping[Part, Opinion]], policy: Policy) -> bool:
    """Does this vantage see every part of every other site failing, or one miss short of it? Then its own network is to blame.

    B loses its network: A fails first, C a few milliseconds later. Without the one miss of margin B would accuse A in between.
    With a single other site the rule says nothing, and agreement alone protects.
    """
    others = [parts for site, parts in opinions.items() if site != vantage and parts]
    if len(others) < 2:
        return False
    every = [said for parts in others for said in parts.values()]
    return all(_nearly_failing(said, policy) for said in every) and any(said.health is Health.FAILING for said in every)


def _nearly_failing(said: Opinion, policy: Policy) -> bool:
    return said.health is Health.FAILING or said.misses >= policy.misses_to_accuse - 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Voice:
    """What one vantage said about one part of one site, and whether it counted."""

    vantage: Site
    health: Health
    age: timedelta
    counted: bool
    detail: str

    def __str__(self) -> str:
        said = f"{self.vantage} says {self.health} ({_seconds(self.age)} ago"
        return f"{said})" if self.counted else f"{said}, not counted: {self.detail})"


@dataclass(frozen=True, slots=True, kw_only=True)
class Agreement:
    """What fresh vantages together say about one part of one site, with every voice."""

    site: Site
    part: Part
    health: Health
    voices: tuple[Voice, ...]

    @property
    def reason(self) -> Reason:
        """The agreement as evidence for the journal; `age` is that of the oldest voice that counted."""
        ages = [voice.age for voice in self.voices if voice.counted]
        return Reason(
            guard=f"health:{self.site}/{self.part}",
            verdict=Verdict.ALLOWED,
            value=str(self.health),
            limit="; ".join(str(voice) for voice in self.voices) or "nobody said anything",
            age=max(ages, default=None),
        )


def agreed(site: Site, part: Part, observations: Mapping[Site, Aged[Observation]], policy: Policy) -> Agreement:
    """What the vantages agree on: at least `policy.vantages` of the same word, one from outside, and more than contradict it.

    A partition that only B suffers makes B accuse A while A and C see it healthy: two against one, and A stays healthy. With one
    for and one against the answer is unknown, and nothing is done about the site. Who accused it and is answered again (`accuses`) speaks
    neither for nor against it.
    """
    voices = tuple(_voice(name, site, part, observations[name], policy) for name in sorted(observations))
    failing = {voice.vantage for voice in voices if voice.counted and voice.health is Health.FAILING}
    healthy = {voice.vantage for voice in voices if voice.counted and voice.health is Health.HEALTHY}

    def carried(by: set[Site], against: set[Site]) -> bool:
        return len(by) >= policy.vantages and bool(by - {site}) and len(by) > len(against)

    health = Health.UNKNOWN
    if carried(failing, healthy):
        health = Health.FAILING
    elif carried(healthy, failing):
        health = Health.HEALTHY
    return Agreement(site=site, part=part, health=health, voices=voices)


def fresh_vantages(snapshot: Snapshot, policy: Policy) -> frozenset[Site]:
    """Vantages whose word counts at this tick: fresh, and not suspecting themselves."""
    return frozenset(
        name for name, aged in snapshot.observations.items() if aged.age <= policy.freshness and not aged.value.suspects_itself
    )


def _voice(vantage: Site, site: Site, part: Part, aged: Aged[Observation], policy: Policy) -> Voice:
    said = aged.value.opinions.get(site, {}).get(part)
    health = said.health if said else Health.UNKNOWN
    if said is None:
        counted, detail = False, "never asked"
    elif aged.age > policy.freshness:
        counted, detail = False, f"older than {_seconds(policy.freshness)}"
    elif aged.value.suspects_itself:
        counted, detail = False, "it suspects itself"
    elif health is Health.FAILING and not accuses(said):
        counted, detail = False, f"{site} answers again, {said.successes} in time"
    else:
        counted, detail = True, said.detail
    return Voice(vantage=vantage, health=health, age=aged.age, counted=counted, detail=detail)


def _seconds(duration: timedelta) -> str:
    return f"{duration.total_seconds():.1f} s"
