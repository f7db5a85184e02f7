"""What a calm run's report says, whatever it came to. Pure."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any

from lab.aftermath import Aftermath
from lab.calm_figures import Look, Stood, traffic_called
from lab.fleet import PAYMENTS, VAULT
from lab.report_services import looked_at, payments_said, vault_said
from lab.report_webhooks import webhooks_said


def calm_said(
    stood: Sequence[Stood], looks: Mapping[str, Sequence[Look]], found: Aftermath, pauses: Mapping[str, int]
) -> dict[str, Any]:
    """Every service side by side; what the payments service alone had is told at the top too, as it was when it was alone."""
    paid = next(one for one in stood if one.service == PAYMENTS)
    counts = {PAYMENTS: payments_said(found.reconciliation)}
    if found.vault:
        counts[VAULT] = vault_said(found.vault.reconciliation)
    return {
        "epoch_before": paid.epoch_before,
        "epoch_after": paid.epoch_after,
        "failovers": paid.claimed.get("failover", 0),
        "claims": dict(paid.claimed),
        "near_misses": asdict(paid.near),
        "traffic": asdict(traffic_called(looks[PAYMENTS])),
        "pauses": dict(pauses),
        "payments": counts[PAYMENTS],
        "services": {one.service: {**_stood(one), **counts.get(one.service, {})} for one in stood},
        "webhooks": webhooks_said(found.webhooks, None) if found.webhooks else None,
        **looked_at(found),
        "etcd_disagreeing": list(found.etcd_disagreeing),
        "exits": list(found.exits),
    }


def _stood(one: Stood) -> dict[str, Any]:
    return {
        "epoch_before": one.epoch_before,
        "epoch_after": one.epoch_after,
        "failovers": one.claimed.get("failover", 0),
        "claims": dict(one.claimed),
        "near_misses": asdict(one.near),
    }
