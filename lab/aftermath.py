"""How things stand when a run is over, and the promises that every run is judged by, whatever it did: demo, bench and calm. Pure."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field

from lab.fleet import SCREENING, VAULT, WEBHOOKS
from lab.reconcile import COURSE, Reconciliation
from lab.reconcile_webhooks import WebhookReconciliation
from lab.vault_aftermath import VaultAftermath, broken_vault

FEW = 8
"""Planted or held payments below which chance alone may leave none: every second one is approved, and screening that is late lets pass."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Aftermath:
    """What was found after the load had ended."""

    reconciliation: Reconciliation
    writer_after: str | None
    """None: etcd did not answer."""
    epoch_after: int | None
    etcd_disagreeing: Sequence[str]
    """Members whose own store differs from the others'."""
    exits: Sequence[str] = ()
    """Processes that ended though nobody had ordered it, with their last words; for people."""
    fallen: Sequence[str] = ()
    """Those of them that have no excuse."""
    breaches: Sequence[str] = ()
    """Promises that journal, posture and the writer's row show to be broken, in words."""
    webhooks: WebhookReconciliation | None = None
    """What merchants were told; None: nothing could be read of it, and `troubles` says why."""
    troubles: Sequence[str] = ()
    """What the lab could not do, end or read. Whatever that would have shown is not proven."""
    vault: VaultAftermath | None = None
    """None: no cardholder took part in this run."""
    unproven: Mapping[str, str] = field(default_factory=dict)
    """Services of which this run shows nothing, by name, and why: a verdict without them is not one of the whole fleet."""


def broken_payments(paid: Reconciliation) -> tuple[str, ...]:
    """Every promise about payments that records and ledgers show to be broken, whenever they were read; empty when none is."""
    rules = (
        (paid.lost == 0, f"{paid.lost} acknowledged payments are lost"),
        (paid.duplicated == 0, f"{paid.duplicated} payments exist more than once"),
        (paid.denied == 0, f"{paid.denied} payments exist although their clients were told that they never will"),
        (paid.declined == 0, f"{paid.declined} payments were declined, though every account exists and has funds"),
        (paid.balanced, "a ledger is not balanced"),
        *((not (count := paid.found(fault)), f"{count} {said}") for fault, said in COURSE.items()),
    )
    return tuple(said for kept, said in rules if not kept)


def broken_aftermath(found: Aftermath) -> tuple[str, ...]:
    """Every promise that was not kept, in words; empty when all were kept."""
    paid = found.reconciliation
    last_told = ", ".join(f"{count} x {why}" for why, count in list(paid.last_words.items())[:3]) or "unknown"
    rules = (
        (paid.remembered == 0, f"{paid.remembered} times somebody was known or paid whose erasure payments had acknowledged"),
        (paid.unfulfilled == 0, f"{paid.unfulfilled} erasures and reviews were still unanswered when the load ended"),
        (paid.unplanted == 0, f"{paid.unplanted} payments were held though nothing was unusual about them"),
        (
            paid.planted < FEW or paid.caught > 0,
            f"none of {paid.planted} payments that had to be held was, so nothing is proven about holding",
        ),
        (paid.strangers == 0, f"{paid.strangers} payments exist that nobody asked for"),
        (paid.ledgers_equal, f"the ledgers differ: {dict(paid.digests)}"),
        (not paid.unknown, "; ".join(paid.unknown)),
        (paid.acknowledged > 0, "nothing was ever acknowledged, so nothing is proven"),
        (paid.unresolved == 0, f"{paid.unresolved} payments were still unresolved when the load ended; last told: {last_told}"),
        (not paid.defects, f"the load generator did not do what it promises: {'; '.join(paid.defects)}"),
        (not found.etcd_disagreeing, f"etcd members disagree: {', '.join(found.etcd_disagreeing)}"),
        (not found.fallen, f"processes ended by themselves: {'; '.join(found.fallen)}"),
    )
    vault = broken_vault(found.vault) if found.vault else ()
    told = broken_webhooks(found.webhooks) if found.webhooks else ()
    return (*broken_payments(paid), *(said for kept, said in rules if not kept), *vault, *told, *found.breaches, *found.troubles)


def broken_webhooks(found: WebhookReconciliation) -> tuple[str, ...]:
    """Every promise to merchants that was not kept; duplicates are none, they carry the id of the first."""
    rules = (
        (found.sent > 0, "no merchant was told anything, so nothing is proven about webhooks"),
        (found.lost == 0, f"{found.lost} webhooks are lost"),
        (found.unregistered == 0, f"of {found.unregistered} accounts some ledger no longer knows whether they are to be told"),
        (found.pending == 0, f"{found.pending} webhooks were still to be sent when the run ended"),
        (found.reordered == 0, f"{found.reordered} webhooks came after a later one of their account"),
        (found.unheld == 0, f"{found.unheld} webhooks tell of payments that a ledger does not hold"),
        (found.altered == 0, f"{found.altered} webhooks say something else than the ledgers"),
        (found.unsigned == 0, f"{found.unsigned} attempts were not rightly signed"),
        (found.gaps == 0, f"the sequences of {found.gaps} accounts have gaps"),
        (found.outboxes_equal, f"the outboxes differ: {dict(found.digests)}"),
    )
    return tuple(said for kept, said in rules if not kept)


def unlooked(
    running: Collection[str], looked: Collection[str], without: Collection[str]
) -> tuple[Mapping[str, str], tuple[str, ...]]:
    """Services of which a run shows nothing, with the reason; and as troubles those that ran, that nobody looked at, and of which nobody
    said so (`without`): a service that is forgotten keeps every promise."""
    beside = (VAULT, WEBHOOKS, SCREENING)
    unproven = {service: "it did not run" for service in beside if service not in running}
    unproven |= {service: "nobody used it" for service in beside if service in running and service not in looked}
    # Screening keeps nothing that could be reconciled.
    forgotten = [service for service in unproven if service in running and service not in (*without, SCREENING)]
    return unproven, tuple(
        f"nobody looked at {service}, which ran, and nobody said that it would not be looked at" for service in forgotten
    )
