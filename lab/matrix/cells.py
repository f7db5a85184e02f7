"""Every cell of the matrix as data: what happens to whom in which scene, and which row of `docs/failure_modes.md` says what must come of
it. Pure.

Rules for changing this file: a cell promises nothing that its row does not say; `tests/repository/test_fault_matrix.py` holds the two
against each other. A fault that a victim cannot have is left out here with the reason, never judged mildly.
"""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum

from lab.errors import LabError
from lab.faults import OF_AUTHORITIES, Fault
from lab.vendors import AZUREDNS, CLOUDDNS, ROUTE53


class Victim(StrEnum):
    """Whose site the fault strikes; of an authority's fault, whose cloud's."""

    WRITER = "writer"
    FOLLOWER = "follower"
    OWNER = "owner"
    """The site of the controller that carries out the plan under way."""


class Scene(StrEnum):
    """What goes on when the fault strikes."""

    CALM = "calm"
    OUTAGE = "outage"
    """The site of the same cloud crashes with its authority, as clouds fail."""
    SWITCHOVER = "switchover"
    """An operator's switchover is claimed and not done. Its owner is neither the old writer's site nor the new one's."""
    FAILOVER = "failover"
    """The writer's site has crashed and the failover is claimed; the authority is that of its owner's cloud."""


class Outcome(StrEnum):
    """What the document promises, in the words in which its row says so."""

    MOVED = "another site writes"
    STAYED = "no reign changes"
    ENDED = "the plan ends"
    """Carried out or given back, by whichever controller: nobody has to look."""
    HELD = "nothing moves"
    """Nobody can be acknowledged, nothing is done about it by itself, and a guard says why."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Promise:
    """What must come of a cell."""

    outcome: Outcome
    row: str
    """Anchor of the document's row that says so."""
    pause: timedelta
    """Longest time without any acknowledgement, from the fault to the end of the run, healing included."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Cell:
    """One run."""

    fault: Fault
    victim: Victim
    scene: Scene
    promise: Promise
    lasts: timedelta
    """From the fault to its healing; where the writer moves, from the first acknowledgement of the new epoch."""

    @property
    def name(self) -> str:
        """How it is asked for and told."""
        return f"{self.fault}/{self.victim}"

    @property
    def brings_outage(self) -> bool:
        """Does a site crash beside the authority that the fault is about?"""
        return self.scene in (Scene.OUTAGE, Scene.FAILOVER)


GOES_ON, MOVES, WAITS = timedelta(seconds=5), timedelta(seconds=12), timedelta(seconds=25)
"""Longest pauses. Of a fault that lasts eight seconds, more than five are no "payments go on". The design's goal for a failover is 5 s in
95 % of them on an idle machine, and a matrix runs on any. A plan that stands still waits for the fault's end, and for a lease to lapse."""

LASTS, AFTER_MOVE = timedelta(seconds=8), timedelta(seconds=4)

WHOLE_SITE = (Fault.CRASH, Fault.FREEZE, Fault.PARTITION, Fault.DEAF, Fault.MUTE)
NETWORK = (Fault.SLOW, Fault.LOSS)
DATABASE = (Fault.DISK_FULL, Fault.POSTGRES, Fault.POSTGRES_FREEZE)
CONTROL = (Fault.CONTROLLER, Fault.ETCD)
CLOCKS = (Fault.CLOCK_AHEAD, Fault.CLOCK_BEHIND)
AUTHORITY = (Fault.API_REFUSE, Fault.API_HANG, Fault.API_NO_EFFECT, Fault.DNS_STALE)

