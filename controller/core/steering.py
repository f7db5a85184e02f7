"""Which traffic we want, from who can serve.

Rules for changing this file: taking traffic away answers a failing edge, giving it back waits; only traffic comes back by
itself, never the writer. A site an operator drained stays drained.
"""

from collections.abc import Mapping

from controller.core.circumstances import Circumstances
from controller.core.model import Health, Site


def returning(now: Circumstances) -> frozenset[Site]:
    """Sites without traffic, not drained on purpose, whose edge is healthy by agreement."""
    posture = now.posture
    return frozenset(
        site
        for site, weight in posture.weights.items()
        if weight == 0 and site not in posture.drained and now.edge(site) is Health.HEALTHY
    )


def wanted_weights(now: Circumstances, restore: frozenset[Site]) -> Mapping[Site, float]:
    """The present weights without failing edges, and with `restore` at its normal share."""
    return {
        site: now.policy.share(site) if site in restore else 0.0 if now.edge(site) is Health.FAILING else weight
        for site, weight in now.posture.weights.items()
    }


def weights_without(leaving: Site, now: Circumstances) -> Mapping[Site, float]:
    """The present weights without one site and without failing edges."""
    return {site: 0.0 if site == leaving else weight for site, weight in wanted_weights(now, frozenset()).items()}
