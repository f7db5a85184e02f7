"""What one rehearsal of a fault proved, as plain values for report.json. Pure: everything measured is passed in."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

from lab.aftermath import FEW, Aftermath, broken_aftermath
from lab.fleet import PAYMENTS
from lab.half_moved import ServiceMove, broken_move
from lab.reconcile_answers import Answers
from lab.reconcile_recovery import Clients, Recovery
from lab.record import Habit
from lab.report_services import BESIDE, looked_at, services
from lab.report_ways import ways_said
from lab.report_webhooks import webhooks_said
from lab.service_rates import ServiceRates, rates_said
from lab.site_settings import NAMES
from lab.timeline import DETECT, Bin, FloorMoment, Moment, Span, phases_ms
from lab.ways import Ways

KEPT, BROKEN = "kept", "broken"
FAST = next(iter(NAMES))
"""The service's own name. The slow one is there to hold an old address, and its figures are apart."""

TOO_LATE = 0.25
"""Seconds. An offer made later than this was made by a process that was kept from running; then others were kept from it too."""

LED_AWAY = 3.0
"""Seconds after the decision within which an authority without a fault leaves the dead site out. The goal is 1 s and the plan waits no
longer (0.64 s was seen on a machine with much beside the lab); whom it could not tell a caretaker tells, which looks once a second."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Rehearsal(Aftermath):
    """Everything that was seen of one fault that costs the writer its reign, and how things stood afterwards."""

    fault: str
    site: str
    writer_before: str
    epoch_before: int
    recovery: Recovery
    first_webhook: float | None = None
    """Seconds from the fault to the first webhook of a payment of a later epoch; None: there was none."""
    answers: Mapping[str, Answers] = field(default_factory=dict)
    """What each authority told clients between the decision to drain the site and its healing, by the authority's name for people."""
    beside: Sequence[str] = ()
    """Faults of authorities from the fault to its healing, in words."""
    met_old_writer: int = 0
    """Requests that payers sent to the healed site before it was closed to clients as the writer of the past that it was."""
    must_meet_old_writer: bool = False
    """Was it the purpose of this run that they do?"""
    spans: Sequence[Span]
    floors: Sequence[FloorMoment] = ()
    """Of running instances, which the failover wanted raised where traffic was to go."""
    moments: Sequence[Moment]
    bins: Sequence[Bin]
    healing_at: float | None = None
    """Seconds after the fault when healing began."""
    healed_at: float | None
    """The same when it was done: every process runs and etcd's member has caught up; None: never."""
    whole_at: float | None
    """Seconds after the fault when the site was a follower whose confirmations count again; None: it never was."""
    etcd_leader_on_site: bool
    """Did the control plane lose its leader together with the writer? The harder case."""
    parts: Sequence[Mapping[str, str]]
    round_trip_ms: float
    offered_per_second: float
    load_late_s: float
    """Largest delay of an offer against its schedule: much of it, and this machine was too slow to prove a number."""
    lab_started_s: float
    cpu_seconds: Mapping[str, float]
    """Processor seconds per second and process, in calm."""
    ways: Ways | None = None
    """Of two payments; None: nobody looked."""
    rates: Mapping[str, ServiceRates] = field(default_factory=dict)
    """By service."""
    vault_move: ServiceMove | None = None
    """None: no cardholder took part in this run."""

    @property
    def moves(self) -> tuple[ServiceMove, ...]:
        """Every service that clients used, payments first."""
        payments = ServiceMove(
            service=PAYMENTS,
            writer_before=self.writer_before,
            writer_after=self.writer_after,
            epoch_before=self.epoch_before,
            epoch_after=self.epoch_after,
            first_acknowledged=self.recovery.first_acknowledged,
        )
        return (payments,) if self.vault_move is None else (payments, self.vault_move)