AT_WRITER: Mapping[Fault, tuple[Outcome, str]] = {
    **dict.fromkeys(WHOLE_SITE, (Outcome.MOVED, "writers-site")),
    **dict.fromkeys(DATABASE, (Outcome.MOVED, "writers-database")),
    **dict.fromkeys(NETWORK, (Outcome.STAYED, "bad-links")),
    Fault.PAYMENTS: (Outcome.STAYED, "payments-service"),
    Fault.EDGE: (Outcome.STAYED, "edge"),
    **dict.fromkeys(CONTROL, (Outcome.STAYED, "control-part")),
    Fault.ETCD_MAJORITY: (Outcome.STAYED, "etcd-majority"),
    **dict.fromkeys(CLOCKS, (Outcome.STAYED, "clock")),
    **dict.fromkeys(AUTHORITY, (Outcome.MOVED, "authority-of-the-writer")),
}
AT_FOLLOWER: Mapping[Fault, tuple[Outcome, str]] = {
    **AT_WRITER,
    **dict.fromkeys(WHOLE_SITE, (Outcome.STAYED, "followers-site")),
    **dict.fromkeys(DATABASE, (Outcome.STAYED, "followers-database")),
    **dict.fromkeys(AUTHORITY, (Outcome.STAYED, "authority-of-a-follower")),
}
AT_OWNER: Mapping[Fault, tuple[Outcome, str]] = {
    **dict.fromkeys((*WHOLE_SITE, *NETWORK, *DATABASE, *CONTROL, *CLOCKS), (Outcome.ENDED, "plan-owner")),
    **dict.fromkeys((Fault.PAYMENTS, Fault.EDGE), (Outcome.ENDED, "plan-owner")),
    Fault.ETCD_MAJORITY: (Outcome.ENDED, "etcd-majority-in-a-plan"),
    **dict.fromkeys(AUTHORITY, (Outcome.MOVED, "authority-of-the-owner")),
}
TABLE: Mapping[Victim, Mapping[Fault, tuple[Outcome, str]]] = {
    Victim.WRITER: AT_WRITER,
    Victim.FOLLOWER: AT_FOLLOWER,
    Victim.OWNER: AT_OWNER,
}

LEFT_OUT: Mapping[Fault, str] = {
    Fault.BLACKOUT: "a crash, for two sites at once: the sequences have it",
    Fault.API_THROTTLE: "less than an API that refuses; tests/contract/test_dns.py has it",
    Fault.API_LOSE_ANSWER: "less than an API that answers without acting; tests/contract/test_dns.py has it",
    Fault.DNS_DOWN: "tests/lab/test_faults.py has it with a failover",
    Fault.AUTHORITY_DOWN: "tests/lab/test_faults.py has it with a failover",
    Fault.ISSUER_DOWN: "no cloud's: tests/lab/test_issuer.py has it with a failover",
}
"""Faults of the lab that are in no cell, and why."""


def cells() -> tuple[Cell, ...]:
    """All of them, the writer's first."""
    return tuple(_cell(fault, victim, *said) for victim, table in TABLE.items() for fault, said in table.items())


def _cell(fault: Fault, victim: Victim, outcome: Outcome, row: str) -> Cell:
    pause = {Outcome.MOVED: MOVES, Outcome.STAYED: GOES_ON}.get(outcome, WAITS)
    return Cell(
        fault=fault,
        victim=victim,
        scene=_scene(fault, victim),
        promise=Promise(outcome=outcome, row=row, pause=pause),
        lasts=AFTER_MOVE if outcome is Outcome.MOVED else LASTS,
    )


def _scene(fault: Fault, victim: Victim) -> Scene:
    if fault in OF_AUTHORITIES:
        return Scene.FAILOVER if victim is Victim.OWNER else Scene.OUTAGE
    return Scene.SWITCHOVER if victim is Victim.OWNER else Scene.CALM


def select(faults: Collection[str], victims: Collection[str], every: Collection[Cell] | None = None) -> tuple[Cell, ...]:
    """Cells of these faults at these victims, in the matrix's order; empty: any. Raises LabError for one that there is not."""
    known = cells() if every is None else tuple(every)
    _require(faults, {cell.fault for cell in known}, "fault")
    _require(victims, set(Victim), "victim")
    wanted = tuple(cell for cell in known if (not faults or cell.fault in faults) and (not victims or cell.victim in victims))
    if not wanted:
        raise LabError("no cell is of such a fault at such a victim")
    return wanted


def _require(given: Collection[str], known: Collection[str], what: str) -> None:
    if strange := sorted(set(given) - {str(one) for one in known}):
        raise LabError(f"there is no {what} {', '.join(strange)}; there are {', '.join(sorted(map(str, known)))}")


def authority_of(site: str) -> str:
    """The place of the authority that this site's cloud runs."""
    return {"aws": ROUTE53, "azure": AZUREDNS, "gcp": CLOUDDNS}[site]
