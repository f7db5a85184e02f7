"""Three sites as their contracts tell of them, so that the stacks behind them can be played without theirs.

What stands here is checked against what the sites' own programs publish (`test_mesh_contracts.py`).
"""

from collections.abc import Mapping
from functools import cache
from typing import Any

from infra.contracts import CONTRACT, MARK
from infra.topology import Cloud
from tests.infra.recording import Recording, record

ADDRESSES: Mapping[Cloud, str] = {Cloud.AWS: "192.0.2.10", Cloud.AZURE: "192.0.2.20", Cloud.GCP: "192.0.2.30"}
DOORS: Mapping[Cloud, str] = {
    Cloud.AWS: "trimaran-prod-side-door-c0ffee.elb.eu-central-1.amazonaws.com",
    Cloud.AZURE: "10.20.31.250",
    Cloud.GCP: "10.30.26.5",
}
GROUP = "trimaran-prod"
NETWORK = (
    f"/subscriptions/00000000-0000-0000-0000-000000000001/resourceGroups/{GROUP}/providers/Microsoft.Network/virtualNetworks/site"
)
LOG = "arn:aws:logs:eu-central-1:111111111111:log-group:trimaran-prod-site"
WORKSPACE = (
    f"/subscriptions/00000000-0000-0000-0000-000000000001/resourceGroups/{GROUP}/providers/Microsoft.OperationalInsights/w"
)


def _certificate_records(cloud: Cloud, domain: str) -> list[dict[str, str]]:
    """As Google wants them, with a dot at the end. At the other two the edges end TLS, and nobody has to be shown anything."""
    match cloud:
        case Cloud.AWS | Cloud.AZURE:
            return []
        case Cloud.GCP:
            names = [f"_acme-challenge_x.{host}.{domain}." for host in ("api", "vault")]
            return [{"name": name, "type": "CNAME", "value": "c1.authorize.certificatemanager.goog."} for name in names]


def site(cloud: Cloud, domain: str) -> dict[str, Any]:
    """What the site of that cloud has published."""
    private = {
        Cloud.AWS: {"network": "vpc-1", "group": "111111111111", "routes": ["rtb-1", "rtb-2", "rtb-3"], "log": LOG},
        Cloud.AZURE: {"network": NETWORK, "group": GROUP, "routes": [], "log": WORKSPACE},
        Cloud.GCP: {"network": "projects/p/global/networks/site", "group": "trimaran-prod", "routes": [], "log": "site"},
    }
    shared = ("control_subnet", "control_guard", "cluster", "wrapping_key", "disk_key")
    return {
        MARK: CONTRACT,
        "region": "somewhere",
        "address": ADDRESSES[cloud],
        "certificate_records": _certificate_records(cloud, domain),
        "doors": {name: f"{DOORS[cloud]}:{port}" for name, port in (("peers", 8444), ("agent", 8445))},
        **private[cloud],
        **{name: f"{cloud}-{name}" for name in shared},
        **{name: {} for name in ("account", "database_hosts", "database_servers", "instances", "peaks", "secrets")},
        **{name: {} for name in ("repositories", "principals")},
    }


def published(environment: str, domain: str, **changed: dict[str, Any]) -> Mapping[str, Any]:
    """All three by the full names of their stacks; `changed` replaces some of a cloud's fields."""
    return {f"organization/trimaran/{environment}-{cloud}": {**site(cloud, domain), **changed.get(cloud, {})} for cloud in Cloud}


BUILT = tuple(f"{environment}-{cloud}" for environment in ("dev", "prod") for cloud in Cloud)
"""Sites whose own programs publish: they are held to what stands here, and the mesh and the zone are played on them as well."""

DOMAINS = {"dev": "pay-dev.example.com", "prod": "pay.example.com"}


@cache
def on_sites(stack: str) -> Recording:
    """What a stack asks for with the configuration that is in the repository, when the three sites are these."""
    environment, _, _ = stack.partition("-")
    return record(stack, stacks=published(environment, DOMAINS[environment]))