def broken_promises(seen: Rehearsal) -> tuple[str, ...]:
    """Every promise that this run did not keep, in words; empty when all were kept."""
    claimed = next((span.end for span in seen.spans if span.name == DETECT), None)
    held = seen.recovery.ignoring_ttl.unrecovered if seen.recovery.ignoring_ttl else 0
    stayed, moved = seen.writer_after == seen.site, f"from {seen.epoch_before} to {seen.epoch_after}"
    rules = (
        (seen.recovery.first_acknowledged is not None, "no payment was acknowledged in a later epoch"),
        (seen.recovery.clients.unrecovered == 0, f"{seen.recovery.clients.unrecovered} clients never recovered"),
        (held == 0, f"{held} clients that ignore TTLs never recovered"),
        (not stayed, f"{seen.site} is the writer again, though nobody asked for it"),
        (seen.epoch_after in (seen.epoch_before + 1, None), f"one fault, one failover: the epoch went {moved}"),
        (claimed is not None, "the journal tells of no failover: nothing is proven about one"),
        (
            claimed is None or claimed >= 0,
            f"the failover was claimed {-(claimed or 0):.2f} s before the fault: its figures are not the fault's",
        ),
        (seen.recovery.clients.affected > 0, "no client was kept from paying, so nothing is proven about how they recover"),
        (
            seen.met_old_writer > 0 or not seen.must_meet_old_writer,
            f"no payer met {seen.site} between its healing and its fencing, so nothing is proven about the old writer",
        ),
        (seen.whole_at is not None, f"{seen.site} did not become a follower again"),
        (
            seen.webhooks is None or seen.first_webhook is not None,
            "no merchant was told of a payment of the new epoch, so nothing is proven about webhooks after the fault",
        ),
    )
    vault = broken_move(seen.vault_move, seen.site) if seen.vault_move else ()
    led_away = () if claimed is None else _not_led_away(seen)
    return (*broken_aftermath(seen), *(said for kept, said in rules if not kept), *led_away, *vault, *_unproven(seen))


def _not_led_away(seen: Rehearsal) -> tuple[str, ...]:
    """Clients whom nobody led to a living site. At the two others payments go on, so that in the end everybody pays, and who waited for
    the heal alone has recovered too. A fault of an authority excuses that one; a machine that was too busy excuses all but all of them."""
    busy = seen.load_late_s > TOO_LATE
    well = {name: one for name, one in seen.answers.items() if not any(fault.endswith(f" of {name}") for fault in seen.beside)}
    late = {name: one.last_stale for name, one in well.items() if one.last_stale is not None and one.last_stale > LED_AWAY}
    own = seen.recovery.by_name.get(FAST)
    waited = own is not None and own.affected >= FEW and 2 * own.healed_first > own.affected
    said = ", ".join(f"{name} still named {seen.site} {last:.1f} s after it was to be left out" for name, last in late.items())
    rules = (
        (not late or (busy and len(late) < len(well)), said),
        (
            bool(seen.beside) or any(one.answered for one in well.values()),
            f"no authority was asked before {seen.site} was healed, so nothing is proven about how clients are led away",
        ),
        (
            not waited or bool(seen.beside) or busy,
            f"{own.healed_first if own else 0} of {own.affected if own else 0} clients that honour TTLs paid again only once {seen.site}"
            f" was healed, behind a TTL of {NAMES[FAST]} s",
        ),
    )
    return tuple(said for kept, said in rules if not kept)


def _unproven(seen: Rehearsal) -> tuple[str, ...]:
    """What cardholders, officers and reviewers did in every rehearsal of the whole fleet: a check that met nothing was kept by nobody."""
    if seen.vault is None:
        return ()
    paid, kept = seen.reconciliation, seen.vault.reconciliation
    rules = (
        (kept.erasures > 0, "no subject was erased in the vault, so nothing is proven about erasures"),
        (kept.refused > 0, "nobody asked for a number that was erased, so nothing is proven about its refusal"),
        (paid.from_tokens > 0, "no payment came from a token, so nothing is proven about sources"),
        (
            paid.refused > 0 or not paid.refusable,
            "nobody paid from a token that was erased, so nothing is proven about its refusal by payments",
        ),
        (paid.erasures > 0, "payments was never asked to forget anybody, so nothing is proven about its proofs"),
        (
            paid.caught < FEW or paid.approved > 0,
            f"{paid.caught} payments were held and none approved: nothing is proven about reviews",
        ),
    )
    return tuple(said for shown, said in rules if not shown)


def document(seen: Rehearsal) -> dict[str, Any]:
    """The report. Its keys are read by other programs: none is renamed or removed."""
    found, broken = seen.reconciliation, broken_promises(seen)
    return {
        "fault": seen.fault,
        "site": seen.site,
        "writer_before": seen.writer_before,
        "writer_after": seen.writer_after,
        "epoch_before": seen.epoch_before,
        "epoch_after": seen.epoch_after,
        "payments": {
            "attempted": found.attempted,
            "acknowledged": found.acknowledged,
            "declined": found.declined,
            "lost": found.lost,
            "duplicated": found.duplicated,
            "denied": found.denied,
            "unresolved": found.unresolved,
            **{name: getattr(found, name) for name in BESIDE},
        },
        **looked_at(seen),
        **services(seen.moves, seen.site, found, seen.vault),
        "recovery_seconds": {
            "first_acknowledged": _rounded(seen.recovery.first_acknowledged),
            **{f"clients_{name}": value for name, value in _spread(_own_name(seen.recovery)).items()},
        },
        **_traffic(seen),
        "webhooks": webhooks_said(seen.webhooks, seen.first_webhook) if seen.webhooks else None,
        "trace": ways_said(seen.ways) if seen.ways else None,
        "rates": rates_said(seen.rates),
        "phases_ms": phases_ms(seen.spans),
        "floors": [asdict(one) for one in seen.floors],
        **_aftermath(seen),
        **_surroundings(seen),
        "spans": [{"name": span.name, "begin_s": _rounded(span.begin), "end_s": _rounded(span.end)} for span in seen.spans],
        "timeline": [asdict(moment) for moment in seen.moments],
        "broken": list(broken),
        "verdict": BROKEN if broken else KEPT,
    }


def _aftermath(seen: Rehearsal) -> dict[str, Any]:
    """How things stood afterwards, and when the site was back."""
    found = seen.reconciliation
    return {
        "ledgers": dict(found.digests),
        "ledgers_equal": found.ledgers_equal,
        "ledgers_balanced": found.balanced,
        "histories_astray": found.astray,
        "unknown": list(found.unknown),
        "findings": [asdict(finding) for finding in found.findings[:100]],
        "etcd": {"equal": not seen.etcd_disagreeing, "disagreeing": list(seen.etcd_disagreeing)},
        "etcd_leader_on_site": seen.etcd_leader_on_site,
        "healing_s": _rounded(seen.healing_at),
        "healed_s": _rounded(seen.healed_at),
        "follower_again_s": _rounded(seen.whole_at),
    }


def _surroundings(seen: Rehearsal) -> dict[str, Any]:
    """What the run went on in: links, load, this machine, and the parts."""
    return {
        "round_trip_ms": seen.round_trip_ms,
        "offered_per_second": seen.offered_per_second,
        "load_late_s": _rounded(seen.load_late_s),
        "machine_too_busy": seen.load_late_s > TOO_LATE,
        "lab_started_s": _rounded(seen.lab_started_s),
        "unordered_exits": list(seen.exits),
        "cpu_cores": {name: round(share, 3) for name, share in seen.cpu_seconds.items()},
        "parts": [dict(part) for part in seen.parts],
    }


def _traffic(seen: Rehearsal) -> dict[str, Any]:
    """Who had to wait, and what the authorities told them."""
    habits = ((Habit.HONEST, seen.recovery.clients), (Habit.IGNORES_TTL, seen.recovery.ignoring_ttl))
    return {
        "clients_by_name": {name: _clients(group) for name, group in seen.recovery.by_name.items()},
        "clients_by_habit": {habit: _clients(group) for habit, group in habits if group is not None},
        "answers": {authority: _answers(one) for authority, one in seen.answers.items()},
        "beside": list(seen.beside),
        "met_old_writer": seen.met_old_writer,
    }


def _own_name(recovery: Recovery) -> Clients:
    """Clients that pay through the service's own name."""
    return recovery.by_name.get(FAST, recovery.clients)


def _clients(group: Clients) -> dict[str, Any]:
    counts = {"affected": group.affected, "unrecovered": group.unrecovered, "healed_first": group.healed_first}
    return {**counts, **_spread(group)}


def _answers(one: Answers) -> dict[str, Any]:
    return {
        "answered": one.answered,
        "stale": one.stale,
        "stale_share": _rounded(one.share),
        "last_stale_s": _rounded(one.last_stale),
        "unended": one.unended,
        "unanswered": one.unanswered,
    }


def _spread(group: Clients) -> dict[str, float | None]:
    return {"p50": _rounded(group.p50), "p95": _rounded(group.p95), "max": _rounded(group.max)}


def _rounded(value: float | None) -> float | None:
    return None if value is None else round(value, 3)
